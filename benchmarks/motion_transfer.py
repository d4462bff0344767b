"""Motion transfer: is it still the portrait's person, and does the face move as the driver's does?

    python -m benchmarks.motion_transfer --drivers CLIPS... --portraits PICTURES_OR_CLIPS... -o F.json --sheet F.png

Every portrait is driven by every clip of somebody else, in absolute and in relative transfer (best-frame alignment),
and once more as it should not be done: the driver's canonical keypoints and expression as they are. Identity
distances (dlib) to the portrait and to the driver, and the correlation of landmark motion with the driver's: of all 68
landmarks, and of the mouth after taking out how the head moves.
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
from benchmarks.one_key import Frames, KeyedClip, Studio, mean, write_sheet
from benchmarks.rd import write_json
from nvc.metrics.faces import MOUTH
from nvc.models import zoo
from nvc.transfer import Portrait, Retarget, TransferMode, best_frame, read_portrait

Points = NDArray[np.float64]
LEAKING = "driver's geometry"
WAYS = ("relative", "absolute", LEAKING)
_EYES = (36, 45)
_RIGID = (*range(27, 36), 36, 39, 42, 45)


def transferred(studio: Studio, driver: KeyedClip, portrait: Portrait) -> dict[str, Frames]:
    """The driver's frames with the portrait's face, by way."""
    best = best_frame(driver.motion, portrait.motion)
    reference = driver.motion[best : best + 1]
    motion = {mode: Retarget(mode, portrait.motion, reference).apply(driver.motion) for mode in TransferMode}
    with torch.inference_mode():
        own = studio.drawer.prepare(portrait.picture, portrait.x_c, portrait.motion)
        other = studio.drawer.prepare(portrait.picture, driver.x_c, portrait.motion)
    return {
        "relative": studio.draw(own, motion[TransferMode.RELATIVE]),
        "absolute": studio.draw(own, motion[TransferMode.ABSOLUTE]),
        LEAKING: studio.draw(other, driver.motion),
    }


def tracks(studio: Studio, frames: Frames) -> list[Points | None]:
    """Landmarks of every frame."""
    return [studio.landmarks(frame) for frame in frames]


def correlation(first: Sequence[Points | None], second: Sequence[Points | None], *, mouth: bool) -> float | None:
    """Correlation of what landmarks do over time, all coordinates together; None with fewer than three frames."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if len(pairs) < 3:
        return None
    moved = []
    for side in zip(*pairs, strict=True):
        points = np.stack([shape_only(p)[MOUTH] if mouth else p / eye_distance(p) for p in side])
        moved.append((points - points.mean(0)).ravel())
    return float(moved[0] @ moved[1] / max(np.linalg.norm(moved[0]) * np.linalg.norm(moved[1]), 1e-9))


def eye_distance(points: Points) -> float:
    """Between the outer corners of the eyes, in pixels."""
    return float(np.linalg.norm(points[_EYES[0]] - points[_EYES[1]]))


def shape_only(points: Points) -> Points:
    """Landmarks with place, size and roll of the rigid ones taken out."""
    rigid = points[list(_RIGID)]
    centre = rigid.mean(0)
    across = points[_EYES[1]] - points[_EYES[0]]
    angle = np.arctan2(across[1], across[0])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (points - centre) @ turn.T / eye_distance(points)


def measure(
    studio: Studio, driver: KeyedClip, name: str, portrait: Portrait
) -> tuple[list[dict[str, Any]], dict[str, Frames]]:
    """One row for each way of transfer, and the frames."""
    outputs = transferred(studio, driver, portrait)
    theirs = tracks(studio, driver.frames)
    own, other = studio.identity(portrait.picture), studio.identity(driver.frames[0])
    rows = []
    for way, frames in outputs.items():
        vectors = [v for v in (studio.identity(f) for f in frames[::3]) if v is not None]
        row: dict[str, Any] = {"driver": driver.name, "portrait": name, "way": way, "identities": len(vectors)}
        ours = tracks(studio, frames)
        row |= {"motion": correlation(ours, theirs, mouth=False), "mouth": correlation(ours, theirs, mouth=True)}
        for key, to in (("aed_portrait", own), ("aed_driver", other)):
            distances = [float(np.linalg.norm(v - to)) for v in vectors if to is not None]
            row[key] = mean(distances)
        rows.append(row)
    return rows, outputs


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over pairs, by way."""
    names = ("aed_portrait", "aed_driver", "motion", "mouth")
    return {
        way: {
            "pairs": sum(row["way"] == way for row in rows),
            **{
                name: mean([row[name] for row in rows if row["way"] == way and row[name] is not None]) for name in names
            },
        }
        for way in WAYS
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Motion transfer in figures.")
    parser.add_argument("--drivers", nargs="+", type=Path, required=True, metavar="CLIP")
    parser.add_argument("--portraits", nargs="+", type=Path, required=True, metavar="PICTURE")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--every", type=int, default=6, help="only every so many-th frame of a driver")
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--sheet", type=Path, help="a PNG to look at")
    options = parser.parse_args(arguments)
    studio = Studio(zoo.load(options.model))
    portraits = {
        path.stem: Portrait.of(read_portrait(path, crop="none"), studio.model, torch.device("cpu"))
        for path in options.portraits
    }
    rows: list[dict[str, Any]] = []
    shown: list[list[Frames]] = []
    for path in options.drivers:
        driver = studio.key(path, frames=options.frames, every=options.every)
        for name, portrait in portraits.items():
            if name == path.stem:
                continue
            found, outputs = measure(studio, driver, name, portrait)
            rows += found
            middle = int((driver.motion.expression - driver.motion.expression[0]).norm(dim=1).argmax())
            shown.append([portrait.picture, driver.frames[middle], *(outputs[way][middle] for way in WAYS)])
    summary = summarise(rows)
    for way, figures in summary.items():
        print(way, figures)
    if options.output:
        facts = {"machine": describe_machine(), "versions": describe_versions()}
        write_json(options.output, {"ways": summary, "rows": rows, **facts})
    if options.sheet:
        captions = ("portrait", "driver", *WAYS)
        write_sheet(list(zip(captions, zip(*shown, strict=True), strict=True)), options.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
