"""G of face-vid2vid: draws the driving frame from the warped feature volume."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc.models.paper_blocks import ResBlock, convolution, same_block, up_path
from nvc.models.paper_config import PaperConfig
from nvc.models.paper_dense_motion import PaperField, sample_volume


class PaperGenerator(nn.Module):
    """Depth folded into channels, residual blocks, up blocks; spectral norm on every convolution."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        channels = config.generator_channels
        self.fold = nn.Sequential(
            same_block(2, config.volume_channels * config.depth, channels[0], 3, slope=0.2, spectral=True),
            convolution(2, channels[0], channels[0], 1, spectral=True),
        )
        self.blocks = nn.Sequential(*(ResBlock(2, channels[0], spectral=True) for _ in range(config.generator_blocks)))
        self.up = up_path(2, channels, spectral=True)
        self.draw = convolution(2, channels[-1], 3, 7, spectral=True)

    def forward(self, volume: Tensor, field: PaperField) -> Tensor:
        """Pictures [B, 3, S, S], 0 to 1, from B source volumes [B, C, D, S/4, S/4] and motion fields."""
        x = self.fold(sample_volume(volume, field.flow).flatten(1, 2)) * field.visible.to(volume.dtype)
        return torch.sigmoid(self.draw(self.up(self.blocks(x))).float())
