"""Small variants of the paper presets for tests, and a cheap stand-in for a perceptual backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc.models.paper_config import PaperConfig

TINY_PAPER = PaperConfig(
    name="tiny-paper",
    side=32,
    keypoints=4,
    depth=4,
    volume_channels=4,
    appearance_channels=(4, 8, 8),
    appearance_blocks=1,
    keypoint_channels=(8, 8),
    keypoint_side=16,
    keypoint_depth=4,
    pose_channels=(8, 16, 16),
    pose_blocks=(1, 2),
    pose_side=32,
    motion_channels=(8, 8),
    motion_inputs=2,
    motion_outputs=4,
    generator_channels=(8, 8, 8),
    generator_blocks=1,
)


class StandInBackbone(nn.Module):
    """Five maps from fixed random convolutions: enough to compare pictures by."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.kernels = [torch.randn(6, 3, 3, 3, generator=generator) / 5 for _ in range(5)]

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures [B, 3, H, W] to five maps [B, 6, H / 2, W / 2]."""
        return [nn.functional.conv2d(pictures, k, stride=2, padding=1).relu() for k in self.kernels]
