"""Benchmarks of what a receiver may ask for: their estimators and sums, on what is known beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import expressions, free_view, motion_transfer, receiver_report, several_sources
from benchmarks.head_pose import LANDMARKS, angles_of, head_pose, project, rotation_of


def landmarks(pitch: float, yaw: float, roll: float, *, noise: float = 0.0) -> np.ndarray:
    """Landmarks in pixels of the generic head at angles in degrees, in a picture of 256."""
    parameters = np.array([*np.radians([pitch, yaw, roll]), 0.4, -0.3, np.log(4 * 256 / 8)])
    points = np.zeros((68, 2))
    points[list(LANDMARKS)] = project(parameters, 256)
    return points + noise * np.random.default_rng(0).standard_normal(points.shape)


@pytest.mark.parametrize("pose", [(0, 0, 0), (15, 0, 0), (-20, 0, 5), (0, 30, 0), (10, -30, -15)])
def test_the_estimator_finds_the_pose_that_was_drawn(pose):
    assert np.degrees(angles_of(head_pose(landmarks(*pose), 256))) == pytest.approx(pose, abs=0.05)


def test_noise_of_half_a_pixel_costs_few_degrees():
    found = np.degrees(angles_of(head_pose(landmarks(5, 20, 0, noise=0.5), 256)))
    assert found == pytest.approx([5, 20, 0], abs=4)


def test_a_turn_is_compared_with_what_was_asked():
    still, there = rotation_of(np.radians([5, -3, 2.0])), None
    asked = np.radians([0, 20, 0.0])
    there = rotation_of(asked) @ still
    exact = free_view.compare(still, there, asked)
    assert exact["seen_yaw"] == pytest.approx(20, abs=0.01) and exact["error"] == pytest.approx(0, abs=0.01)
    short = free_view.compare(still, rotation_of(np.radians([0, 15, 0.0])) @ still, asked)
    assert short["error"] == pytest.approx(5, abs=0.01)


def test_gain_is_how_far_of_what_was_asked():
    rows = [
        {"clip": "a", "yaw": yaw, "pitch": 0.0, "found": True, "seen_yaw": 0.5 * yaw, "seen_pitch": 0.0, "error": 1.0}
        for yaw in (-30.0, -20.0, -10.0, 10.0, 20.0, 30.0)
    ]
    summary = free_view.summarise(rows)
    assert summary["yaw_gain"] == 0.5 and summary["pitch_gain"] is None
    assert summary["mean_yaw_error_degrees"] == pytest.approx(10)
    assert summary["faces_found"] == 6 and summary["mean_aed"] is None


def test_faces_that_do_the_same_correlate_whatever_their_size():
    rng = np.random.default_rng(1)
    base = landmarks(0, 0, 0) + rng.uniform(-20, 20, (68, 2)) + 128
    moves = rng.standard_normal((6, 68, 2))
    one = [base + move for move in moves]
    two = [2 * (base + move) + 30 for move in moves]
    assert motion_transfer.correlation(one, two, mouth=False) == pytest.approx(1, abs=0.01)
    assert motion_transfer.correlation(one, two, mouth=True) == pytest.approx(1, abs=0.01)
    still = [base + move for move in rng.standard_normal((6, 68, 2))]
    assert abs(motion_transfer.correlation(one, still, mouth=True) or 0) < 0.5
    assert motion_transfer.correlation(one[:2], two[:2], mouth=True) is None


def test_frames_without_a_face_are_left_out():
    base = landmarks(0, 0, 0) + np.arange(136).reshape(68, 2)
    track = [base, None, base + 1, base * 1.1, base - 2]
    assert motion_transfer.correlation(track, track, mouth=False) == pytest.approx(1)


def face() -> np.ndarray:
    """A front view with everything in its place, pixels."""
    points = np.full((68, 2), 100.0)
    points[36:42] = [(70, 90), (76, 86), (84, 86), (90, 90), (84, 94), (76, 94)]
    points[42:48] = [(110, 90), (116, 86), (124, 86), (130, 90), (124, 94), (116, 94)]
    points[48:55] = [(84, 130), (90, 126), (95, 125), (100, 126), (105, 125), (110, 126), (116, 130)]
    points[55:60] = [(110, 135), (105, 137), (100, 138), (95, 137), (90, 135)]
    points[60:65] = [(88, 130), (95, 129), (100, 129), (105, 129), (112, 130)]
    points[65:68] = [(105, 131), (100, 131), (95, 131)]
    points[17:27, 1] = 75
    return points


@pytest.mark.parametrize(
    ("name", "points", "by", "sign"),
    [
        ("mouth gap", [65, 66, 67], (0, 6), 1),
        ("mouth corners up", [48, 54], (0, -5), 1),
        ("brow height", list(range(17, 27)), (0, -4), 1),
        ("left eye gap", [43, 44], (0, 3), -1),
        ("right eye gap", [37, 38], (0, 3), -1),
    ],
)
def test_a_measure_sees_its_own_movement(name, points, by, sign):
    picture = np.full((200, 200, 3), 128, np.uint8)
    moved = face()
    moved[points] += by
    change = {k: v - expressions.measures(face(), picture)[k] for k, v in expressions.measures(moved, picture).items()}
    assert change[name] * sign > 3
    untouched = {"mouth gap", "brow height", "left eye gap", "right eye gap"} - {name}
    assert all(abs(change[other]) < 0.5 for other in untouched)


def test_pupils_are_where_it_is_dark():
    picture = np.full((200, 200, 3), 200, np.uint8)
    for x in (86, 126):  # six pixels to the right of the middle of each eye
        picture[87:94, x - 2 : x + 3] = 0
    assert expressions.measures(face(), picture)["pupils right"] == pytest.approx(10, abs=2)


def test_the_step_at_a_switch_is_told_from_the_others():
    levels = np.array([10, 11, 12, 13, 23, 24, 25, 26], np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (8, 3, 4, 4))
    assert several_sources.switch_step(frames, 4) == pytest.approx(10)
    assert several_sources.switch_step(frames, 8) is None


def test_means_say_whether_the_bar_is_met():
    row = {"clip": "a", "interval": 4, "bytes": 10, "kbps": 1.0, "psnr": 30.0, "ms_ssim": 0.9, "drawings_a_frame": 1.0}
    rows = [
        {**row, "sources": 1, "switch_step": 2.0, "switch_step_of_original": 1.0},
        {**row, "sources": 2, "switch_step": 1.2, "switch_step_of_original": None},
    ]
    table = several_sources.summarise(rows)
    assert [point["passes"] for point in table] == [False, True]
    assert table[1]["switch_step_of_original"] is None


def test_the_page_says_what_was_measured():
    page = Path(receiver_report.RESULTS).parent.parent / "docs" / "receiver.md"
    assert page.read_text(encoding="utf-8") == receiver_report.render()


def test_the_page_has_a_section_for_every_result_that_is_there(tmp_path):
    ways = {"relative": {"pairs": 3, "aed_portrait": 0.25, "aed_driver": 0.8, "motion": 0.7, "mouth": None}}
    (tmp_path / "motion_transfer.json").write_text(json.dumps({"ways": ways}))
    page = receiver_report.render(tmp_path)
    assert "## Motion transfer" in page and "| relative | 0.250 | 0.800 | 0.700 | – |" in page
    assert "## Free view" not in page
