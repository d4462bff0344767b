"""Pictures side by side under captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CAPTION_HEIGHT, _FONT_SIZE = 28, 15
Column = tuple[str, np.ndarray]
"""A caption and frames uint8 [T, 3, H, W]."""


def write_moments(columns: Sequence[Column], path: str | Path, *, moments: Sequence[int]) -> None:
    """A PNG of some frames, one row a moment, one column a codec, captions above."""
    chosen = [(caption, frames[list(moments)]) for caption, frames in columns]
    captions = side_by_side(chosen)[0][:, :CAPTION_HEIGHT]
    rows = [np.concatenate([frames[row] for _, frames in chosen], axis=2) for row in range(len(moments))]
    picture = np.concatenate([captions, *rows], axis=1)
    Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).save(path, optimize=True)


def side_by_side(columns: Sequence[Column]) -> np.ndarray:
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
    strip = Image.new("RGB", (width, CAPTION_HEIGHT))
    font = ImageFont.load_default(_FONT_SIZE)
    ImageDraw.Draw(strip).text((width / 2, CAPTION_HEIGHT / 2), text, fill="white", font=font, anchor="mm")
    return np.asarray(strip).transpose(2, 0, 1)
