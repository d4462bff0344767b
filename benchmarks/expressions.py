"""Expression controls: each moves what it names, by how much, and what else it moves.

    python -m benchmarks.expressions CLIPS... -o expressions.json --sheet expressions.png

On the key picture of each clip every control is added by 1 (and by -1 where it goes both ways), and dlib's landmarks of
what is drawn are compared with those of the unedited drawing: changes in percent of the distance between the outer
corners of the eyes. Gaze is measured on the dark of the eyes, since dlib has no irises. Then the same
clips are neutralised and exaggerated, and the motion that is left in their faces is compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.motion_transfer import eye_distance, shape_only
from benchmarks.one_key import Frames, KeyedClip, Studio, mean, write_sheet
from benchmarks.rd import write_json
from nvc.expression import BOTH, ControlSpace, ExpressionEdit, ExpressionEditor, Setting
from nvc.models import zoo
from nvc.pose import HeadMotion

Points = NDArray[np.float64]
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)  # the person's own
TRIALS: tuple[tuple[str, float], ...] = (
    *((name, 1.0) for name in ("smile", "jaw", "pucker", "brow", "blink", "blink_left", "blink_right")),
    ("brow", -1.0),
    *((name, sign) for name in ("gaze_x", "gaze_y") for sign in (1.0, -1.0)),
)
NAMED: dict[str, tuple[str, float]] = {
    "smile": ("mouth corners up", 1),
    "jaw": ("mouth gap", 1),
    "pucker": ("mouth width", -1),
    "brow": ("brow height", 1),
    "blink": ("eye gaps", -1),
    "blink_left": ("left eye gap", -1),
    "blink_right": ("right eye gap", -1),
    "gaze_x": ("pupils right", 1),
    "gaze_y": ("pupils down", 1),
}
"""What each control must move, and which way."""
STRENGTHS = (0.0, 1.0, 2.0)


def measures(points: Points, picture: Frames) -> dict[str, float]:
    """What a face does, in percent of the distance of its eyes' outer corners; from landmarks [68, 2] and picture."""
    p = shape_only(points) * 100
    gap = {side: float(p[[b, c], 1].mean() - p[[a, d], 1].mean()) for side, (a, d, b, c) in _LIDS.items()}
    pupils = [_dark_of(picture, points[eye]) for eye in (RIGHT_EYE, LEFT_EYE)]
    seen = np.mean(pupils, axis=0) / eye_distance(points) * 100
    return {
        "mouth width": float(p[54, 0] - p[48, 0]),
        "mouth gap": float(p[[65, 66, 67], 1].mean() - p[[61, 62, 63], 1].mean()),
        "mouth corners up": float(p[[51, 57, 62, 66], 1].mean() - p[[48, 54], 1].mean()),
        "brow height": float(p[[36, 39, 42, 45], 1].mean() - p[17:27, 1].mean()),
        "left eye gap": gap["left"],
        "right eye gap": gap["right"],
        "eye gaps": (gap["left"] + gap["right"]) / 2,
        "pupils right": float(seen[0]),
        "pupils down": float(seen[1]),
    }


_LIDS = {"right": (37, 38, 40, 41), "left": (43, 44, 46, 47)}  # upper lid, upper lid, lower lid, lower lid


def _dark_of(picture: Frames, eye: Points) -> NDArray[np.float64]:
    """Where the darkest eighth of an eye is, in pixels from the middle of its corners."""
    left, top = np.floor(eye.min(0)).astype(int) - 1
    right, bottom = np.ceil(eye.max(0)).astype(int) + 2
    luma = picture[max(0, top) : bottom, max(0, left) : right].astype(float) @ np.array([0.2126, 0.7152, 0.0722])
    if not luma.size:
        return np.zeros(2)
    rows, columns = np.nonzero(luma <= np.quantile(luma, 0.125))
    place = np.array([columns.mean() + max(0, left), rows.mean() + max(0, top)])
    return place - (eye[0] + eye[3]) / 2


def edited(clip: KeyedClip, space: ControlSpace, trials: Sequence[tuple[str, float]]) -> HeadMotion:
    """The key picture's head once as it is, and once for each trial."""
    still = clip.motion[:1]
    parts = [still.vector()]
    for name, amount in trials:
        edit = ExpressionEdit((Setting(name, amount, add=True),))
        parts.append(ExpressionEditor(edit, space, still.expression[0]).apply(still).vector())
    return HeadMotion.from_vector(torch.cat(parts))


def effect(studio: Studio, pictures: Frames) -> list[dict[str, float] | None]:
    """Changes of all measures against the first picture, for the others; None without a face."""
    points = [studio.landmarks(picture) for picture in pictures]
    if points[0] is None:
        return [None] * (len(pictures) - 1)
    base = measures(points[0], pictures[0])
    changes: list[dict[str, float] | None] = []
    for found, picture in zip(points[1:], pictures[1:], strict=True):
        now = None if found is None else measures(found, picture)
        changes.append(None if now is None else {name: now[name] - base[name] for name in base})
    return changes


def liveliness(studio: Studio, clip: KeyedClip, space: ControlSpace) -> dict[float, float]:
    """How much a face moves, head motion taken out (percent of the eyes' distance), by strength of expression."""
    rest = space.rest_of(clip.motion.expression)
    found = {}
    for strength in STRENGTHS:
        motion = ExpressionEditor(ExpressionEdit(strength=strength), space, rest).apply(clip.motion)
        points = [studio.landmarks(p) for p in studio.draw(clip.prepared, motion)]
        shapes = np.stack([shape_only(p) for p in points if p is not None]) * 100
        found[strength] = float(np.sqrt((shapes - shapes.mean(0))[:, 36:].var(0).sum(1).mean()))
    return found


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For every trial: mean change of everything, of what it names, and the largest of the rest."""
    table = []
    for name, amount in TRIALS:
        own = [r["changes"] for r in rows if (r["control"], r["amount"]) == (name, amount) and r["changes"]]
        if not own:
            continue
        means = {key: round(float(np.mean([c[key] for c in own])), 2) for key in own[0]}
        key, sign = NAMED[name]
        right = np.mean([c[key] * sign * np.sign(amount) > 0 for c in own])
        same = set(BOTH["blink"]) & {name} or name == "blink"
        rest = {k: v for k, v in means.items() if k != key and not (same and "eye gap" in k)}
        most = max(rest, key=lambda k: abs(rest[k]))
        table.append(
            {
                "control": name,
                "amount": amount,
                "clips": len(own),
                "names": key,
                "moved": means[key],
                "right_way": round(float(right), 2),
                "moves_most_else": most,
                "by": rest[most],
                "all": means,
            }
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="What expression controls do to what is drawn.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--frames", type=int, default=12, help="of each clip, to neutralise and exaggerate")
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--sheet", type=Path, help="a PNG to look at")
    options = parser.parse_args(arguments)
    studio = Studio(zoo.load(options.model))
    space = ControlSpace.of(studio.model)
    rows: list[dict[str, Any]] = []
    lively: list[dict[float, float]] = []
    shown = []
    for path in options.clips:
        clip = studio.key(path, frames=options.frames, every=6)
        pictures = studio.draw(clip.prepared, edited(clip, space, TRIALS))
        for (name, amount), changes in zip(TRIALS, effect(studio, pictures), strict=True):
            rows.append({"clip": clip.name, "control": name, "amount": amount, "changes": changes})
        lively.append(liveliness(studio, clip, space))
        shown.append(pictures)
    table = summarise(rows)
    for row in table:
        print({key: value for key, value in row.items() if key != "all"})
    left = {f"{s:g}": mean([one[s] for one in lively]) for s in STRENGTHS}
    print("face motion left, by strength:", left)
    if options.output:
        facts = {"machine": describe_machine(), "versions": describe_versions()}
        write_json(options.output, {"controls": table, "face_motion_by_strength": left, "rows": rows, **facts})
    if options.sheet:
        captions = ["as it is", *(f"{name} {amount:+g}" for name, amount in TRIALS)]
        write_sheet(list(zip(captions, zip(*shown, strict=True), strict=True)), options.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
