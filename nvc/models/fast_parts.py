"""Blocks of a lite model on rows of channels; see `nvc.models.fast_lite`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc.models.layers import ResidualBlock, Upsample
from nvc.models.packed import PackedConv


def as_map(rows: Tensor, side: int) -> Tensor:
    """[pixels, C] as [1, C, side, side], channels last; nothing is moved."""
    return rows.view(1, side, side, -1).permute(0, 3, 1, 2)


def as_rows(x: Tensor) -> Tensor:
    """[1, C, H, W], channels last, as [pixels, C]; nothing is moved."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


class FastBlock:
    """A `ResidualBlock` whose batch norms have been folded."""

    def __init__(self, block: ResidualBlock, dtype: torch.dtype) -> None:
        self._steer = block.steer
        self._first = PackedConv(block.first, relu=block.steer is None, dtype=dtype)
        self._second = PackedConv(block.second, relu=True, dtype=dtype)

    def __call__(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        """[1, C, H, W] and, where the block is steered, a code [1, code_size]."""
        y = self._first(x)
        if self._steer is not None and code is not None:
            scale, shift = self._steer(code).to(y.dtype)[:, :, None, None].chunk(2, dim=1)
            y = torch.addcmul(shift, y, 1 + scale).relu_()
        return self._second(y, x)


class FastUpsample:
    """An `Upsample`."""

    def __init__(self, part: Upsample, dtype: torch.dtype) -> None:
        old = part.body[0]
        if not isinstance(old, nn.Conv2d):
            raise ValueError("an Upsample begins with its convolution")
        count = old.out_channels // 4
        order = torch.arange(4 * count).view(count, 4).t().flatten()  # place in the 2 x 2 block first, then channel
        new = nn.Conv2d(old.in_channels, old.out_channels, 1)
        new.weight.data = old.weight.detach()[order]
        new.bias = None if old.bias is None else nn.Parameter(old.bias.detach()[order])
        self._conv = PackedConv(new.requires_grad_(False), dtype=dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """[1, C, H, W] to [1, outputs, 2 H, 2 W]."""
        y = self._conv(x).permute(0, 2, 3, 1)
        _, height, width, count = y.shape
        blocks = y.reshape(height, width, 2, 2, count // 4).permute(0, 2, 1, 3, 4)
        return blocks.reshape(1, 2 * height, 2 * width, count // 4).permute(0, 3, 1, 2)
