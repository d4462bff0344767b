"""A film gives the same squares however often and however they are asked for, from memory or from the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import frame_numbers, marked_frames, write_clip

from nvc.crop import CropPlan, Segment, Square
from nvc.film import Film
from nvc.statistics import StageTimes
from nvc.video import VideoReader

COUNT, SIDE = 12, 32
PLAN = CropPlan((Segment(0, Square(0, 0, 48)), Segment(7, Square(16, 0, 48))), absent=(range(3, 5),))


@pytest.fixture(params=[1 << 28, 3 * SIDE * SIDE * 4], ids=["from memory", "read again"])
def film(tmp_path: Path, request: pytest.FixtureRequest) -> Film:
    source = write_clip(tmp_path / "a.mkv", marked_frames(COUNT), codec="ffv1", pixel_format="bgr0", options={})
    return Film(VideoReader(source), PLAN, side=SIDE, times=StageTimes(), kept_bytes=request.param)


def test_every_frame_in_order_as_often_as_wanted(film: Film) -> None:
    first, second = list(film), list(film)
    assert frame_numbers(first) == list(range(COUNT))
    assert np.array_equal(first, second) and first[0].shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("seen", [False, True])
def test_parts_and_single_frames(film: Film, seen: bool) -> None:
    if seen:
        list(film)
    assert frame_numbers(list(film.span(4, 9))) == [4, 5, 6, 7, 8]
    some = film.some([8, 2])
    assert sorted(some) == [2, 8] and frame_numbers([some[2], some[8]]) == [2, 8]
    assert film.some([]) == {}


def test_where_a_frame_comes_from(film: Film) -> None:
    assert film.square(6) == Square(0, 0, 48) and film.square(7) == Square(16, 0, 48)
    assert [film.face(index) for index in (2, 3, 4, 5)] == [True, False, False, True]
    whole = list(film)
    assert whole[6][2, 8, 0] > 200 and whole[7][2, 8, 0] < 150  # the bright corner is cut off


def test_where_no_face_was_found_there_is_none(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", marked_frames(2))
    plan = CropPlan((Segment(0, Square(0, 0, 48)),), face_found=False)
    assert not Film(VideoReader(source), plan, side=SIDE, times=StageTimes()).face(0)
