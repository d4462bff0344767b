"""The papers' three figures as one drawing, from committed JSON: dropout, distance of key frames, hard subset.

    python -m benchmarks.paper_curves

Writes docs/figures.svg and .png from benchmarks/results/{dropout,key-intervals,hard}.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.curves import save
from benchmarks.readme_picture import ROOT

RESULTS = ROOT / "benchmarks" / "results"
FIGURE = ROOT / "docs" / "figures"


def main() -> None:
    """Draw what the committed files say."""
    dropout, intervals, hard = (
        json.loads((RESULTS / f"{name}.json").read_text()) for name in ("dropout", "key-intervals", "hard")
    )
    draw(dropout, intervals, hard, FIGURE)


def draw(dropout: dict[str, Any], intervals: dict[str, Any], hard: dict[str, Any], path: Path) -> None:
    """Three panels into `path` with suffixes .svg and .png."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4))
    _draw_dropout(left, dropout)
    _draw_intervals(middle, intervals)
    _draw_hard(right, hard)
    for axes in (left, middle, right):
        axes.grid(True, alpha=0.25)
    figure.tight_layout()
    save(figure, path)


def _draw_dropout(axes: Axes, dropout: dict[str, Any]) -> None:
    for varied, label, style in (("coefficients", "fewer coefficients", "o-"), ("steps", "coarser steps", "s--")):
        rows = sorted((r for r in dropout["means"] if r["varied"] == varied), key=lambda r: r["bytes_per_frame"])
        axes.plot([r["bytes_per_frame"] for r in rows], [r["akd"] for r in rows], style, label=label)
    axes.set_xlabel("bytes of motion a frame")
    axes.set_ylabel("landmark distance, px")
    axes.set_title(f"Dropout ({dropout['clips']} clips, one key picture)", fontsize=10)
    axes.legend(frameon=False)


def _draw_intervals(axes: Axes, intervals: dict[str, Any]) -> None:
    for codec in dict.fromkeys(row["codec"] for row in intervals["means"]):
        rows = [row for row in intervals["means"] if row["codec"] == codec]
        style = "--" if codec.startswith("x264") else "-"
        axes.plot([r["interval"] for r in rows], [r["kbps"] for r in rows], style, marker="o", label=codec)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("seconds from one key frame to the next")
    axes.set_ylabel("kbit/s")
    clips = intervals["means"][0]["clips"] if intervals["means"] else 0
    axes.set_title(f"Key frames ({clips} clips)", fontsize=10)
    axes.legend(frameon=False)


def _draw_hard(axes: Axes, hard: dict[str, Any]) -> None:
    bins = hard["by_difference"]
    axes.plot([b["degrees"] for b in bins], [b["akd"] for b in bins], "o-", color="#0072b2")
    axes.set_xlabel("degrees between source and frame")
    axes.set_ylabel("landmark distance, px", color="#0072b2")
    other = axes.twinx()
    other.plot([b["degrees"] for b in bins], [b["sqp"] for b in bins], "s--", color="#d55e00")
    other.set_ylabel("perceptual distance", color="#d55e00")
    axes.set_title(f"Hard subset ({len(hard['variance_of_pose'])} clips, hardest frame as source)", fontsize=10)


if __name__ == "__main__":
    main()
