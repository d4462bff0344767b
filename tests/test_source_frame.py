"""Squares cut out of coded frames are those of the upright picture, whichever way the phone was held."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import write_clip

from nvc.crop import Square
from nvc.source_frame import Upright
from nvc.video import VideoReader

SQUARES = [Square(0, 0, 32), Square(12, 6, 20), Square(3, 5, 17), Square(28, 10, 20), Square(0, 0, 48)]


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 4, y * 5, 255 - 2 * x - 2 * y], -1).astype(np.uint8)


@pytest.mark.parametrize("mirror", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("square", SQUARES)
def test_a_square_is_the_same_part_of_the_picture(
    tmp_path: Path, degrees: int, mirror: tuple[bool, bool], square: Square
) -> None:
    path = write_clip(tmp_path / "a.mp4", [picture()] * 2, rotation=(degrees, *mirror), options={"qp": "1"})
    frame = next(VideoReader(path).source_frames())
    want = square.of(frame.rgb())
    assert np.abs(frame.square(square, square.side).astype(int) - want).max() <= 6


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_places_are_found_before_and_after_turning(turns: int, mirrored: bool) -> None:
    upright = Upright(64, 48, mirrored, turns)
    coded = np.arange(48 * 64 * 3, dtype=np.int64).reshape(48, 64, 3)
    turned = upright.turn(coded)
    assert turned.shape[:2] == upright.size[::-1]
    square = Square(7, 11, 21)
    assert np.array_equal(square.of(turned), upright.turn(upright.coded(square).of(coded)))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "bgr0"])
@pytest.mark.parametrize("side", [16, 40])
def test_scaling_keeps_what_a_square_shows(tmp_path: Path, pixel_format: str, side: int) -> None:
    codec = "ffv1" if pixel_format == "bgr0" else "libx264"
    options = {} if pixel_format == "bgr0" else {"qp": "1"}
    path = write_clip(tmp_path / "a.mkv", [picture()], codec=codec, pixel_format=pixel_format, options=options)
    frame = next(VideoReader(path).source_frames())
    scaled = frame.square(Square(8, 4, 32), side)
    assert scaled.shape == (side, side, 3)
    whole = Square(8, 4, 32).of(frame.rgb()).astype(float)
    assert np.abs(scaled.mean(axis=(0, 1)) - whole.mean(axis=(0, 1))).max() < 2
    assert abs(float(scaled[0, 0, 0]) - whole[0, 0, 0]) < 8 and abs(float(scaled[-1, -1, 0]) - whole[-1, -1, 0]) < 8


def test_stretched_pixels_still_give_the_right_square(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", [picture()], aspect=Fraction(2), options={"qp": "1"})
    frame = next(VideoReader(path).source_frames())
    assert frame.rgb().shape == (48, 128, 3)
    square = Square(40, 10, 30)
    assert np.array_equal(frame.square(square, 30), square.of(frame.rgb()))


def test_a_small_version_tells_its_scale(tmp_path: Path) -> None:
    frame = next(VideoReader(write_clip(tmp_path / "a.mkv", [picture()], rotation=(90, False, False))).source_frames())
    small, scale = frame.small(32)
    assert small.shape == (32, 24, 3) or small.shape == (24, 32, 3)
    assert scale == 0.5
    same, full = frame.small(500)
    assert full == 1.0 and max(same.shape) == 64
