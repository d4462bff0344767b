"""Scene cuts, and how much two pictures differ, from thumbnails of their luma."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvc.colour import Rgb

Thumbnail = NDArray[np.float64]

_SIDE = 32
_LUMA = np.array([0.2126, 0.7152, 0.0722])
_BINS = 32
# A cut changes the picture a lot (in levels of 0..255), much more than the frames before it did, and in its layout or
# in its tones. Heads that are thrown about reach differences of 24 with a correlation of 0.84; cuts are far from that.
_CHANGE = 12.0
_SUDDEN = 3.0
_CORRELATION = 0.6
_HISTOGRAM = 0.8
_MEMORY = 0.8


def thumbnail(rgb: Rgb) -> Thumbnail:
    """Luma of a picture, uint8 ``[H, W, 3]``, as float ``[32, 32]`` of 0..255."""
    stride = max(1, min(rgb.shape[:2]) // (4 * _SIDE))  # what falls between matters little here
    luma = rgb[::stride, ::stride].astype(np.float64) @ _LUMA
    for axis in (0, 1):
        size = luma.shape[axis]
        edges = np.arange(_SIDE + 1) * size // _SIDE
        # A picture of fewer than 32 lines repeats some: reduceat gives the line itself where a block is empty.
        sums = np.add.reduceat(luma, np.minimum(edges[:-1], size - 1), axis=axis)
        counts = np.maximum(np.diff(edges), 1)
        luma = sums / (counts[:, None] if axis == 0 else counts)
    return luma


def difference(a: Thumbnail, b: Thumbnail) -> float:
    """Mean absolute difference of two thumbnails, in levels of 0..255."""
    return float(np.abs(a - b).mean())


class CutDetector:
    """Says of each frame whether a new scene begins with it. The first frame does not begin one."""

    def __init__(self) -> None:
        self._last: Thumbnail | None = None
        self._usual = 0.0

    def is_cut(self, picture: Thumbnail) -> bool:
        """Give the next frame's thumbnail."""
        last, self._last = self._last, picture
        if last is None:
            return False
        change = difference(picture, last)
        usual = self._usual
        sudden = change > _CHANGE and change > _SUDDEN * usual
        cut = sudden and (_correlation(picture, last) < _CORRELATION or _tone_change(picture, last) > _HISTOGRAM)
        # A cut says nothing about how the new scene moves.
        self._usual = 0.0 if cut else _MEMORY * usual + (1 - _MEMORY) * change
        return cut


def _correlation(a: Thumbnail, b: Thumbnail) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).mean() * (b * b).mean()))
    return float((a * b).mean()) / scale if scale > 1e-6 else 0.0


def _tone_change(a: Thumbnail, b: Thumbnail) -> float:
    """L1 distance of the normalised histograms, 0..2."""
    x, y = (np.histogram(t, bins=_BINS, range=(0, 256))[0] / t.size for t in (a, b))
    return float(np.abs(x - y).sum())
