"""Faces and steadiness: landmarks, identity, jitter and flicker against motion that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from metric_standins import PointsAtBrightestPixel, brighter, dots

from nvc import metrics
from nvc.metrics import MetricError, NoFaceFound


@pytest.fixture(scope="module")
def analyser() -> metrics.FaceAnalyser:
    return metrics.FaceAnalyser()


def test_keypoint_distance_is_the_distance_that_points_moved():
    original, decoded = dots([(10, 10), (12, 10)]), dots([(13, 14), (12, 10)])
    stand_in = PointsAtBrightestPixel()
    assert metrics.akd(original, decoded, analyser=stand_in) == pytest.approx((5 * 48 + 10 * 20) / 68 / 2)
    assert metrics.akd_m(original, decoded, analyser=stand_in) == pytest.approx(5.0)


def test_frames_without_a_face_do_not_count():
    original, decoded = dots([(10, 10), (12, 10)]), dots([(13, 14), (20, 20)])
    original[1] = 0
    assert metrics.akd_m(original, decoded, analyser=PointsAtBrightestPixel()) == pytest.approx(10.0)


def test_a_clip_without_any_face_is_said():
    empty = np.zeros((2, 3, 32, 32), np.uint8)
    for metric in (metrics.akd, metrics.akd_m, metrics.aed):
        with pytest.raises(NoFaceFound):
            metric(empty, empty, analyser=PointsAtBrightestPixel())


def test_boxes_must_be_one_a_frame():
    clip = dots([(1, 1), (2, 2)])
    with pytest.raises(MetricError, match="boxes"):
        metrics.akd(clip, clip, analyser=PointsAtBrightestPixel(), boxes=[None])


def test_identity_distance_is_euclidean():
    clip = np.full((1, 3, 8, 8), 10, np.uint8)
    assert metrics.aed(clip, brighter(clip, 3), analyser=PointsAtBrightestPixel()) == pytest.approx(3 * math.sqrt(3))


def test_a_real_face_that_moves_two_pixels_has_a_keypoint_distance_of_two(face_clip, analyser):
    moved = np.roll(face_clip, 2, axis=3)
    distance = metrics.akd(face_clip[:2], moved[:2], analyser=analyser)
    assert 1.0 < distance < 3.0  # the original's box does not move along, which holds landmarks back a little
    assert metrics.akd(face_clip[:2], face_clip[:2], analyser=analyser) == 0
    assert metrics.aed(face_clip[:2], face_clip[:2], analyser=analyser) == 0
    assert metrics.aed(face_clip[:1], moved[:1], analyser=analyser) < 0.4


def test_jitter_is_the_ratio_of_accelerations():
    original, decoded = dots([(10, 10), (12, 10), (12, 10)]), dots([(10, 10), (14, 10), (10, 10)])
    assert metrics.jitter(original, decoded, analyser=PointsAtBrightestPixel()) == pytest.approx(8 / 2)


def test_jitter_of_steady_motion_is_guarded_against_division_by_zero():
    steady = dots([(10, 10), (11, 10), (12, 10)])
    assert metrics.jitter(steady, steady, analyser=PointsAtBrightestPixel()) == 0


@pytest.mark.parametrize("centre", [0, 2, -1])
def test_jitter_refuses_runs_that_leave_the_clip(centre):
    clip = dots([(1, 1), (2, 2), (3, 3)])
    with pytest.raises(MetricError, match="runs of three"):
        metrics.jitter(clip, clip, analyser=PointsAtBrightestPixel(), centres=[centre])


def test_flicker_sees_change_that_the_original_has_not():
    still = np.full((3, 3, 8, 8), 100, np.uint8)
    flashing = still.copy()
    flashing[1] += 6
    assert metrics.flicker(still, brighter(still, 20)) == 0
    assert metrics.flicker(still, flashing) == pytest.approx(6.0)
    with pytest.raises(MetricError, match="2 frames"):
        metrics.flicker(still[:1], still[:1])
