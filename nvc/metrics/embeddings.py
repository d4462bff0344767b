"""Distances in an embedding space that the user brings: Frechet distance of two sets, emotion distance of pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nvc.metrics.errors import MetricError
from nvc.metrics.frames import Frames, as_tensor, batches

Embedding = Callable[[Tensor], Tensor]
"""Pictures float32 [B, 3, H, W], RGB, 0..255 -> vectors [B, D]."""


@torch.no_grad()
def frechet_distance(original: Frames, decoded: Frames, *, embedding: Embedding) -> float:
    """Frechet distance between Gaussians fitted to the embeddings of two clips; 0 is the same distribution.

    Heusel et al., GANs trained by a two time-scale update rule, NeurIPS 2017, equation 6: with the Inception
    network's pool features this is FID. The clips need not have the same number of frames. Raises `MetricError` for
    fewer than 2 frames.
    """
    first, second = _embed(original, embedding), _embed(decoded, embedding)
    if min(len(first), len(second)) < 2:
        raise MetricError("a Frechet distance needs at least 2 frames in each clip")
    mean = float(((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum())
    covariance1, covariance2 = (np.atleast_2d(np.cov(vectors, rowvar=False)) for vectors in (first, second))
    # tr sqrt(C1 C2) = sum of square roots of the eigenvalues of the similar, symmetric matrix C1^1/2 C2 C1^1/2
    root = _symmetric_root(covariance1)
    eigenvalues = np.clip(np.linalg.eigvalsh(root @ covariance2 @ root), 0, None)
    spread = float(np.trace(covariance1) + np.trace(covariance2) - 2 * np.sqrt(eigenvalues).sum())
    return mean + max(spread, 0.0)


@torch.no_grad()
def emotion_distance(original: Frames, decoded: Frames, *, embedding: Embedding) -> float:
    """Mean Euclidean distance between the emotion embeddings of corresponding frames (AEMOD); lower is better.

    The distance of the semantic-prior talking-head papers, which embed with EMOCA's emotion network (Danecek et al.,
    CVPR 2022); any network that maps faces to emotion features serves, and figures compare only within one network.
    """
    distances: list[float] = []
    for first, second in batches(original, decoded):
        one, other = _vectors(embedding(first), len(first)), _vectors(embedding(second), len(second))
        distances += (one - other).norm(dim=1).tolist()
    return float(np.mean(distances))


def _embed(frames: Frames, embedding: Embedding) -> np.ndarray:
    tensor = as_tensor(frames)
    parts = [_vectors(embedding(part.float()), len(part)) for part in tensor.split(8)]
    return torch.cat(parts).double().numpy()


def _vectors(values: Tensor, count: int) -> Tensor:
    if values.ndim != 2 or len(values) != count:
        raise MetricError(f"the embedding gave {list(values.shape)} for {count} pictures; it must give [{count}, D]")
    if not torch.isfinite(values).all():
        raise MetricError("the embedding gave values that are not finite")
    return values


def _symmetric_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
