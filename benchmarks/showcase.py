"""One clip as nvc and x264 at its lowest rate leave it, side by side, with the bits that each took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import anchors, nvc_codec
from benchmarks.anchors import ANCHORS, Coded
from benchmarks.captions import side_by_side
from benchmarks.clips import Clip, write_playable
from benchmarks.nvc_codec import NvcPoint

X264_FLOOR = 51


@dataclass(frozen=True)
class Showcase:
    """A clip, and what two codecs made of it."""

    original: Clip
    nvc: Coded
    x264: Coded

    def columns(self) -> list[tuple[str, np.ndarray]]:
        """(caption, frames) of original, nvc and x264."""
        nvc_rate, x264_rate = self.original.kbps(self.nvc.size), self.original.kbps(self.x264.size)
        return [
            ("original", self.original.frames),
            (f"nvc, {nvc_rate:.1f} kbit/s", self.nvc.clip.frames),
            (f"x264 at its lowest, {x264_rate:.1f} kbit/s", self.x264.clip.frames),
        ]

    def as_text(self) -> str:
        """Bytes and kbit/s by type of unit, beside x264."""
        rows = [(f"nvc {name}", size) for name, size in self.nvc.bytes_by_unit.items()]
        rows += [("nvc whole file", self.nvc.size), ("x264 at its lowest rate (crf 51)", self.x264.size)]
        lines = [f"{'':<34}{'bytes':>9}{'kbit/s':>9}"]
        lines += [f"{name:<34}{size:>9}{self.original.kbps(size):>9.2f}" for name, size in rows]
        return "\n".join(lines)


def show(clip: Clip, point: NvcPoint, *, keep: Path | None = None) -> Showcase:
    """Code a square clip with both codecs; `keep` is where nvc's file should stay."""
    coded = nvc_codec.code(clip, point, keep=keep)
    return Showcase(clip, coded, anchors.code(clip, ANCHORS["x264"], X264_FLOOR))


def write_side_by_side(showcase: Showcase, path: str | Path) -> None:
    """All frames as a playable video, one column a codec, captions above."""
    frames = side_by_side(showcase.columns())
    write_playable(replace(showcase.original, frames=frames), path)
