"""Where a viewer looks: weights for pixels around keypoints, for losses and for the encoder's own comparisons."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nvc.models.layers import pixel_grid


def attention_map(points: Tensor, count: int, side: int, *, gain: float = 3.0, width: float = 0.09) -> Tensor:
    """Weights for pixels, 1 and up to ``1 + gain`` around the first ``count`` keypoints (mouth and eyes).

    Args:
        points: [B, K, 3] half-sides.
        count: how many of the keypoints.
        side: of the map, [B, 1, side, side].
    """
    grid = pixel_grid(side // 4, side // 4, points)
    distance = (grid[None, None] - points[:, :count, None, None, :2]).square().sum(-1)
    attention = 1 + gain * torch.exp(-distance.amin(1, keepdim=True) / (2 * width**2))
    return F.interpolate(attention, size=(side, side), mode="bilinear", align_corners=False)
