"""VGG feature networks for the perceptual loss, with weights from a file that the user brings; none are shipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.metrics.backbones import load_tensors, take

_WIDTHS = (64, 128, 256, 512, 512)


class VggLayout(Enum):
    """Which network a weights file holds.

    VGG-19 of ImageNet (Simonyan, Zisserman, 2015) takes pictures less ImageNet's mean over its deviation;
    VGG-Face (Parkhi, Vedaldi, Zisserman, 2015) is a VGG-16 that takes 0..255 RGB less its mean.
    """

    VGG19 = "vgg19"
    VGG_FACE = "vgg-face"

    @property
    def depths(self) -> tuple[int, ...]:
        """Convolutions in each block of the whole network."""
        return (2, 2, 4, 4, 4) if self is VggLayout.VGG19 else (2, 2, 3, 3, 3)

    @property
    def mean(self) -> tuple[float, float, float]:
        """Of each channel, 0..1."""
        if self is VggLayout.VGG19:
            return (0.485, 0.456, 0.406)
        return (129.186279296875 / 255, 104.76238250732422 / 255, 93.59396362304688 / 255)

    @property
    def deviation(self) -> tuple[float, float, float]:
        """Divisor of each channel after the mean is taken off, for pictures 0..1."""
        return (0.229, 0.224, 0.225) if self is VggLayout.VGG19 else (1 / 255, 1 / 255, 1 / 255)

    @property
    def gain(self) -> float:
        """Brings features to the size of an input of about unit deviation: VGG-Face's input spans 255."""
        return 1.0 if self is VggLayout.VGG19 else 1 / 255


class VggFeatures(nn.Module):
    """Features after relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1, frozen.

    Tensors are named as by torchvision (``features.0.weight``) or as in the papers (``conv1_1.weight``).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, tensors: Mapping[str, Tensor], layout: VggLayout) -> None:
        """Raises `MetricError` (a ValueError) for a tensor that is missing or of another shape."""
        super().__init__()
        self.layout = layout
        self.blocks: list[list[str]] = []
        inputs = 3
        numbered = any(name.startswith("features.") for name in tensors)
        for block, paper_name, number in _needed(layout):
            name = f"features.{number}" if numbered else paper_name
            outputs = _WIDTHS[block]
            self.register_buffer(f"{paper_name}_weight", take(tensors, f"{name}.weight", (outputs, inputs, 3, 3)))
            self.register_buffer(f"{paper_name}_bias", take(tensors, f"{name}.bias", (outputs,)))
            if block == len(self.blocks):
                self.blocks.append([])
            self.blocks[block].append(paper_name)
            inputs = outputs
        self.register_buffer("mean", torch.tensor(layout.mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(layout.deviation)[:, None, None])

    @classmethod
    def from_file(cls, path: str | Path, layout: VggLayout) -> VggFeatures:
        """Read a ``.safetensors`` or ``.npz`` file. Raises `MetricError` for what is not one or does not fit."""
        return cls(load_tensors(path), layout)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Five feature maps of pictures [B, 3, H, W], 0 to 1 RGB, H and W at least 16."""
        x = (pictures - self.mean) / self.deviation
        features = []
        for block, names in enumerate(self.blocks):
            if block:
                x = F.max_pool2d(x, 2)
            for index, name in enumerate(names):
                x = F.relu(F.conv2d(x, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"), padding=1))
                if index == 0:
                    features.append(x * self.layout.gain)
        return features


def _needed(layout: VggLayout) -> Iterator[tuple[int, str, int]]:
    # Block, name in the papers and number in torchvision's list of every convolution up to conv5_1.
    number = 0
    for block, depth in enumerate(layout.depths):
        for index in range(depth):
            yield block, f"conv{block + 1}_{index + 1}", number
            if block == len(layout.depths) - 1:
                return
            number += 2  # the convolution and its ReLU
        number += 1  # the pooling
