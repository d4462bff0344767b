"""Building blocks: convolution, batch norm, ReLU, and the code that steers them.

Batch norm folds into the convolution before it at inference, so every block costs its convolutions only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_block(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU: [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def channels_last(model: nn.Module) -> None:
    """Lay out 2-D convolutions channels last, in place: faster on CPUs, and what tensor cores want."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)


class ResidualBlock(nn.Module):
    """Two convolutions added to their input; a code may scale and shift what lies between them."""

    def __init__(self, channels: int, *, code_size: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.steer = nn.Linear(code_size, 2 * channels) if code_size else None
        if self.steer is not None:
            nn.init.zeros_(self.steer.weight)
            nn.init.zeros_(self.steer.bias)

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        """[B, C, H, W] and optionally a code [B, code_size] to [B, C, H, W]."""
        y = self.norm(self.first(x))
        if self.steer is not None and code is not None:
            scale, shift = self.steer(code)[:, :, None, None].chunk(2, dim=1)
            y = y * (1 + scale) + shift
        y = self.norm2(self.second(F.relu(y)))
        return F.relu(x + y)


class ResidualBlock3d(nn.Module):
    """Two 3-D convolutions added to their input, for the feature volume."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm3d(channels),
            nn.ReLU(inplace=True),
            nn.Conv3d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm3d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, D, H, W] to the same shape."""
        return x + self.body(x)


class Upsample(nn.Module):
    """Twice the size by a 1 x 1 convolution and pixel shuffle: cheap, as it works at the small size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, 2 H, 2 W]."""
        return self.body(x)


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Centres of pixels in half-sides, [height, width, 2] as x, y (``align_corners=False``)."""
    xs = (torch.arange(width, device=like.device, dtype=torch.float32) * 2 + 1) / width - 1
    ys = (torch.arange(height, device=like.device, dtype=torch.float32) * 2 + 1) / height - 1
    return torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1)


def warp(x: Tensor, grid: Tensor) -> Tensor:
    """Sample [B, C, H, W] at [B, h, w, 2] half-sides, bilinear, edges repeated."""
    return F.grid_sample(x, grid.to(x.dtype), mode="bilinear", padding_mode="border", align_corners=False)


def upsample_grid(grid: Tensor, height: int, width: int) -> Tensor:
    """A flow of absolute positions [B, h, w, 2] at another size, [B, height, width, 2].

    The displacement is interpolated, not the position: positions clamp at the border and would bend there.
    """
    small = pixel_grid(grid.shape[1], grid.shape[2], grid)
    shift = (grid - small).permute(0, 3, 1, 2)
    shift = F.interpolate(shift, size=(height, width), mode="bilinear", align_corners=False)
    return shift.permute(0, 2, 3, 1) + pixel_grid(height, width, grid)
