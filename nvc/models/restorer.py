"""Restores key pictures that were coded small: residual-in-residual dense blocks, as in ESRGAN, made small.

Wang et al., ESRGAN, 2018, section 3.1. The picture is first enlarged bicubically; the network, working at the coded
size, adds what is missing and takes away what coding has done. It runs once a key frame.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_SLOPE = 0.2
_SHARE = 0.2  # of a block's output that is added: deep stacks would not train otherwise


class DenseBlock(nn.Module):
    """Three convolutions that each see all maps before them, added to the input."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, growth, 3, 1, 1)
        self.second = nn.Conv2d(channels + growth, growth, 3, 1, 1)
        self.third = nn.Conv2d(channels + 2 * growth, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        a = F.leaky_relu(self.first(x), _SLOPE)
        b = F.leaky_relu(self.second(torch.cat([x, a], 1)), _SLOPE)
        return x + _SHARE * self.third(torch.cat([x, a, b], 1))


class Restorer(nn.Module):
    """A small picture to one of twice its side; other sides are reached by resizing the small one before.

    At 128 x 128 in, 256 x 256 out, it takes about 5 GFLOP.
    """

    def __init__(self, channels: int = 24, growth: int = 12, blocks: int = 8) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, 1, 1)
        self.blocks = nn.Sequential(*(DenseBlock(channels, growth) for _ in range(blocks)))
        self.middle = nn.Conv2d(channels, channels, 3, 1, 1)
        self.enlarge = nn.Sequential(nn.Conv2d(channels, 4 * 16, 3, 1, 1), nn.PixelShuffle(2), nn.LeakyReLU(_SLOPE))
        self.tail = nn.Conv2d(16, 3, 3, 1, 1)
        nn.init.zeros_(self.tail.weight)
        if self.tail.bias is not None:
            nn.init.zeros_(self.tail.bias)

    def forward(self, small: Tensor) -> Tensor:
        """[B, 3, h, w], 0 to 1, to [B, 3, 2 h, 2 w], about 0 to 1."""
        shallow = self.head(small * 2 - 1)
        deep = shallow + self.middle(self.blocks(shallow))
        enlarged = F.interpolate(small, scale_factor=2.0, mode="bicubic", align_corners=False)
        return enlarged + self.tail(self.enlarge(deep))


def save_restorer(model: Restorer, path: Path) -> None:
    """Write the weights as safetensors, float16."""
    save_file({k: v.detach().half().contiguous() for k, v in model.state_dict().items()}, str(path))


def load_restorer(path: Path) -> Restorer:
    """Read weights, for inference. Raises OSError or safetensors' error when the file cannot be read."""
    model = Restorer()
    model.load_state_dict({k: v.float() for k, v in load_file(str(path)).items()})
    return model.eval().requires_grad_(False)
