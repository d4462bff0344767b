"""Sequence parameter sets lose their VUI, and the picture that follows decodes to the same samples."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_keyframe import picture

from nvc import keyframe
from nvc.colour import rgb_to_frame
from nvc.parameter_sets import without_vui

FROM_X264 = bytes.fromhex("6764100dacb82010d080000003008000001902")


def coded(size: tuple[int, int], qp: int, **options: str) -> list[bytes]:
    """NAL units of one picture as x264 gives them."""
    height, width = size
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.time_base = width, height, "yuv420p", Fraction(1, 25)
    context.options = {"qp": str(qp), **options}
    frame = rgb_to_frame(np.ascontiguousarray(picture(256)[:height, :width]), pixel_format="yuv420p")
    data = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    return [nal.rstrip(b"\0") for nal in data.split(b"\0\0\1") if nal.rstrip(b"\0")]


def annex_b(nals: list[bytes]) -> bytes:
    return b"".join(b"\0\0\1" + nal for nal in nals)


def test_what_x264_writes_for_a_key_picture_becomes_nine_bytes() -> None:
    assert without_vui(FROM_X264).hex() == "6764100dacb82010c8"


@pytest.mark.parametrize("size", [(64, 64), (66, 34), (256, 256), (16, 80)])
@pytest.mark.parametrize("options", [{}, {"preset": "ultrafast"}, {"profile": "high", "x264-params": "keyint=1"}])
def test_the_picture_decodes_to_the_same_samples(size: tuple[int, int], options: dict[str, str]) -> None:
    nals = coded(size, 30, **options)
    short = [without_vui(nal) if nal[0] & 31 == 7 else nal for nal in nals]
    pictures = [keyframe.decode_picture(annex_b(some), width=size[1], height=size[0]) for some in (nals, short)]
    assert np.array_equal(*pictures)
    high = nals[[nal[0] & 31 for nal in nals].index(7)][1] == 100
    assert (sum(map(len, short)) < sum(map(len, nals))) is high


def test_key_pictures_have_no_vui() -> None:
    for qp in (10, 30, 51):
        data = keyframe.encode_picture(picture(), qp=qp)
        (parameters,) = [nal for nal in data.split(b"\0\0\1") if nal and nal[0] & 31 == 7]
        assert len(parameters) <= 9 and without_vui(parameters) == parameters


def test_other_profiles_and_scaling_matrices_come_back_as_they_are() -> None:
    baseline = FROM_X264[:1] + bytes([66]) + FROM_X264[2:]
    assert without_vui(baseline) == baseline
    matrix = FROM_X264[:4] + bytes([FROM_X264[4] | 1]) + FROM_X264[5:]  # seq_scaling_matrix_present_flag
    assert without_vui(matrix) == matrix


@pytest.mark.parametrize("length", range(1, 8))
def test_one_that_is_cut_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="ends too early"):
        without_vui(FROM_X264[:length])


@given(st.binary(max_size=30))
def test_any_bytes_give_bytes_that_stay_or_are_refused(data: bytes) -> None:
    try:
        short = without_vui(b"\x67\x64" + data)
    except ValueError:
        return
    assert without_vui(short) == short
    assert b"\0\0\1" not in short or short == b"\x67\x64" + data
