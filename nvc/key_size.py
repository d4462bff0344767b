"""At which side a key picture is coded: the bytes of a coarse picture often show more as a smaller, finer one.

The second paper sends small source pictures for its super-resolution to enlarge. Even without any, at a few hundred
bytes a smaller picture that is enlarged by a window is nearer to the original than a coarse one of full size.
"""

from __future__ import annotations

from nvc import colour, keyframe
from nvc.colour import Rgb
from nvc.parameter_sets import size_of

_SHARES = ((1, 2), (5, 8))  # of the full side
_BLOCK = 16  # sides are whole macroblocks: less would be coded and cut away
_USUAL_GAIN = {(1, 2): 8, (5, 8): 6}  # by so many QP smaller pictures are finer at the same bytes, about
_FINE_ENOUGH = 26  # QP below which nothing is gained by leaving pixels out
_PARAMETERS = 7


def encode_fitting(rgb: Rgb, *, qp: int) -> bytes:
    """A square picture, uint8 ``[S, S, 3]``, at the side that is best for the bytes that it takes whole at ``qp``.

    Smaller ones are as fine as those bytes allow; nearest to the original, once enlarged, is best. Raises ValueError
    as `keyframe.encode_picture` does.
    """
    full = keyframe.encode_picture(rgb, qp=qp)
    side = rgb.shape[0]
    if qp < _FINE_ENOUGH or rgb.shape[1] != side:
        return full
    best, least = full, _error(rgb, full, side)
    for share in _SHARES:
        small_side = side * share[0] // share[1]
        if small_side % _BLOCK:
            continue
        data = _finest(colour.resize_rgb(rgb, width=small_side, height=small_side), qp - _USUAL_GAIN[share], len(full))
        error = float("inf") if data is None else _error(rgb, data, small_side)
        if data is not None and error < least:
            best, least = data, error
    return best


def coded_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a coded picture in pixels, None where its parameter set is missing or not understood."""
    for nal in data.split(b"\x00\x00\x01"):
        if nal and nal[0] & 31 == _PARAMETERS:
            return size_of(nal)
    return None


def _finest(small: Rgb, guess: int, budget: int) -> bytes | None:
    """The finest coding of a picture within ``budget`` bytes, searched for around a QP; None if there is none."""
    qp = max(keyframe.MIN_QP, guess)
    data = keyframe.encode_picture(small, qp=qp)
    while len(data) > budget and qp < keyframe.MAX_QP:
        qp += 1
        data = keyframe.encode_picture(small, qp=qp)
    if len(data) > budget:
        return None
    while qp > keyframe.MIN_QP:
        finer = keyframe.encode_picture(small, qp=qp - 1)
        if len(finer) > budget:
            break
        data, qp = finer, qp - 1
    return data


def _error(rgb: Rgb, data: bytes, side: int) -> float:
    """Mean squared error of a coded picture at full size."""
    decoded = keyframe.decode_picture(data, width=side, height=side)
    shown = colour.resize_rgb(decoded, width=rgb.shape[1], height=rgb.shape[0])
    difference = shown.astype(float) - rgb
    return float((difference * difference).mean())
