"""F of face-vid2vid: the 3-D appearance feature volume of a key picture, computed once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nvc.models.paper_blocks import ResBlock, down_path, same_block
from nvc.models.paper_config import PaperConfig


@dataclass(frozen=True)
class PaperFeatures:
    """All that the receiver keeps of a key picture.

    Attributes:
        volume: [B, C, D, S/4, S/4].
    """

    volume: Tensor

    def expand(self, count: int) -> PaperFeatures:
        """The features of one source for ``count`` driving heads, without copying."""
        return PaperFeatures(self.volume.expand(count, *self.volume.shape[1:]))

    def repeat(self, count: int) -> PaperFeatures:
        """Each of B sources ``count`` times in a row, B * count in all."""
        return PaperFeatures(torch.repeat_interleave(self.volume, count, dim=0))


class PaperAppearance(nn.Module):
    """Down blocks in 2-D, channels folded out into depth, residual blocks in 3-D."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        channels = config.appearance_channels
        self.depth, self.channels = config.depth, config.volume_channels
        self.first = same_block(2, 3, channels[0], 7)
        self.down = down_path(2, channels)
        self.lift = nn.Conv2d(channels[-1], config.volume_channels * config.depth, 1)
        self.volume = nn.Sequential(*(ResBlock(3, config.volume_channels) for _ in range(config.appearance_blocks)))

    def forward(self, pictures: Tensor) -> PaperFeatures:
        """Features of decoded key pictures [B, 3, S, S], 0 to 1."""
        lifted = self.lift(self.down(self.first(pictures * 2 - 1)))
        return PaperFeatures(self.volume(lifted.unflatten(1, (self.channels, self.depth))))
