"""Distances between feature maps: uncalibrated, LPIPS, DISTS. Means over frames; 0 is identical, lower is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nvc.metrics.backbones import Backbone, SmoothVgg16, take
from nvc.metrics.errors import MetricError
from nvc.metrics.frames import Frames, batches, weighted_mean

_STABILISER = 1e-6


@torch.no_grad()
def perceptual(original: Frames, decoded: Frames, *, backbone: Backbone) -> float:
    """Uncalibrated perceptual distance: the mean over layers of squared differences of unit-length features.

    This is LPIPS without its linear layer (the "baseline" of Zhang et al., The unreasonable effectiveness of deep
    features, CVPR 2018, equation 1 with every weight 1), averaged instead of summed over layers.
    """
    return weighted_mean(
        [
            (sum(_layer_distances(backbone, first, second)) / len(backbone.channels), len(first))
            for first, second in batches(original, decoded)
        ]
    )


@torch.no_grad()
def lpips(original: Frames, decoded: Frames, *, backbone: Backbone, linear: Sequence[Tensor]) -> float:
    """LPIPS (Zhang et al., CVPR 2018, equation 1) with `linear` weights, one tensor [C] >= 0 a layer.

    `lpips_linear` reads them from a published file. Raises `MetricError` when they do not fit the backbone.
    """
    if [len(weights) for weights in linear] != list(backbone.channels):
        raise MetricError(
            f"linear weights have {[len(w) for w in linear]} values a layer, not {list(backbone.channels)}"
        )
    if any((weights < 0).any() for weights in linear):
        raise MetricError("linear weights must not be negative: a difference would lower the distance")
    return weighted_mean(
        [
            (sum(_layer_distances(backbone, first, second, linear)), len(first))
            for first, second in batches(original, decoded)
        ]
    )


def lpips_linear(tensors: Mapping[str, Tensor], backbone: Backbone) -> list[Tensor]:
    """The linear weights of LPIPS version 0.1 by their published names, ``lin0.model.1.weight`` and so on."""
    return [
        take(tensors, f"lin{index}.model.1.weight", (1, channels, 1, 1)).flatten()
        for index, channels in enumerate(backbone.channels)
    ]


def _layer_distances(
    backbone: Backbone, first: Tensor, second: Tensor, linear: Sequence[Tensor] | None = None
) -> list[float]:
    """Mean over batch and positions of the (weighted) squared difference of unit vectors, one number a layer."""
    distances = []
    for index, (one, other) in enumerate(zip(backbone(first), backbone(second), strict=True)):
        squares = (_unit(one) - _unit(other)).pow(2)
        if linear is not None:
            squares = squares * linear[index].view(1, -1, 1, 1)
        distances.append(float(squares.sum(dim=1).mean()))
    return distances


def _unit(features: Tensor) -> Tensor:
    return features / (features.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-8)


@torch.no_grad()
def dists(original: Frames, decoded: Frames, *, backbone: SmoothVgg16, alpha: Tensor, beta: Tensor) -> float:
    """DISTS (Ding, Ma, Wang, Simoncelli: Image quality assessment, IEEE TPAMI 44(5), 2022, equation 11).

    `alpha` weighs texture (means), `beta` structure (covariances); each holds 3 + 64 + 128 + 256 + 512 + 512 = 1475
    values for RGB itself and the five maps of VGG-16. The published file names them ``alpha`` and ``beta``.
    """
    widths = [3, *backbone.channels]
    alpha, beta = alpha.flatten(), beta.flatten()
    if len(alpha) != sum(widths) or len(beta) != sum(widths):
        raise MetricError(f"alpha and beta hold {len(alpha)} and {len(beta)} values; they must hold {sum(widths)}")
    total = alpha.sum() + beta.sum()
    if not total > 0:
        raise MetricError("alpha and beta must have a positive sum")
    textures, structures = torch.split(alpha / total, widths), torch.split(beta / total, widths)
    values = []
    for first, second in batches(original, decoded):
        similarity = torch.zeros(len(first))
        pairs = zip([first / 255, *backbone(first)], [second / 255, *backbone(second)], strict=True)
        for (one, other), texture, structure in zip(pairs, textures, structures, strict=True):
            means, covariances = _similarities(one, other)
            similarity += (texture * means + structure * covariances).sum(dim=1)
        values.append((float(1 - similarity.mean()), len(first)))
    return weighted_mean(values)


def _similarities(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Texture and structure similarity of feature maps [B, C, h, w], each [B, C] (DISTS, equations 9 and 10)."""
    mean1, mean2 = one.mean(dim=(2, 3)), other.mean(dim=(2, 3))
    texture = (2 * mean1 * mean2 + _STABILISER) / (mean1**2 + mean2**2 + _STABILISER)
    variance1 = (one - mean1[:, :, None, None]).pow(2).mean(dim=(2, 3))
    variance2 = (other - mean2[:, :, None, None]).pow(2).mean(dim=(2, 3))
    covariance = (one * other).mean(dim=(2, 3)) - mean1 * mean2
    return texture, (2 * covariance + _STABILISER) / (variance1 + variance2 + _STABILISER)
