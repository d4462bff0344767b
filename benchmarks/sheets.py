"""Frames side by side at matched rates, and players, from the videos that a run has kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.captions import write_moments
from benchmarks.clips import read_clip
from benchmarks.rd import video_file


@dataclass(frozen=True)
class Shown:
    """One column of a sheet or one player: a video file and what to say above it."""

    title: str
    video: Path
    kbps: float | None


def matched(results: list[dict[str, Any]], clip: str, videos: Path, *, codecs: list[str]) -> list[Shown]:
    """The original, nvc's cheapest point, and of each other codec the point nearest to nvc's rate.

    Only what has a video file. Nearest is by ratio of rates; the rate stands in the title, since a conventional
    codec's floor may lie far above.
    """
    own = [r for r in results if r["status"] == "ok" and r["clip"] == clip and _video(r, videos).exists()]
    original = videos / f"{clip}--original.mp4"
    shown = [Shown("original", original, None)] if original.exists() else []
    ours = min((r for r in own if r["codec"] == "nvc"), key=lambda r: r["kbps"], default=None)
    target = ours["kbps"] if ours else 3.0
    for codec in codecs:
        candidates = [r for r in own if r["codec"] == codec]
        if codec == "nvc":
            candidates = [ours] if ours else []
        if candidates:
            best = min(candidates, key=lambda r: abs(np.log(r["kbps"] / target)))
            shown.append(Shown(f"{codec}, {best['kbps']:.1f} kbit/s", _video(best, videos), best["kbps"]))
    return shown


def draw_sheet(shown: list[Shown], path: str | Path, *, rows: int = 4) -> None:
    """A PNG of evenly spaced frames: one row a moment, one column a video under its title."""
    columns = [(column.title, read_clip(column.video).frames) for column in shown]
    length = min(len(frames) for _, frames in columns)
    moments = np.linspace(0, length - 1, rows + 2).round().astype(int)[1:-1].tolist()
    write_moments(columns, path, moments=moments)


def _video(result: dict[str, Any], folder: Path) -> Path:
    return video_file(folder, result["clip"], result["codec"], result["point"])
