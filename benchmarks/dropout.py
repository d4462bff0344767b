"""Landmark distance against bytes a frame when motion carries fewer expression coefficients, or coarser ones.

    python -m benchmarks.dropout CLIPS... -o benchmarks/results/dropout.json

The figure of the papers that drop keypoints adaptively: here coefficients are ordered by what they are worth, so that
the tail is dropped. One key picture a clip; its bytes are not counted, as in those papers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import streamed
from benchmarks.clips import read_clip
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.rd import write_json
from nvc.metrics import FaceAnalyser, akd, akd_m
from nvc.models import zoo
from nvc.rate import DEFAULT_QUALITY, CodingPoint, coding_point

COUNTS = (0, 2, 4, 8, 16, 32)
STEPS = (-4, 0, 4, 8, 12)  # quarter octaves from the default point's quantisers
FRAMES, FACE_STEP = 75, 5


def points() -> list[tuple[str, CodingPoint]]:
    """(what is varied, coding point): fewer coefficients, then coarser steps of all."""
    usual = coding_point(DEFAULT_QUALITY)
    fewer = [("coefficients", replace(usual, expression_count=count)) for count in COUNTS]
    coarser = [
        (
            "steps",
            replace(
                usual, pose_quantiser=usual.pose_quantiser + s, expression_quantiser=usual.expression_quantiser + s
            ),
        )
        for s in STEPS
    ]
    return fewer + coarser


def measure_clip(path: Path, analyser: FaceAnalyser, *, frames: int, model: str) -> list[dict[str, Any]]:
    """One row a point."""
    clip = read_clip(path, limit=frames)
    boxes = analyser.find_all(clip.frames[::FACE_STEP])
    rows = []
    for varied, point in points():
        coded = streamed.encode(clip, point=point, policy=streamed.ONLY_THE_FIRST, model=model)
        decoded = streamed.decode(clip, coded, model=model).frames[::FACE_STEP]
        pair = clip.frames[::FACE_STEP], decoded
        rows.append(
            {
                "clip": clip.name,
                "varied": varied,
                "expression_count": point.expression_count,
                "expression_quantiser": point.expression_quantiser,
                "pose_quantiser": point.pose_quantiser,
                "bytes_per_frame": coded.motion_bytes_per_frame,
                "akd": akd(*pair, analyser=analyser, boxes=boxes),
                "akd_m": akd_m(*pair, analyser=analyser, boxes=boxes),
            }
        )
    return rows


def means(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over clips, one row a point."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in _NAMES), []).append(row)
    return [
        dict(zip(_NAMES, names, strict=True)) | {m: sum(r[m] for r in own) / len(own) for m in _MEASURED}
        for names, own in groups.items()
    ]


_NAMES = ("varied", "expression_count", "expression_quantiser", "pose_quantiser")
_MEASURED = ("bytes_per_frame", "akd", "akd_m")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Landmark distance against bytes a frame.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    options = parser.parse_args(arguments)
    analyser = FaceAnalyser()
    rows = [r for c in options.clips for r in measure_clip(c, analyser, frames=options.frames, model=options.model)]
    result = {"clips": len(options.clips), "frames": options.frames, "means": means(rows), "rows": rows}
    for row in result["means"]:
        print(
            " ".join(
                f"{name} {value}" if isinstance(value, str | int | None) else f"{name} {value:.2f}"
                for name, value in row.items()
            )
        )
    write_json(options.output, result | {"machine": describe_machine(), "versions": describe_versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
