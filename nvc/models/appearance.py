"""F: what the person looks like, computed once a key frame (face-vid2vid, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nvc.models.config import ModelConfig
from nvc.models.layers import ResidualBlock, ResidualBlock3d, conv_block


@dataclass(frozen=True)
class SourceFeatures:
    """All that the receiver keeps of a key picture.

    Attributes:
        picture: [B, 3, S, S], 0 to 1.
        full, half, quarter: skip features [B, C, S/n, S/n] for n = 1, 2, 4.
        volume: feature volume [B, C, D, S/8, S/8].
    """

    picture: Tensor
    full: Tensor
    half: Tensor
    quarter: Tensor
    volume: Tensor

    def expand(self, count: int) -> SourceFeatures:
        """The features of one source for ``count`` driving heads, without copying."""
        fields = (self.picture, self.full, self.half, self.quarter, self.volume)
        return SourceFeatures(*(f.expand(count, *f.shape[1:]) for f in fields))

    def repeat(self, count: int) -> SourceFeatures:
        """Each of B sources ``count`` times in a row, B * count in all."""
        fields = (self.picture, self.full, self.half, self.quarter, self.volume)
        return SourceFeatures(*(torch.repeat_interleave(f, count, dim=0) for f in fields))


class Appearance(nn.Module):
    """Pyramid of 2-D features for the warped skip connections, and the 3-D feature volume."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c1, c2, c4, c8 = config.channels
        self.depth, self.volume_channels = config.depth, config.volume_channels
        self.level1 = conv_block(3, c1)
        self.level2 = nn.Sequential(conv_block(c1, c2, stride=2), ResidualBlock(c2))
        self.level4 = nn.Sequential(conv_block(c2, c4, stride=2), ResidualBlock(c4))
        self.level8 = nn.Sequential(conv_block(c4, c8, stride=2), ResidualBlock(c8))
        self.lift = nn.Conv2d(c8, config.depth * config.volume_channels, 1)
        self.volume = nn.Sequential(ResidualBlock3d(config.volume_channels), ResidualBlock3d(config.volume_channels))

    def forward(self, picture: Tensor) -> SourceFeatures:
        """Features of decoded key pictures [B, 3, S, S], 0 to 1."""
        full = self.level1(picture * 2 - 1)
        half = self.level2(full)
        quarter = self.level4(half)
        lifted = self.lift(self.level8(quarter))
        volume = self.volume(lifted.unflatten(1, (self.volume_channels, self.depth)))
        return SourceFeatures(picture, full, half, quarter, volume)
