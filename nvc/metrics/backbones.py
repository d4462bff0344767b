"""Feature networks for perceptual measurements, in plain torch, with weights from a file that the user brings.

Weights are read from ``.safetensors`` or ``.npz`` (never pickle) and checked for names, shapes and finiteness.
Every backbone maps pictures float32 [B, 3, H, W], RGB, 0..255 to a list of feature maps [B, C, h, w].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from nvc.metrics.errors import MetricError


class Backbone(Protocol):
    """Anything that turns pictures float32 [B, 3, H, W], RGB, 0..255 into feature maps [B, C, h, w]."""

    @property
    def channels(self) -> Sequence[int]:
        """Width of each feature map."""

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """One map a layer."""


def load_tensors(path: str | Path) -> dict[str, Tensor]:
    """Named float32 tensors of a ``.safetensors`` or ``.npz`` file. Raises `MetricError` for anything else."""
    path = Path(path)
    if not path.is_file():
        raise MetricError(f"no weights file {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors = dict(load_file(path))
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        else:
            raise MetricError(f"{path} has suffix {path.suffix!r}; weights are .safetensors or .npz files")
    except MetricError:
        raise
    except Exception as error:  # both readers raise many kinds for a damaged file
        raise MetricError(f"{path} cannot be read as weights: {error}") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor.float()).all():
            raise MetricError(f"{path}: tensor {name} holds values that are not finite")
    return {name: tensor.float() for name, tensor in tensors.items()}


def take(tensors: Mapping[str, Tensor], name: str, shape: Sequence[int]) -> Tensor:
    """One tensor of a given shape; `MetricError` names it when it is missing or of another shape."""
    if name not in tensors:
        raise MetricError(f"the weights have no tensor {name}")
    if tuple(tensors[name].shape) != tuple(shape):
        raise MetricError(f"tensor {name} has shape {list(tensors[name].shape)}; it must be {list(shape)}")
    return tensors[name]


class _Convolutions:
    """Convolution weights by name, each with its bias."""

    def __init__(self, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, int, int]]) -> None:
        self._tensors = {}
        for name, (outputs, inputs, side) in shapes.items():
            kernel = take(tensors, f"{name}.weight", (outputs, inputs, side, side))
            self._tensors[name] = (kernel, take(tensors, f"{name}.bias", (outputs,)))

    def relu(self, name: str, values: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
        kernel, bias = self._tensors[name]
        return functional.relu(functional.conv2d(values, kernel, bias, stride, padding))


class SqueezeNet10:
    """SqueezeNet 1.0 (Iandola et al., arXiv:1602.07360): conv1, fire3, fire5, fire7 and fire9.

    Names and pre-processing are those of the Caffe release: BGR less (104, 117, 123), no padding before conv1.
    """

    channels = (96, 128, 256, 384, 512)
    _WIDTHS = {2: (96, 16, 64), 3: (128, 16, 64), 4: (128, 32, 128), 5: (256, 32, 128)} | {
        6: (256, 48, 192),
        7: (384, 48, 192),
        8: (384, 64, 256),
        9: (512, 64, 256),
    }
    _LEAST_SIDE = 35

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        shapes: dict[str, tuple[int, int, int]] = {"conv1": (96, 3, 7)}
        for index, (inputs, squeeze, expand) in self._WIDTHS.items():
            shapes[f"fire{index}/squeeze"] = (squeeze, inputs, 1)
            shapes[f"fire{index}/expand1x1"] = (expand, squeeze, 1)
            shapes[f"fire{index}/expand3x3"] = (expand, squeeze, 3)
        self._layers = _Convolutions(tensors, shapes)

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        if min(pictures.shape[2:]) < self._LEAST_SIDE:
            raise MetricError(f"SqueezeNet needs at least {self._LEAST_SIDE} pixels a side, not {pictures.shape[2:]}")
        values = pictures.flip(1) - torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)
        values = values.contiguous(memory_format=torch.channels_last)  # twice as fast on a CPU
        values = self._layers.relu("conv1", values, stride=2)
        maps = [values]
        for index in range(2, 10):
            if index in (2, 5, 9):
                values = functional.max_pool2d(values, 3, 2, ceil_mode=True)
            values = self._fire(index, values)
            if index % 2:
                maps.append(values)
        return maps

    def _fire(self, index: int, values: Tensor) -> Tensor:
        values = self._layers.relu(f"fire{index}/squeeze", values)
        one = self._layers.relu(f"fire{index}/expand1x1", values)
        return torch.cat([one, self._layers.relu(f"fire{index}/expand3x3", values, padding=1)], dim=1)


_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def standardise(pictures: Tensor) -> Tensor:
    """Pictures 0..255 less ImageNet's mean, over its deviation, as torchvision's networks want them."""
    mean = torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1)
    return (pictures / 255 - mean) / torch.tensor(_IMAGENET_DEVIATION).view(1, 3, 1, 1)


class AlexNet:
    """AlexNet (Krizhevsky, arXiv:1404.5997) after each of its five ReLUs; torchvision's names ``features.N``."""

    channels = (64, 192, 384, 256, 256)
    _LAYERS = (("features.0", 3, 11, 4, 2), ("features.3", 64, 5, 1, 2), ("features.6", 192, 3, 1, 1)) + (
        ("features.8", 384, 3, 1, 1),
        ("features.10", 256, 3, 1, 1),
    )

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._layers = _Convolutions(
            tensors,
            {
                layer[0]: (outputs, layer[1], layer[2])
                for layer, outputs in zip(self._LAYERS, self.channels, strict=True)
            },
        )

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        values, maps = standardise(pictures), []
        for index, (name, _, _, stride, padding) in enumerate(self._LAYERS):
            if index in (1, 2):
                values = functional.max_pool2d(values, 3, 2)
            values = self._layers.relu(name, values, stride=stride, padding=padding)
            maps.append(values)
        return maps


class Vgg16:
    """VGG-16 (Simonyan, Zisserman, arXiv:1409.1556) after the last ReLU of each block; torchvision's names."""

    channels = (64, 128, 256, 512, 512)
    _BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        shapes: dict[str, tuple[int, int, int]] = {}
        inputs = 3
        for block, outputs in zip(self._BLOCKS, self.channels, strict=True):
            for index in block:
                shapes[f"features.{index}"] = (outputs, inputs, 3)
                inputs = outputs
        self._layers = _Convolutions(tensors, shapes)

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        values, maps = standardise(pictures), []
        for number, block in enumerate(self._BLOCKS):
            values = self.pool(values) if number else values
            for index in block:
                values = self._layers.relu(f"features.{index}", values, padding=1)
            maps.append(values)
        return maps

    def pool(self, values: Tensor) -> Tensor:
        """Halve the sides between two blocks."""
        return functional.max_pool2d(values, 2)


class SmoothVgg16(Vgg16):
    """VGG-16 with the L2 pooling of DISTS: root of the Hann-weighted mean square, which does not alias."""

    def pool(self, values: Tensor) -> Tensor:
        taps = torch.hann_window(5, periodic=False)[1:-1]
        kernel = torch.outer(taps, taps)
        kernel = (kernel / kernel.sum()).expand(values.shape[1], 1, 3, 3)
        squares = functional.conv2d(values**2, kernel, stride=2, padding=1, groups=values.shape[1])
        return (squares + 1e-12).sqrt()
