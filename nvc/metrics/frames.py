"""The one check that every measurement makes of its pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nvc.metrics.errors import MetricError

Frames = np.ndarray | Tensor
"""A clip: uint8 [T, 3, H, W], RGB, 0..255."""

BATCH = 8
"""Frames that go through a network together: bounds memory, changes no figure."""


def as_tensor(frames: Frames, *, name: str = "frames") -> Tensor:
    """The clip as a uint8 tensor [T, 3, H, W]; `MetricError` if it is not one or holds no frame."""
    tensor = torch.from_numpy(np.ascontiguousarray(frames)) if isinstance(frames, np.ndarray) else frames
    if tensor.dtype != torch.uint8:
        raise MetricError(f"{name} hold {tensor.dtype}; they must be uint8, 0..255")
    if tensor.ndim != 4 or tensor.shape[1] != 3:
        raise MetricError(f"{name} have shape {list(tensor.shape)}; it must be [T, 3, H, W]")
    if tensor.numel() == 0:
        raise MetricError(f"{name} have shape {list(tensor.shape)}: nothing to measure")
    return tensor


def as_pair(original: Frames, decoded: Frames) -> tuple[Tensor, Tensor]:
    """Both clips as uint8 tensors of one shape [T, 3, H, W]; `MetricError` otherwise."""
    first, second = as_tensor(original, name="original frames"), as_tensor(decoded, name="decoded frames")
    if first.shape != second.shape:
        raise MetricError(f"original {list(first.shape)} and decoded {list(second.shape)} frames must have one shape")
    return first, second


def batches(original: Frames, decoded: Frames) -> Iterator[tuple[Tensor, Tensor]]:
    """Both clips as float32 batches [at most 8, 3, H, W], 0..255."""
    first, second = as_pair(original, decoded)
    for start in range(0, len(first), BATCH):
        yield first[start : start + BATCH].float(), second[start : start + BATCH].float()


def weighted_mean(values: list[tuple[float, int]]) -> float:
    """Mean over frames from (mean, frames) of each batch."""
    return sum(value * count for value, count in values) / sum(count for _, count in values)
