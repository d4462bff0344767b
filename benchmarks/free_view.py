"""Free view: does the head turn as far as asked, and is it still the same person?

    python -m benchmarks.free_view CLIPS... -o free_view.json --sheet free_view.png

The first frame of each clip becomes a key picture; the head is held frontal and turned to angles up to 30 degrees of
yaw and 20 of pitch. An estimator that knows nothing of the codec (dlib's landmarks and PnP) says how far each picture
is turned from the frontal one; dlib's identity vector says how far from the original it has come. The estimator has
a gain of its own, which is measured on real frames against the face-mesh labels where NAME.npz lies beside the clip.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clips import read_clip
from benchmarks.head_pose import angles_of, head_pose, rotation_of
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.one_key import Frames, KeyedClip, Studio, mean, write_sheet
from benchmarks.rd import write_json
from nvc.models import zoo
from nvc.pose import HeadMotion
from nvc.view import View

VIEWS: tuple[tuple[float, float], ...] = (
    *((yaw, 0.0) for yaw in (-30.0, -20.0, -10.0, 10.0, 20.0, 30.0)),
    *((0.0, pitch) for pitch in (-20.0, -10.0, 10.0, 20.0)),
    *((yaw, pitch) for yaw in (-20.0, 20.0) for pitch in (-12.0, 12.0)),
)
"""Yaw and pitch in degrees."""
_SHOWN = (
    (-30.0, 0.0),
    (-20.0, 0.0),
    (-10.0, 0.0),
    (0.0, 0.0),
    (10.0, 0.0),
    (20.0, 0.0),
    (30.0, 0.0),
    (0.0, -20.0),
    (0.0, 20.0),
)


_CALIBRATION = range(0, 241, 40)
_RIGID_MESH = (1, 4, 6, 168, 33, 263, 133, 362, 10, 151, 54, 284, 127, 356, 234, 454)  # of the face mesh


def turned(clip: KeyedClip, views: Sequence[tuple[float, float]]) -> HeadMotion:
    """The key picture's head, frontal and then turned to each of the views."""
    parts = [View(yaw=yaw, pitch=pitch, frontal=True).apply(clip.motion[:1]).vector() for yaw, pitch in views]
    return HeadMotion.from_vector(torch.cat(parts))


def measure(studio: Studio, clip: KeyedClip) -> tuple[list[dict[str, Any]], Frames]:
    """One row for each view, and the pictures (the frontal one first)."""
    pictures = studio.draw(clip.prepared, turned(clip, [(0.0, 0.0), *VIEWS]))
    original = studio.identity(clip.frames[0])
    seen = [studio.landmarks(picture) for picture in pictures]
    rows = []
    for (yaw, pitch), picture, points in zip(VIEWS, pictures[1:], seen[1:], strict=True):
        row: dict[str, Any] = {"clip": clip.name, "yaw": yaw, "pitch": pitch, "found": points is not None}
        if points is not None and seen[0] is not None:
            still, there = head_pose(seen[0], studio.side), head_pose(points, studio.side)
            asked = View(yaw=yaw, pitch=pitch, frontal=True).apply(clip.motion[:1]).angles[0].double().numpy()
            row |= compare(still, there, asked)
        vector = studio.identity(picture)
        if vector is not None and original is not None:
            row["aed"] = round(float(np.linalg.norm(vector - original)), 4)
        rows.append(row)
    return rows, pictures


def compare(still: np.ndarray, there: np.ndarray, asked: np.ndarray) -> dict[str, float]:
    """How far a head has turned from where it stood, against what was asked, (pitch, yaw, roll) in radians."""
    done = there @ still.T
    pitch, yaw, _ = np.degrees(angles_of(done))
    error = done @ rotation_of(asked).T
    off = np.degrees(np.arccos(np.clip((np.trace(error) - 1) / 2, -1, 1)))
    return {"seen_yaw": round(float(yaw), 2), "seen_pitch": round(float(pitch), 2), "error": round(float(off), 2)}


def calibrate(studio: Studio, path: Path) -> list[tuple[float, float, float, float]]:
    """Turns between real frames, in degrees: yaw by labels, yaw seen, pitch by labels, pitch seen."""
    labels = path.with_suffix(".npz")
    if not labels.exists():
        return []
    with np.load(labels) as table:
        points = np.cumsum(table["landmarks_delta"].astype(np.int32), axis=0)
    frames = read_clip(path, limit=_CALIBRATION[-1] + 1).frames.transpose(0, 2, 3, 1)
    at = [index for index in _CALIBRATION if index < min(len(frames), len(points))]
    seen = [studio.landmarks(np.ascontiguousarray(frames[index])) for index in at]
    meshes = [points[index][list(_RIGID_MESH)].astype(np.float64) for index in at]
    found = []
    for landmarks, mesh in zip(seen[1:], meshes[1:], strict=True):
        if landmarks is not None and seen[0] is not None:
            by_labels = np.degrees(angles_of(_turn(meshes[0], mesh)))
            estimated = head_pose(landmarks, studio.side) @ head_pose(seen[0], studio.side).T
            pitch, yaw, _ = np.degrees(angles_of(estimated))
            found.append((float(by_labels[1]), float(yaw), float(by_labels[0]), float(pitch)))
    return found


def _turn(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The rotation that best takes rigid points [P, 3] to others (Kabsch)."""
    u, _, v = np.linalg.svd((after - after.mean(0)).T @ (before - before.mean(0)))
    return u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over clips, by view and over all."""
    measured = [row for row in rows if "error" in row]
    by_view = []
    for yaw, pitch in VIEWS:
        own = [row for row in measured if (row["yaw"], row["pitch"]) == (yaw, pitch)]
        of = {
            name: mean([row[name] for row in own if name in row]) for name in ("seen_yaw", "seen_pitch", "error", "aed")
        }
        by_view.append({"yaw": yaw, "pitch": pitch, "clips": len(own), **of})
    yaws = [row for row in measured if row["pitch"] == 0]
    pitches = [row for row in measured if row["yaw"] == 0]
    return {
        "pictures": len(rows),
        "faces_found": sum(row["found"] for row in rows),
        "mean_error_degrees": mean([row["error"] for row in measured]),
        "mean_yaw_error_degrees": mean([abs(row["seen_yaw"] - row["yaw"]) for row in yaws]),
        "mean_pitch_error_degrees": mean([abs(row["seen_pitch"] - row["pitch"]) for row in pitches]),
        "yaw_gain": _gain([(row["yaw"], row["seen_yaw"]) for row in yaws]),
        "pitch_gain": _gain([(row["pitch"], row["seen_pitch"]) for row in pitches]),
        "mean_aed": mean([row["aed"] for row in measured if "aed" in row]),
        "by_view": by_view,
    }


def _gain(pairs: Sequence[tuple[float, ...]]) -> float | None:
    """Slope of what was seen against what was asked, through zero: 1 where the head turns as far as asked."""
    asked, seen = np.array(pairs).T if pairs else (np.zeros(1), np.zeros(1))
    return round(float(asked @ seen / (asked @ asked)), 3) if asked.any() else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Free view measured by an independent estimator.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--sheet", type=Path, help="a PNG to look at")
    options = parser.parse_args(arguments)
    studio = Studio(zoo.load(options.model))
    rows: list[dict[str, Any]] = []
    turns: list[tuple[float, float, float, float]] = []
    shown = []
    for path in options.clips:
        turns += calibrate(studio, path)
        clip = studio.key(path)
        found, pictures = measure(studio, clip)
        rows += found
        at = {(0.0, 0.0): 0, **{view: i + 1 for i, view in enumerate(VIEWS)}}
        shown.append((clip.frames[0], {view: pictures[at[view]] for view in _SHOWN}))
    summary = summarise(rows)
    if turns:
        gains = {"yaw": _gain([t[:2] for t in turns]), "pitch": _gain([t[2:] for t in turns])}
        summary["estimator_on_real_frames"] = {"turns": len(turns), "gain": gains}
    print("\n".join(f"{k}: {v}" for k, v in summary.items() if k != "by_view"))
    for view in summary["by_view"]:
        print(view)
    if options.output:
        facts = {"machine": describe_machine(), "versions": describe_versions()}
        write_json(options.output, {**summary, "rows": rows, **facts})
    if options.sheet:
        columns = [("original", [original for original, _ in shown])]
        columns += [(f"yaw {y:g}, pitch {p:g}", [views[y, p] for _, views in shown]) for y, p in _SHOWN]
        write_sheet(columns, options.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
