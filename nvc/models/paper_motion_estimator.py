"""H and Delta of face-vid2vid: where the head is and how each keypoint deviates, from one shared trunk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.models.paper_blocks import ResBottleneck, same_block
from nvc.models.paper_config import PaperConfig
from nvc.pose import HeadMotion, euler_to_matrix


@dataclass(frozen=True)
class PaperEstimate:
    """What H and Delta say of B heads, in the paper's terms: x = R x_c + t + delta.

    Attributes:
        angles: [B, 3] pitch, yaw, roll in radians.
        translation: [B, 3] in half-sides.
        delta: [B, K, 3] in half-sides, in the axes of the picture.
    """

    angles: Tensor
    translation: Tensor
    delta: Tensor

    def motion(self) -> HeadMotion:
        """The same heads in the terms of the bitstream, x = R (x_c + delta') + t with delta' = R^-1 delta.

        Keypoints are the same; but a deformation in the head's own axes turns with the head when a viewer
        redirects it, as a smile should.
        """
        own = self.delta @ euler_to_matrix(self.angles)  # rows: (R^T delta)^T = delta^T R
        return HeadMotion(self.angles, self.translation, torch.zeros_like(self.angles[:, :1]), own.flatten(1))


class PaperMotionEstimator(nn.Module):
    """A residual network of bottleneck blocks with five heads."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        channels, width = config.pose_channels, config.pose_channels[-1]
        self.side, self.bins, self.bin_degrees = config.pose_side, config.bins, config.bin_degrees
        self.stem = nn.Sequential(same_block(2, 3, channels[0], 7, stride=2), nn.MaxPool2d(3, 2, 1))
        blocks: list[nn.Module] = []
        for stage, (inputs, outputs) in enumerate(pairwise(channels)):
            blocks.append(ResBottleneck(inputs, outputs, stride=2 if stage else 1))
            blocks += [ResBottleneck(outputs, outputs) for _ in range(config.pose_blocks[stage] - 1)]
        self.trunk = nn.Sequential(*blocks)
        self.pitch = nn.Linear(width, config.bins)
        self.yaw = nn.Linear(width, config.bins)
        self.roll = nn.Linear(width, config.bins)
        self.translation = nn.Linear(width, 3)
        self.delta = nn.Linear(width, 3 * config.keypoints)

    def forward(self, pictures: Tensor) -> PaperEstimate:
        """Pose and deformation of pictures [B, 3, S, S], 0 to 1."""
        if pictures.shape[-1] != self.side:
            size = (self.side, self.side)
            pictures = F.interpolate(pictures, size=size, mode="bilinear", align_corners=False, antialias=True)
        code = self.trunk(self.stem(pictures * 2 - 1)).mean((2, 3))
        logits = torch.stack([self.pitch(code), self.yaw(code), self.roll(code)], 1)
        angles = expected_angle(logits.float(), self.bin_degrees)
        return PaperEstimate(angles, self.translation(code).float(), self.delta(code).float().unflatten(1, (-1, 3)))


def expected_angle(logits: Tensor, bin_degrees: float) -> Tensor:
    """Mean angle in radians, [...], under the softmax of [..., bins]: bin i stands for (i - bins / 2) bin_degrees."""
    bins = logits.shape[-1]
    degrees = (torch.arange(bins, device=logits.device, dtype=logits.dtype) - bins / 2) * bin_degrees
    return (torch.softmax(logits, -1) * degrees).sum(-1) * (math.pi / 180)
