"""Random smooth warps of the picture plane whose effect on points is known: affine plus thin-plate spline."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nvc.models.layers import pixel_grid

AFFINE_SIGMA = 0.05
SPLINE_SIGMA = 0.005
SPLINE_POINTS = 5


@dataclass(frozen=True)
class RandomWarp:
    """B warps T of the plane: x to A x + b + sum_i w_i phi(|x - c_i|), phi(r) = r^2 log r^2.

    Attributes:
        affine: [B, 2, 3], A and b.
        weights: [B, P, 2], of the spline at its P control points, a square grid over the picture.
    """

    affine: Tensor
    weights: Tensor

    @classmethod
    def draw(
        cls,
        count: int,
        generator: torch.Generator | None = None,
        *,
        affine: float = AFFINE_SIGMA,
        spline: float = SPLINE_SIGMA,
        points: int = SPLINE_POINTS,
    ) -> RandomWarp:
        """``count`` warps; ``affine`` and ``spline`` are standard deviations, ``points`` a side of the grid."""
        matrix = torch.eye(2, 3) + affine * torch.randn(count, 2, 3, generator=generator)
        return cls(matrix, spline * torch.randn(count, points * points, 2, generator=generator))

    def to(self, device: str | torch.device) -> RandomWarp:
        """The same warps on another device."""
        return RandomWarp(self.affine.to(device), self.weights.to(device))

    def points(self, x: Tensor) -> Tensor:
        """T of points [B, K, 2], half-sides."""
        side = round(self.weights.shape[1] ** 0.5)
        axis = torch.linspace(-1, 1, side, device=x.device)
        centres = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
        square = (x[:, :, None] - centres).square().sum(-1)
        bend = (square * torch.log(square + 1e-9)) @ self.weights
        return x @ self.affine[:, :, :2].transpose(1, 2) + self.affine[:, None, :, 2] + bend

    def pictures(self, pictures: Tensor) -> Tensor:
        """Pictures [B, C, H, W] seen through T: what is at p in the result was at T(p)."""
        height, width = pictures.shape[2:]
        grid = pixel_grid(height, width, pictures).reshape(1, -1, 2).expand(len(pictures), -1, -1)
        where = self.points(grid).view(-1, height, width, 2).to(pictures.dtype)
        return F.grid_sample(pictures, where, mode="bilinear", padding_mode="reflection", align_corners=False)
