"""G of the prior model: eight SPADE blocks steered by the warped features and the expression code.

SPADE (Park et al., CVPR 2019, arXiv:1903.07291) scales and shifts normalised features at every position by what a
condition map says there. Here the condition is the warped feature map with the expression code repeated over it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.models.paper_blocks import convolution, same_block
from nvc.models.paper_dense_motion import PaperField, sample_volume

_SLOPE = 0.2


class Spade(nn.Module):
    """Batch norm without parameters of its own, scaled and shifted by a condition map."""

    def __init__(self, channels: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shared = nn.Sequential(nn.Conv2d(condition, hidden, 3, 1, 1), nn.ReLU())
        self.scale = nn.Conv2d(hidden, channels, 3, 1, 1)
        self.shift = nn.Conv2d(hidden, channels, 3, 1, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[B, channels, H, W] by a condition [B, condition, H, W]."""
        seen = self.shared(condition)
        return self.norm(x) * (1 + self.scale(seen)) + self.shift(seen)


class SpadeBlock(nn.Module):
    """SPADE, leaky ReLU and a 3 x 3 convolution, twice, added to the input (through a 1 x 1 when widths differ)."""

    def __init__(self, inputs: int, outputs: int, condition: int, hidden: int) -> None:
        super().__init__()
        inner = min(inputs, outputs)
        self.norm1 = Spade(inputs, condition, hidden)
        self.conv1 = convolution(2, inputs, inner, 3, spectral=True)
        self.norm2 = Spade(inner, condition, hidden)
        self.conv2 = convolution(2, inner, outputs, 3, spectral=True)
        self.norm_shortcut = Spade(inputs, condition, hidden) if inputs != outputs else None
        self.shortcut = convolution(2, inputs, outputs, 1, spectral=True) if inputs != outputs else None

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[B, inputs, H, W] by a condition of any size, resized to H x W, to [B, outputs, H, W]."""
        if condition.shape[-2:] != x.shape[-2:]:
            condition = F.interpolate(condition, size=x.shape[-2:], mode="nearest")
        y = self.conv1(F.leaky_relu(self.norm1(x, condition), _SLOPE))
        y = self.conv2(F.leaky_relu(self.norm2(y, condition), _SLOPE))
        if self.shortcut is not None and self.norm_shortcut is not None:
            x = self.shortcut(self.norm_shortcut(x, condition))
        return x + y


class PriorGenerator(nn.Module):
    """Warped volume and expression code to pictures."""

    def __init__(
        self, *, volume: int, features: int, expression: int, channels: tuple[int, ...], middle: int, hidden: int
    ) -> None:
        """Sizes of the network.

        Args:
            volume: channels times depth of the feature volume.
            features: channels of the warped feature map.
            expression: numbers of the code.
            channels: of the blocks at the volume's size and after each doubling.
            middle: blocks at the volume's size.
            hidden: channels between a condition and the scales and shifts made from it.
        """
        super().__init__()
        condition = features + expression
        self.fold = same_block(2, volume, features, 3, slope=_SLOPE, spectral=True)
        self.start = convolution(2, features, channels[0], 3, spectral=True)
        self.middle = nn.ModuleList(SpadeBlock(channels[0], channels[0], condition, hidden) for _ in range(middle))
        self.rising = nn.ModuleList(SpadeBlock(a, b, condition, hidden) for a, b in pairwise(channels))
        self.draw = nn.Conv2d(channels[-1], 3, 3, 1, 1)

    def forward(self, volume: Tensor, field: PaperField, code: Tensor) -> Tensor:
        """Pictures [B, 3, S, S], 0 to 1, from B volumes [B, C, D, h, w], their fields, and codes [B, N]."""
        features = self.fold(sample_volume(volume, field.flow).flatten(1, 2)) * field.visible.to(volume.dtype)
        tiled = code.to(features.dtype)[:, :, None, None].expand(-1, -1, *features.shape[2:])
        condition = torch.cat([features, tiled], dim=1)
        x = self.start(features)
        for block in self.middle:
            x = block(x, condition)
        for block in self.rising:
            x = block(F.interpolate(x, scale_factor=2.0, mode="nearest"), condition)
        return torch.sigmoid(self.draw(F.leaky_relu(x, _SLOPE)).float())
