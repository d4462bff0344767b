"""Bytes sent against the distance of key frames, with one and with several sources in it, beside x264.

    python -m benchmarks.key_intervals CLIPS... -o benchmarks/results/key-intervals.json

Several sources are so many key pictures spread evenly over the interval, of which a receiver holds the last few.
Bytes do not depend on what is decoded, so nothing is decoded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import anchors, streamed
from benchmarks.anchors import ANCHORS
from benchmarks.clips import Clip, read_clip
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.rd import write_json
from nvc.models import zoo
from nvc.rate import DEFAULT_QUALITY, coding_point

INTERVALS = (1.0, 2.0, 4.0, 8.0)  # seconds
SOURCES = (1, 2, 4)
X264 = (51, 46)
FRAMES = 200


def measure_clip(clip: Clip, *, model: str) -> list[dict[str, Any]]:
    """One row for each codec and interval. Clips shorter than an interval say how long they are."""
    rows, known = [], {}
    for interval in INTERVALS:
        if interval > clip.seconds:
            break
        for count in SOURCES:
            distance = max(1, round(interval * clip.frame_rate / count))
            if distance not in known:
                policy = replace(streamed.ONLY_THE_FIRST, interval=distance)
                coded = streamed.encode(clip, point=coding_point(DEFAULT_QUALITY), policy=policy, model=model)
                known[distance] = coded.size
            rows.append(_row(clip, f"nvc, {count} source{'s' * (count > 1)}", interval, known[distance]))
        for crf in X264:
            usual = ANCHORS["x264"]
            gop = str(max(1, round(interval * clip.frame_rate)))
            anchor = replace(usual, options={**usual.options, "g": gop})
            rows.append(_row(clip, f"x264 crf {crf}", interval, anchors.code(clip, anchor, crf).size))
    return rows


def _row(clip: Clip, codec: str, interval: float, size: int) -> dict[str, Any]:
    return {"clip": clip.name, "codec": codec, "interval": interval, "bytes": size, "kbps": clip.kbps(size)}


def means(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean rate over the clips that have every interval."""
    clips = {row["clip"] for row in rows}
    whole = {clip for clip in clips if {r["interval"] for r in rows if r["clip"] == clip} == set(INTERVALS)}
    groups: dict[tuple[str, float], list[float]] = {}
    for row in rows:
        if row["clip"] in whole:
            groups.setdefault((row["codec"], row["interval"]), []).append(row["kbps"])
    return [
        {"codec": codec, "interval": interval, "kbps": sum(rates) / len(rates), "clips": len(rates)}
        for (codec, interval), rates in groups.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Bytes against the distance of key frames.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    options = parser.parse_args(arguments)
    rows = [r for c in options.clips for r in measure_clip(read_clip(c, limit=options.frames), model=options.model)]
    result = {"frames": options.frames, "means": means(rows), "rows": rows}
    for row in result["means"]:
        print(f"{row['codec']:<16} key frame every {row['interval']:g} s: {row['kbps']:.2f} kbit/s")
    write_json(options.output, result | {"machine": describe_machine(), "versions": describe_versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
