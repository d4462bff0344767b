"""Building blocks of face-vid2vid, in two and three dimensions.

Names follow the paper's figures: Down, Up and Res blocks, and ResBottleneck. In three dimensions only height and
width are halved or doubled, never depth. Batch norm becomes synchronised batch norm in distributed training.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm


def convolution(
    dims: int, inputs: int, outputs: int, kernel: int, *, stride: int = 1, spectral: bool = False
) -> nn.Module:
    """A padded convolution in ``dims`` dimensions, with spectral norm when asked.

    Raises:
        ValueError: ``dims`` is neither 2 nor 3.
    """
    if dims not in (2, 3):
        raise ValueError(f"dims is {dims}; a convolution here has 2 or 3")
    kind = nn.Conv2d if dims == 2 else nn.Conv3d
    layer = kind(inputs, outputs, kernel, stride, kernel // 2)
    return spectral_norm(layer) if spectral else layer


def batch_norm(dims: int, channels: int) -> nn.Module:
    """Batch norm in ``dims`` dimensions."""
    return nn.BatchNorm2d(channels) if dims == 2 else nn.BatchNorm3d(channels)


def same_block(
    dims: int, inputs: int, outputs: int, kernel: int, *, stride: int = 1, slope: float = 0.0, spectral: bool = False
) -> nn.Sequential:
    """Convolution, batch norm, ReLU (leaky with a ``slope`` above 0)."""
    activation = nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)
    layer = convolution(dims, inputs, outputs, kernel, stride=stride, spectral=spectral)
    return nn.Sequential(layer, batch_norm(dims, outputs), activation)


class DownBlock(nn.Module):
    """3-wide convolution, batch norm, ReLU, then half the height and width by averaging."""

    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = same_block(dims, inputs, outputs, 3)
        self.pool = nn.AvgPool2d(2) if dims == 2 else nn.AvgPool3d((1, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, (D,) H, W] to [B, outputs, (D,) H / 2, W / 2]."""
        return self.pool(self.body(x))


class UpBlock(nn.Module):
    """Twice the height and width by repetition, then 3-wide convolution, batch norm, ReLU."""

    def __init__(self, dims: int, inputs: int, outputs: int, *, spectral: bool = False) -> None:
        super().__init__()
        self.factor = (2.0,) * dims if dims == 2 else (1.0, 2.0, 2.0)
        self.body = same_block(dims, inputs, outputs, 3, spectral=spectral)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, (D,) H, W] to [B, outputs, (D,) 2 H, 2 W]."""
        return self.body(F.interpolate(x, scale_factor=list(self.factor), mode="nearest"))


class ResBlock(nn.Module):
    """Batch norm, ReLU and a 3-wide convolution, twice, added to the input."""

    def __init__(self, dims: int, channels: int, *, spectral: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [
                batch_norm(dims, channels),
                nn.ReLU(),
                convolution(dims, channels, channels, 3, spectral=spectral),
            ]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, (D,) H, W] to the same shape."""
        return x + self.body(x)


class ResBottleneck(nn.Module):
    """The bottleneck block of ResNet-50: 1 x 1 to a quarter of the channels, 3 x 3, 1 x 1 back."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        inner = outputs // 4
        self.body = nn.Sequential(
            same_block(2, inputs, inner, 1),
            same_block(2, inner, inner, 3, stride=stride),
            convolution(2, inner, outputs, 1),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(convolution(2, inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        return F.relu(self.shortcut(x) + self.body(x))


def down_path(dims: int, channels: Sequence[int]) -> nn.Sequential:
    """Down blocks from each number of channels to the next."""
    return nn.Sequential(*(DownBlock(dims, a, b) for a, b in pairwise(channels)))


def up_path(dims: int, channels: Sequence[int], *, spectral: bool = False) -> nn.Sequential:
    """Up blocks from each number of channels to the next."""
    return nn.Sequential(*(UpBlock(dims, a, b, spectral=spectral) for a, b in pairwise(channels)))


def fix_spectral_norm(model: nn.Module) -> int:
    """Replace weights under spectral norm by what they are in evaluation mode, in place; returns how many there were.

    Saves the division at every frame, and lets batch norm fold into such convolutions.

    Raises:
        ValueError: the model is in training mode, where these weights change with every call.
    """
    normed = [module for module in model.modules() if parametrize.is_parametrized(module, "weight")]
    for module in normed:
        if module.training:
            raise ValueError("spectral norm is fixed in evaluation mode only: call model.eval() first")
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
        module.requires_grad_(False)
    return len(normed)
