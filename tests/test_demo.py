"""The demo clip is a plausible moving head: deterministic, smooth, and each gesture moves what it names."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from benchmarks.clips import read_clip
from nvc import demo
from nvc.cli import demo as command
from nvc.demo import DemoUnavailable, Gesture, gesture_at, make_clip, render


@pytest.fixture(scope="module")
def source() -> np.ndarray:
    return demo.portrait()


def change(source: np.ndarray, gesture: Gesture, rows: slice, columns: slice) -> float:
    """Mean absolute change of a region of the 256 x 256 frame against the neutral face."""
    still, moved = render(source, Gesture()), render(source, gesture)
    return float(np.abs(still.astype(int) - moved.astype(int))[:, rows, columns].mean())


def centroid_of_dark_pixels(frame: np.ndarray, rows: slice, columns: slice) -> float:
    darkness = 255.0 - frame[:, rows, columns].mean(axis=0)
    weight = np.clip(darkness - 120.0, 0, None)
    return float((weight.sum(axis=0) * np.arange(weight.shape[1])).sum() / weight.sum())


EYES = slice(100, 135), slice(80, 180)
MOUTH = slice(155, 200), slice(95, 160)
COLLAR = slice(252, 256), slice(0, 256)


def test_clip_has_the_asked_shape_and_type():
    clip = make_clip(seconds=0.2, frame_rate=30, side=48)
    assert clip.shape == (6, 3, 48, 48)
    assert clip.dtype == np.uint8


def test_clip_is_deterministic(small_clip):
    assert np.array_equal(small_clip[:3], make_clip(seconds=0.12, side=64))


def test_neutral_face_is_the_portrait(source):
    still = render(source, Gesture(), side=208)
    assert np.abs(still.astype(int) - source[8:216, 122:330].transpose(2, 0, 1).astype(int)).max() <= 40
    assert np.abs(still.astype(int) - source[8:216, 122:330].transpose(2, 0, 1).astype(int)).mean() < 1.0


def test_turning_moves_the_face_and_leaves_the_shoulders(source):
    turn = Gesture(yaw=math.radians(15))
    assert change(source, turn, *EYES) > 10
    assert change(source, turn, *COLLAR) < 1


def test_positive_yaw_turns_the_face_to_the_left_of_the_picture(source):
    right = render(source, Gesture(yaw=math.radians(-12)))
    left = render(source, Gesture(yaw=math.radians(12)))
    pupil = (slice(108, 124), slice(80, 120))
    assert centroid_of_dark_pixels(left, *pupil) < centroid_of_dark_pixels(right, *pupil) - 3


def test_blink_moves_the_eyes_alone(source):
    blink = Gesture(blink=1.0)
    assert change(source, blink, *EYES) > 2
    assert change(source, blink, *MOUTH) == 0


def test_opening_the_mouth_shows_its_dark_inside(source):
    speak = Gesture(jaw=7.0)
    assert change(source, speak, *MOUTH) > 5
    assert change(source, speak, *EYES) < 0.5
    assert render(source, speak)[:, 160:195, 115:140].min() < render(source, Gesture())[:, 160:195, 115:140].min() - 20


def test_the_performance_turns_nods_blinks_and_speaks():
    script = [gesture_at(index / 25) for index in range(200)]
    assert max(g.yaw for g in script) > math.radians(12) and min(g.yaw for g in script) < -math.radians(12)
    assert max(g.pitch for g in script) > math.radians(6)
    assert max(g.blink for g in script) > 0.95
    assert max(g.jaw for g in script) > 5 and min(g.jaw for g in script) < -2


def test_no_frame_jumps(small_clip):
    steps = np.abs(np.diff(small_clip.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert steps.min() > 0
    assert steps.max() < 8


@pytest.mark.parametrize("options", [{"side": 15}, {"side": 1025}, {"frame_rate": 0.0}, {"seconds": 0.0}])
def test_impossible_clips_are_refused(options):
    with pytest.raises(ValueError, match=r"must be|no frame"):
        make_clip(**options)


def test_a_picture_that_is_not_the_portrait_is_refused():
    with pytest.raises(ValueError, match="shape"):
        render(np.zeros((64, 64, 3), np.uint8), Gesture())


def test_missing_scikit_image_is_said_plainly(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(DemoUnavailable, match="scikit-image"):
        demo.portrait()


def test_the_command_leaves_a_comparison_and_says_where(tmp_path, capsys):
    assert command.main(["-o", str(tmp_path), "--seconds", "0.2"]) == 0
    printed = capsys.readouterr().out
    size = (tmp_path / "astronaut.nvc").stat().st_size
    assert f"nvc whole file{size:>29}" in printed
    assert "x264 at its lowest rate" in printed and "keyframe" in printed and "motion" in printed
    for name in ("side-by-side.mp4", "side-by-side.png", "original.mp4"):
        assert (tmp_path / name).stat().st_size > 0 and str(tmp_path / name) in printed
    assert read_clip(tmp_path / "side-by-side.mp4").frames.shape == (5, 3, 284, 768)


def test_the_command_fails_in_one_line(tmp_path, capsys):
    assert command.main(["-o", str(tmp_path), "--point", "fast"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
