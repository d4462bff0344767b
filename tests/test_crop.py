"""Squares: around the face, steady, inside the picture, and a defined answer where there is no face."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from clips import marked_frames, write_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from nvc import crop
from nvc.crop import (
    CropPlan,
    CropUnavailable,
    Face,
    FaceDetector,
    Segment,
    Sighting,
    Square,
    centre_square,
    plan_squares,
)
from nvc.survey import survey
from nvc.video import VideoReader

FACE = Face(640, 300, 200)


def plan(faces: list[Face | None], *, cuts: tuple[int, ...] = (), step: int = 10, count: int | None = None) -> CropPlan:
    sightings = [Sighting(i * step, face) for i, face in enumerate(faces)]
    return plan_squares(sightings, cuts, width=1280, height=720, frame_rate=25, frame_count=count or step * len(faces))


def test_a_still_face_sits_in_its_square_as_in_training() -> None:
    (segment,) = plan([FACE] * 5).segments
    square = segment.square
    assert square.side == 410
    assert square.x + square.side / 2 == pytest.approx(FACE.x, abs=2)
    assert (FACE.y - (square.y + square.side / 2)) / square.side == pytest.approx(0.105, abs=0.01)


def test_jitter_does_not_move_the_square() -> None:
    rng = np.random.default_rng(0)
    faces = [
        Face(FACE.x + dx, FACE.y + dy, FACE.side * s) for dx, dy, s in rng.normal((0, 0, 1), (6, 6, 0.03), (40, 3))
    ]
    assert len(plan(faces).segments) == 1


def test_a_face_that_walks_away_gets_a_new_square() -> None:
    faces = [Face(200 + 45 * i, 300, 160) for i in range(20)]
    segments = plan(faces).segments
    assert 3 <= len(segments) <= 8
    for i, face in enumerate(faces):
        square = plan(faces).segment_at(10 * i).square
        assert square.x <= face.x - 80 and face.x + 80 <= square.x + square.side


def test_a_cut_begins_a_new_square() -> None:
    faces = [FACE] * 5 + [Face(300, 500, 120)] * 5
    plan_of = plan(faces, cuts=(48,))
    assert [s.start for s in plan_of.segments] == [0, 48]
    assert plan_of.segment_at(47) == plan_of.segments[0] and plan_of.segment_at(48) == plan_of.segments[1]


def test_a_flash_between_two_scenes_is_no_scene() -> None:
    faces = [FACE] * 5 + [Face(300, 500, 120)] * 5
    assert [s.start for s in plan(faces, cuts=(48, 49, 52)).segments] == [0, 52]
    assert [s.start for s in plan(faces, cuts=(20, 40, 43, 60)).segments] == [0, 20, 43, 60]


def test_no_face_at_all_is_the_middle_of_the_picture() -> None:
    nobody = plan([None] * 6)
    assert nobody.segments == (Segment(0, Square(280, 0, 720)),) and not nobody.face_found
    assert nobody.face_at(3)  # nothing to hold still for: the picture is simply coded


def test_a_face_that_leaves_is_absent_until_it_is_back() -> None:
    seen = plan([FACE] * 3 + [None] * 4 + [FACE] * 3)
    assert seen.absent == (range(30, 70),)
    assert seen.face_at(29) and not seen.face_at(30) and not seen.face_at(69) and seen.face_at(70)
    assert len(seen.segments) == 1


def test_a_face_missed_for_a_moment_is_not_gone() -> None:
    assert plan([FACE, None, None, FACE]).absent == ()
    assert plan([FACE, FACE, None], count=35).absent == ()
    assert plan([FACE, FACE, None], count=50).absent == (range(20, 50),)


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.builds(Face, st.floats(-50, 400), st.floats(-50, 250), st.floats(1, 500))), max_size=30
    ),
    st.lists(st.integers(1, 299), max_size=4, unique=True),
    st.integers(1, 400),
    st.integers(1, 300),
)
def test_squares_are_always_inside_and_in_order(
    faces: list[Face | None], cuts: list[int], width: int, height: int
) -> None:
    sightings = [Sighting(i * 10, face) for i, face in enumerate(faces)]
    result = plan_squares(sightings, sorted(cuts), width=width, height=height, frame_rate=25, frame_count=300)
    starts = [s.start for s in result.segments]
    assert starts[0] == 0 and starts == sorted(set(starts))
    assert all(any(cut <= start < cut + 7 for start in starts) for cut in cuts)
    picture = np.zeros((height, width, 3), np.uint8)
    assert all(s.square.of(picture).shape[0] >= 1 for s in result.segments)


def test_a_square_outside_the_picture_is_refused() -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    assert centre_square(64, 48) == Square(8, 0, 48)
    for square in (Square(-1, 0, 10), Square(0, 40, 10), Square(60, 0, 8), Square(0, 0, 0)):
        with pytest.raises(ValueError, match="not inside the picture of 64 x 48"):
            square.of(picture)


def test_without_dlib_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    crop._load_detector.cache_clear()
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(CropUnavailable, match=r"nvc\[crop\]"):
        FaceDetector()


def test_the_detector_finds_and_follows_a_face(face_clip: np.ndarray) -> None:
    pytest.importorskip("dlib")
    detector = FaceDetector()
    first, *rest = (detector.find(np.ascontiguousarray(f.transpose(1, 2, 0))) for f in face_clip)
    assert first is not None and 60 < first.side < 190
    assert all(f is not None and abs(f.x - first.x) < first.side / 4 for f in rest)
    assert detector.find(np.zeros((256, 256, 3), np.uint8)) is None


def test_a_survey_follows_the_face_across_a_cut(tmp_path: Path, face_clip: np.ndarray) -> None:
    pytest.importorskip("dlib")
    face = face_clip[0].transpose(1, 2, 0)
    left, right, none = (np.full((300, 640, 3), (40, 90, 60), np.uint8) for _ in range(3))
    left[20:276, 10:266] = face
    right[30:286, 370:626] = face
    path = write_clip(tmp_path / "a.mkv", [left] * 30 + [right] * 30 + [none] * 30, options={"qp": "15"})
    seen: list[int] = []
    found = survey(VideoReader(path), progress=seen.append)
    assert seen == list(range(1, 91))
    assert found.face_found
    assert [s.start for s in found.segments] == [0, 30, 60]
    first, second, third = (s.square for s in found.segments)
    assert first.x + first.side <= 330 and second.x >= 300
    assert third == centre_square(640, 300)
    assert found.absent == (range(60, 90),)


def test_a_survey_of_no_face_says_so(tmp_path: Path) -> None:
    pytest.importorskip("dlib")
    found = survey(VideoReader(write_clip(tmp_path / "a.mkv", marked_frames(12, 120, 160))))
    assert not found.face_found and found.segments == (Segment(0, Square(20, 0, 120)),)
