"""Pixel fidelity: known answers for known damage, and agreement with other implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_standins import Channels, brighter

from nvc import metrics


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (3, 3, 48, 40), dtype=np.uint8)


@pytest.mark.parametrize("levels", [1, 5, 20])
def test_psnr_of_a_constant_error_is_its_formula(levels):
    flat = np.full((2, 3, 16, 16), 100, np.uint8)
    assert metrics.psnr(flat, brighter(flat, levels)) == pytest.approx(20 * math.log10(255 / levels), abs=1e-6)


def test_psnr_is_the_mean_over_frames_not_of_errors():
    flat = np.full((2, 3, 16, 16), 100, np.uint8)
    uneven = np.concatenate([brighter(flat[:1], 1), brighter(flat[:1], 10)])
    expected = (20 * math.log10(255) + 20 * math.log10(25.5)) / 2
    assert metrics.psnr(flat, uneven) == pytest.approx(expected, abs=1e-6)


def test_ssim_agrees_with_scikit_image(noise):
    from skimage.metrics import structural_similarity

    blurred = torch.nn.functional.avg_pool2d(torch.from_numpy(noise).float(), 3, 1, 1).round().byte().numpy()
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255, "full": True}
    expected = np.mean(
        [
            structural_similarity(a, b, **options)[1][5:-5, 5:-5].mean()
            for one, other in zip(noise, blurred, strict=True)
            for a, b in zip(one.astype(float), other.astype(float), strict=True)
        ]
    )
    assert metrics.ssim(noise, blurred) == pytest.approx(expected, abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 11))
def test_identical_clips_are_at_no_distance(seed, frames):
    clip = np.random.default_rng(seed).integers(0, 256, (frames, 3, 16, 16), dtype=np.uint8)
    assert metrics.ssim(clip, clip) == pytest.approx(1.0)
    assert metrics.psnr(clip, clip) > 100
    assert metrics.perceptual(clip, clip, backbone=Channels()) == 0


def test_ms_ssim_orders_damage(face_clip):
    assert metrics.ms_ssim(face_clip, face_clip) == pytest.approx(1.0)
    worse = metrics.ms_ssim(face_clip, brighter(face_clip, 60))
    assert worse < metrics.ms_ssim(face_clip, brighter(face_clip, 10)) < 1


def test_batches_do_not_change_figures():
    clip = np.random.default_rng(3).integers(0, 256, (11, 3, 24, 24), dtype=np.uint8)
    other = np.random.default_rng(4).integers(0, 256, (11, 3, 24, 24), dtype=np.uint8)
    one_by_one = np.mean([metrics.ssim(clip[i : i + 1], other[i : i + 1]) for i in range(11)])
    assert metrics.ssim(clip, other) == pytest.approx(one_by_one, abs=1e-6)
