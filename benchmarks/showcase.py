"""One clip as nvc and x264 at its lowest rate leave it, side by side, with the bits that each took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks import anchors, nvc_codec
from benchmarks.anchors import ANCHORS, Coded
from benchmarks.clips import Clip, write_playable
from benchmarks.nvc_codec import NvcPoint

X264_FLOOR = 51
_CAPTION_HEIGHT, _FONT_SIZE = 28, 15


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


def write_moments(columns: Sequence[tuple[str, np.ndarray]], path: str | Path, *, moments: Sequence[int]) -> None:
    """A PNG of some frames, one row a moment, one column a codec, captions above."""
    chosen = [(caption, frames[list(moments)]) for caption, frames in columns]
    captions = side_by_side(chosen)[0][:, :_CAPTION_HEIGHT]
    rows = [np.concatenate([frames[row] for _, frames in chosen], axis=2) for row in range(len(moments))]
    picture = np.concatenate([captions, *rows], axis=1)
    Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).save(path, optimize=True)


def side_by_side(columns: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Columns of frames uint8 [T, 3, H, W] as one clip uint8 [T, 3, H + 28, columns * W], captions above.

    Raises `ValueError` when the columns differ in shape.
    """
    shapes = {frames.shape for _, frames in columns}
    if len(shapes) != 1:
        raise ValueError(f"columns have shapes {sorted(shapes)}; they must have one")
    count, _, _, width = shapes.pop()
    captions = np.concatenate([_caption(text, width) for text, _ in columns], axis=2)
    body = np.concatenate([frames for _, frames in columns], axis=3)
    return np.concatenate([np.repeat(captions[None], count, axis=0), body], axis=2)


def _caption(text: str, width: int) -> np.ndarray:
    """White text on black, uint8 [3, 28, width]."""
    strip = Image.new("RGB", (width, _CAPTION_HEIGHT))
    font = ImageFont.load_default(_FONT_SIZE)
    ImageDraw.Draw(strip).text((width / 2, _CAPTION_HEIGHT / 2), text, fill="white", font=font, anchor="mm")
    return np.asarray(strip).transpose(2, 0, 1)
