"""Small variants of the paper presets for tests, and a cheap stand-in for a perceptual backbone."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from nvc.models.discriminator import DISCRIMINATORS, DiscriminatorConfig
from nvc.models.paper_config import PAPER_PRESETS, FlowOrder, PaperConfig
from nvc.models.prior import PRIOR_PRESETS, PriorConfig
from nvc.models.prior_face import LANDMARKS

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


TINY_PRIOR = PriorConfig(
    name="tiny-prior",
    paper=replace(TINY_PAPER, name="tiny-prior", keypoints=len(LANDMARKS), flow=FlowOrder.ZEROTH),
    expression=6,
    features=8,
    channels=(8, 8, 8),
    middle=2,
    hidden=4,
    face_channels=(4, 8, 8, 8, 8),
    face_embedding=16,
)
TINY_JUDGE = DiscriminatorConfig(channels=(4, 8), strided=2, scales=2)


def register_tiny_presets() -> None:
    """Make ``tiny-paper`` and ``tiny-prior`` known by name in this process, with their discriminators."""
    PAPER_PRESETS["tiny-paper"], PRIOR_PRESETS["tiny-prior"] = TINY_PAPER, TINY_PRIOR
    DISCRIMINATORS["tiny-paper"] = DISCRIMINATORS["tiny-prior"] = TINY_JUDGE
