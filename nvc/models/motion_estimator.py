"""H and Delta, with L as a third head: where the head is, what the face does, whose face it is.

One small trunk serves the three networks of face-vid2vid that look at pictures only. It runs at the
sender on every frame, so its budget is 1 GFLOP.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.models.config import ModelConfig
from nvc.models.layers import ResidualBlock, conv_block
from nvc.pose import HeadMotion

_SQUEEZED = 16
_FREE_POSE = 6  # pitch, yaw, roll, tx, ty, log2 scale: under weak perspective tz cannot be seen


class MotionEstimator(nn.Module):
    """Pictures to pose, expression and canonical keypoints."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.side = config.side
        e1, e2, e3, e4, e5 = config.estimator_channels
        width = config.embedding
        self.stem = nn.Sequential(
            conv_block(3, e1, kernel=5, stride=2), conv_block(e1, e2, stride=2), ResidualBlock(e2)
        )
        self.middle = nn.Sequential(
            conv_block(e2, e3, stride=2), ResidualBlock(e3), conv_block(e3, e4, stride=2), ResidualBlock(e4)
        )
        self.deep = nn.Sequential(conv_block(e4, e5, stride=2), ResidualBlock(e5))
        # Positions matter, so the maps are flattened and not pooled.
        self.squeeze_middle = nn.Conv2d(e4, _SQUEEZED, 1)
        self.squeeze_deep = nn.Conv2d(e5, 3 * _SQUEEZED, 1)
        cells = (config.side // 16) ** 2 * _SQUEEZED + (config.side // 32) ** 2 * 3 * _SQUEEZED
        self.embed = nn.Sequential(nn.Linear(cells, width), nn.ReLU(inplace=True))
        self.motion = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, _FREE_POSE + config.expression),
        )
        self.canonical = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, 3 * config.keypoints)
        )
        # Outputs are about unit variance in training; these bring them to radians, half-sides and basis units.
        self.register_buffer("motion_mean", torch.zeros(_FREE_POSE + config.expression))
        self.register_buffer("motion_std", torch.full((_FREE_POSE + config.expression,), 0.1))
        self.register_buffer("mean_keypoints", torch.zeros(config.keypoints, 3))

    def trunk(self, pictures: Tensor) -> Tensor:
        """Embedding [B, E] of pictures [B, 3, S, S], 0 to 1; other sizes are resized to S."""
        if pictures.shape[-1] != self.side:
            pictures = F.interpolate(pictures, size=(self.side, self.side), mode="bilinear", align_corners=False)
        middle = self.middle(self.stem(pictures * 2 - 1))
        deep = self.deep(middle)
        flat = [self.squeeze_middle(middle).flatten(1), self.squeeze_deep(deep).flatten(1)]
        return self.embed(torch.cat(flat, dim=1))

    def motion_of(self, embedding: Tensor) -> HeadMotion:
        """Pose and expression from an embedding [B, E]."""
        raw = self.motion(embedding).float() * self.motion_std + self.motion_mean
        depth = torch.zeros_like(raw[:, :1])
        return HeadMotion(raw[:, 0:3], torch.cat([raw[:, 3:5], depth], 1), raw[:, 5:6], raw[:, 6:])

    def canonical_of(self, embedding: Tensor) -> Tensor:
        """Canonical keypoints x_c [B, K, 3] from an embedding [B, E]."""
        return self.mean_keypoints + 0.1 * self.canonical(embedding).float().unflatten(1, (-1, 3))
