"""Pixel fidelity: PSNR, SSIM, MS-SSIM. Means over frames; higher is better."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from nvc.metrics.errors import MetricError, MetricUnavailable
from nvc.metrics.frames import Frames, as_pair, batches, weighted_mean

PEAK = 255.0
_LEAST_ERROR = 1e-6  # of identical frames, so that their PSNR is a number (about 108 dB)
_WINDOW_SIDE, _WINDOW_SIGMA = 11, 1.5
_C1, _C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
_MS_SSIM_LEAST_SIDE = 161  # five scales of an 11-tap window


def psnr(original: Frames, decoded: Frames) -> float:
    """Mean over frames of 10 log10(255^2 / mean squared error over R, G and B), in dB."""
    values: list[float] = []
    for first, second in batches(original, decoded):
        errors = (first - second).double().pow(2).mean(dim=(1, 2, 3)).clamp_min(_LEAST_ERROR)
        values += (10 * torch.log10(PEAK**2 / errors)).tolist()
    return math.fsum(values) / len(values)


def ssim(original: Frames, decoded: Frames) -> float:
    """Structural similarity, at most 1, mean over R, G, B and frames.

    Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 13(4), 2004; 11 x 11 Gaussian window of
    sigma 1.5, only where the window fits. Raises `MetricError` for frames smaller than the window.
    """
    _need_side(original, decoded, _WINDOW_SIDE, "SSIM")
    window = _window()
    return weighted_mean(
        [(_ssim_of_batch(first, second, window), len(first)) for first, second in batches(original, decoded)]
    )


def ms_ssim(original: Frames, decoded: Frames) -> float:
    """Multi-scale structural similarity over five scales, at most 1, mean over R, G, B and frames.

    Wang, Simoncelli, Bovik: Multi-scale structural similarity, Asilomar 2003; computed by pytorch-msssim. Raises
    `MetricError` for frames with a side under 161 pixels and `MetricUnavailable` without that package.
    """
    _need_side(original, decoded, _MS_SSIM_LEAST_SIDE, "MS-SSIM")
    try:
        from pytorch_msssim import ms_ssim as reference
    except ImportError as error:
        raise MetricUnavailable("MS-SSIM needs pytorch-msssim: pip install 'nvc[metrics]'") from error
    return weighted_mean(
        [(float(reference(first, second, data_range=PEAK)), len(first)) for first, second in batches(original, decoded)]
    )


def _need_side(original: Frames, decoded: Frames, least: int, name: str) -> None:
    first, _ = as_pair(original, decoded)
    if min(first.shape[2:]) < least:
        raise MetricError(f"{name} needs frames of at least {least} x {least} pixels, not {list(first.shape[2:])}")


def _window() -> Tensor:
    """The Gaussian window is separable: its taps, [1, 1, 11]."""
    taps = torch.arange(_WINDOW_SIDE, dtype=torch.float32) - _WINDOW_SIDE // 2
    taps = torch.exp(-(taps**2) / (2 * _WINDOW_SIGMA**2))
    return (taps / taps.sum()).view(1, 1, -1)


def _ssim_of_batch(first: Tensor, second: Tensor, window: Tensor) -> float:
    def blur(values: Tensor) -> Tensor:
        planes = values.flatten(0, 1)[:, None]
        planes = functional.conv2d(planes, window[:, :, None])
        return functional.conv2d(planes, window[..., None])

    mean1, mean2 = blur(first), blur(second)
    variance1, variance2 = blur(first * first) - mean1**2, blur(second * second) - mean2**2
    covariance = blur(first * second) - mean1 * mean2
    luminance = (2 * mean1 * mean2 + _C1) / (mean1**2 + mean2**2 + _C1)
    structure = (2 * covariance + _C2) / (variance1 + variance2 + _C2)
    return float((luminance * structure).mean())
