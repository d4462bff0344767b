"""The one place where RGB becomes YUV and back, always with an explicit matrix and range.

Two roads share the same coefficients:

* files: :func:`frame_to_rgb` and :func:`rgb_to_frame` go through swscale, which is told both sides of every
  conversion (left alone it assumes BT.601 and quietly turns faces greener or redder);
* key pictures: :func:`rgb_to_planes` and :func:`planes_to_rgb` work in integers only, so that the picture
  that every decoder feeds to the network is the same to the bit on every machine.

Code points are those of ITU-T H.273.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]

_UNSPECIFIED = 2
_HD_LINES = 720
_SHIFT = 16
# Slow but exact: without these flags swscale takes a short cut that repeats chroma samples and drops the rounding.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
_CONVERT = int(Interpolation.BICUBIC | _EXACT)
_SHRINK = int(Interpolation.LANCZOS | _EXACT)
_ROUGH = int(Interpolation.AREA)


class Matrix(IntEnum):
    """Matrix coefficients; the value is the H.273 code point."""

    BT709 = 1
    BT601 = 6
    BT2020 = 9


_SWSCALE_MATRIX = {Matrix.BT709: Colorspace.ITU709, Matrix.BT601: Colorspace.ITU601, Matrix.BT2020: Colorspace.BT2020}
_KR_KB = {
    Matrix.BT709: (Fraction(2126, 10000), Fraction(722, 10000)),
    Matrix.BT601: (Fraction(299, 1000), Fraction(114, 1000)),
    Matrix.BT2020: (Fraction(2627, 10000), Fraction(593, 10000)),
}
_CODE_POINTS = {1: Matrix.BT709, 4: Matrix.BT601, 5: Matrix.BT601, 6: Matrix.BT601, 9: Matrix.BT2020, 10: Matrix.BT2020}


@dataclass(frozen=True)
class ColourSpec:
    """How YUV samples are meant: ``matrix`` and whether luma spans 0..255 (``full_range``) or 16..235."""

    matrix: Matrix = Matrix.BT709
    full_range: bool = False


KEY_PICTURE = ColourSpec(Matrix.BT709, full_range=False)


def default_matrix(height: int) -> Matrix:
    """The matrix that players assume for untagged video of ``height`` lines: BT.709 from 720 lines on, else BT.601."""
    return Matrix.BT709 if height >= _HD_LINES else Matrix.BT601


def matrix_of(code_point: int) -> Matrix:
    """The matrix of an H.273 code point. Raises ValueError for one that is not handled."""
    if code_point not in _CODE_POINTS:
        known = ", ".join(str(point) for point in _CODE_POINTS)
        raise ValueError(f"matrix coefficients {code_point} are not handled; known are {known}")
    return _CODE_POINTS[code_point]


def spec_of(frame: av.VideoFrame) -> ColourSpec:
    """Colour of a decoded frame as tagged, or as players guess it where it is not tagged."""
    matrix = _CODE_POINTS.get(int(frame.colorspace), default_matrix(frame.height))
    full = int(frame.color_range) == int(ColorRange.JPEG) or frame.format.name.startswith("yuvj")
    return ColourSpec(matrix, full)


def frame_to_rgb(
    frame: av.VideoFrame,
    *,
    width: int | None = None,
    height: int | None = None,
    spec: ColourSpec | None = None,
    rough: bool = False,
) -> Rgb:
    """Any decoded frame as uint8 ``[H, W, 3]`` full-range RGB, scaled to ``width x height`` when given.

    ``spec`` overrides what the frame says of itself; ``rough`` is faster and off by a level or two: for looking, not
    for keeping.
    """
    spec = spec or spec_of(frame)
    scaled = (width or frame.width, height or frame.height) != (frame.width, frame.height)
    out = frame.reformat(
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=_SWSCALE_MATRIX[spec.matrix],
        dst_colorspace=Colorspace.DEFAULT,
        src_color_range=_swscale_range(spec.full_range),
        dst_color_range=ColorRange.JPEG,
        interpolation=_ROUGH if rough else _SHRINK if scaled else _CONVERT,
    )
    return _bytes_of(out)


def rgb_to_frame(rgb: Rgb, *, pixel_format: str, spec: ColourSpec = KEY_PICTURE) -> av.VideoFrame:
    """uint8 ``[H, W, 3]`` RGB as a tagged frame in ``pixel_format`` (``bgr0`` and other RGB layouts stay untouched)."""
    source = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    source.color_range = int(ColorRange.JPEG)
    is_rgb = av.VideoFormat(pixel_format).is_rgb
    full = is_rgb or spec.full_range
    out = source.reformat(
        format=pixel_format,
        src_colorspace=Colorspace.DEFAULT,
        dst_colorspace=Colorspace.DEFAULT if is_rgb else _SWSCALE_MATRIX[spec.matrix],
        src_color_range=ColorRange.JPEG,
        dst_color_range=_swscale_range(full),
        interpolation=_CONVERT,
    )
    if not is_rgb:
        out.colorspace = int(spec.matrix)
    out.color_range = int(_swscale_range(full))
    return out


def resize_rgb(rgb: Rgb, *, width: int, height: int) -> Rgb:
    """uint8 ``[H, W, 3]`` scaled to ``width x height`` with a Lanczos window (smoothed when shrinking)."""
    if rgb.shape[:2] == (height, width):
        return rgb
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    return _bytes_of(frame.reformat(width=width, height=height, format="rgb24", interpolation=_SHRINK))


def _bytes_of(frame: av.VideoFrame) -> Rgb:
    return np.asarray(frame.to_ndarray(), dtype=np.uint8)


def _swscale_range(full: bool) -> ColorRange:
    return ColorRange.JPEG if full else ColorRange.MPEG


def rgb_to_planes(rgb: Rgb, spec: ColourSpec = KEY_PICTURE) -> Planes:
    """uint8 ``[H, W, 3]`` (even H and W) as 4:2:0 planes Y ``[H, W]``, Cb and Cr ``[H/2, W/2]``.

    Chroma sits at the centre of each 2 x 2 block: the mean of its four pixels, rounded once.
    Raises ValueError when a side is odd.
    """
    height, width, _ = rgb.shape
    if height % 2 or width % 2:
        raise ValueError(f"4:2:0 needs even sides, got {width} x {height}")
    luma, cb, cr = _forward_rows(spec)
    pixels = rgb.astype(np.int32)
    offset = 0 if spec.full_range else 16
    y = ((pixels @ luma + (1 << (_SHIFT - 1))) >> _SHIFT) + offset
    block = pixels.reshape(height // 2, 2, width // 2, 2, 3).sum(axis=(1, 3))
    chroma = [((block @ row + (1 << (_SHIFT + 1))) >> (_SHIFT + 2)) + 128 for row in (cb, cr)]
    planes = [np.clip(plane, 0, 255).astype(np.uint8) for plane in (y, *chroma)]
    return planes[0], planes[1], planes[2]


def planes_to_rgb(planes: Planes, spec: ColourSpec = KEY_PICTURE) -> Rgb:
    """4:2:0 planes (chroma at block centres) as uint8 ``[H, W, 3]``; chroma is interpolated with weights 9:3:3:1."""
    y, cb, cr = planes
    gain, to_r, to_g_cb, to_g_cr, to_b = _inverse_factors(spec)
    offset = 0 if spec.full_range else 16
    # Upsampled chroma carries a factor of 16, so luma does too: one rounding at the end. |sum| < 2^31.
    luma = (y.astype(np.int32) - offset) * 16 * gain
    blue, red = _double(cb.astype(np.int32) - 128), _double(cr.astype(np.int32) - 128)
    channels = (luma + to_r * red, luma + to_g_cb * blue + to_g_cr * red, luma + to_b * blue)
    half = 1 << (_SHIFT + 3)
    return np.clip(np.stack([(c + half) >> (_SHIFT + 4) for c in channels], axis=-1), 0, 255).astype(np.uint8)


def _double(plane: NDArray[np.int32]) -> NDArray[np.int32]:
    """``[h, w]`` to ``[2h, 2w]``, sixteen times the bilinear value at the centres of the finer grid."""
    for axis in (0, 1):
        edge = [(1, 1) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(plane, edge, mode="edge")
        n = plane.shape[axis]
        before, here, after = (np.take(padded, np.arange(n) + k, axis=axis) for k in (0, 1, 2))
        pair = np.stack([before + 3 * here, 3 * here + after], axis=axis + 1)
        shape = list(plane.shape)
        shape[axis] *= 2
        plane = pair.reshape(shape)
    return plane


def _scales(spec: ColourSpec) -> tuple[Fraction, Fraction]:
    """Code values per unit of luma (0..255) and of chroma (-127.5..127.5)."""
    return (Fraction(1), Fraction(1)) if spec.full_range else (Fraction(219, 255), Fraction(224, 255))


def _forward_rows(spec: ColourSpec) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    kr, kb = _KR_KB[spec.matrix]
    kg = 1 - kr - kb
    luma, chroma = _scales(spec)
    cb = [-kr / (2 - 2 * kb), -kg / (2 - 2 * kb), Fraction(1, 2)]
    cr = [Fraction(1, 2), -kg / (2 - 2 * kr), -kb / (2 - 2 * kr)]
    return (
        _fixed([kr * luma, kg * luma, kb * luma]),
        _fixed([c * chroma for c in cb]),
        _fixed([c * chroma for c in cr]),
    )


def _inverse_factors(spec: ColourSpec) -> tuple[int, int, int, int, int]:
    kr, kb = _KR_KB[spec.matrix]
    kg = 1 - kr - kb
    luma, chroma = _scales(spec)
    to_r, to_b = (2 - 2 * kr) / chroma, (2 - 2 * kb) / chroma
    values = _fixed([1 / luma, to_r, -to_b * kb / kg, -to_r * kr / kg, to_b])
    return values[0], values[1], values[2], values[3], values[4]


def _fixed(values: list[Fraction]) -> NDArray[np.int32]:
    return np.array([round(v * (1 << _SHIFT)) for v in values], dtype=np.int32)
