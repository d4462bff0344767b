"""L of face-vid2vid: canonical keypoints, found without labels as the centres of 3-D heat maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.models.paper_blocks import down_path, up_path
from nvc.models.paper_config import PaperConfig


class PaperKeypoints(nn.Module):
    """A U-Net without skips whose lower half is 2-D and whose upper half is 3-D."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        channels = config.keypoint_channels
        self.side, self.depth, self.temperature = config.keypoint_side, config.keypoint_depth, config.temperature
        self.down = down_path(2, (3, *channels))
        self.lift = nn.Conv2d(channels[-1], channels[-1] * config.keypoint_depth, 1)
        self.up = up_path(3, (*reversed(channels), channels[0] // 2))
        self.heat = nn.Conv3d(channels[0] // 2, config.keypoints, 3, 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Canonical keypoints x_c [B, K, 3], half-sides, of pictures [B, 3, S, S], 0 to 1."""
        small = F.interpolate(
            pictures, size=(self.side, self.side), mode="bilinear", align_corners=False, antialias=True
        )
        lifted = self.lift(self.down(small * 2 - 1)).unflatten(1, (-1, self.depth))
        return heat_centres(self.heat(self.up(lifted)).float() / self.temperature)


def heat_centres(logits: Tensor) -> Tensor:
    """Soft-argmax: the mean position [B, K, 3] (x, y, z in half-sides) under the softmax of [B, K, D, H, W]."""
    heat = torch.softmax(logits.flatten(2), dim=2).view_as(logits)
    z = (heat.sum((3, 4)) * cell_centres(logits.shape[2], logits)).sum(2)
    y = (heat.sum((2, 4)) * cell_centres(logits.shape[3], logits)).sum(2)
    x = (heat.sum((2, 3)) * cell_centres(logits.shape[4], logits)).sum(2)
    return torch.stack([x, y, z], -1)


def cell_centres(count: int, like: Tensor) -> Tensor:
    """Centres of ``count`` equal cells of [-1, 1], [count]."""
    return (torch.arange(count, device=like.device, dtype=torch.float32) * 2 + 1) / count - 1
