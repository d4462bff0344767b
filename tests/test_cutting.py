"""Videos to clips of one face: what is kept, and what the clips show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import write_clip

from nvc.crop import CropPlan, Segment, Square
from nvc.training.cutting import CutRules, Stretch, cut_folder, cut_video, stretches
from nvc.training.packing import clip_frames

SQUARE, SMALL = Square(10, 10, 300), Square(10, 10, 200)
RULES = CutRules(least_frames=20, most_frames=100)


def test_every_scene_becomes_a_clip() -> None:
    plan = CropPlan((Segment(0, SQUARE), Segment(50, SQUARE)))
    assert stretches(plan, 90, RULES) == [Stretch(range(50), SQUARE), Stretch(range(50, 90), SQUARE)]


def test_small_faces_short_scenes_and_scenes_without_a_face_are_left_out() -> None:
    plan = CropPlan((Segment(0, SMALL), Segment(50, SQUARE), Segment(65, SQUARE)))
    assert [s.frames for s in stretches(plan, 100, RULES)] == [range(65, 100)]
    assert stretches(CropPlan((Segment(0, SQUARE),), face_found=False), 100, RULES) == []


def test_a_stretch_without_a_face_is_cut_out() -> None:
    plan = CropPlan((Segment(0, SQUARE), Segment(60, SQUARE)), absent=(range(25, 70), range(95, 100)))
    assert [s.frames for s in stretches(plan, 100, RULES)] == [range(25), range(70, 95)]


def test_a_long_scene_is_cut_into_equal_pieces() -> None:
    found = stretches(CropPlan((Segment(0, SQUARE),)), 250, RULES)
    assert [len(s.frames) for s in found] == [83, 83, 84]
    assert [f for s in found for f in s.frames] == list(range(250))


@pytest.mark.parametrize("wrong", [{"least_side": 8}, {"least_frames": 0}, {"least_frames": 9, "most_frames": 8}])
def test_rules_that_keep_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 16 pixels"):
        CutRules(**wrong)


def _video(path: Path, face_clip: np.ndarray, *, empty: int = 0) -> None:
    """A face for 30 frames in the left part of a wider picture, after ``empty`` frames of nothing."""
    faces = np.repeat(face_clip.transpose(0, 2, 3, 1), 6, axis=0)
    side = faces.shape[1]
    wide = np.full((empty + len(faces), side, 2 * side, 3), 90, np.uint8)
    wide[empty:, :, :side] = faces
    write_clip(path, list(wide))


def test_clips_show_the_face_of_a_video(tmp_path: Path, face_clip: np.ndarray) -> None:
    pytest.importorskip("dlib")
    videos = tmp_path / "videos"
    videos.mkdir()
    _video(videos / "a.mkv", face_clip, empty=30)
    (videos / "notes.txt").write_text("not a video")
    told: list[tuple[str, int]] = []
    rules = CutRules(least_side=64, least_frames=8)
    clips = cut_folder(videos, tmp_path / "out", side=64, rules=rules, report=lambda p, n: told.append((p.name, n)))
    assert [c.name for c in clips] == ["a__0.mp4"] and told == [("a.mkv", 1)]
    frames = clip_frames(clips[0], 64)
    assert frames.shape == (30, 64, 64, 3)
    # Flat grey is what is around the face, and not what is cut out.
    assert frames.std((1, 2, 3)).min() > 20


def test_what_has_been_cut_is_not_cut_again(tmp_path: Path, face_clip: np.ndarray) -> None:
    pytest.importorskip("dlib")
    _video(tmp_path / "a.mkv", face_clip)
    rules = CutRules(least_side=64, least_frames=8)
    (first,) = cut_video(tmp_path / "a.mkv", tmp_path / "out", side=64, rules=rules)
    first.write_bytes(b"labelled by hand")
    assert cut_video(tmp_path / "a.mkv", tmp_path / "out", side=64, rules=rules) == [first]
    assert first.read_bytes() == b"labelled by hand"
