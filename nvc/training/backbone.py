"""Feature networks for the perceptual loss, from a weights file whose layout says which network it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from nvc.metrics.backbones import load_tensors
from nvc.training.losses import SqueezeFeatures
from nvc.training.paper_losses import PerceptualLoss
from nvc.training.vgg import VggFeatures, VggLayout

_LEAST_SQUEEZE_SIDE, _LEAST_VGG_SIDE = 32, 16  # nothing is left of smaller pictures after the last pooling


class UnknownBackbone(ValueError):
    """A weights file of no network that is known here."""


def backbone_of(tensors: Mapping[str, Tensor]) -> SqueezeFeatures | VggFeatures:
    """The network that tensors are the weights of: SqueezeNet 1.0, VGG-19 or VGG-Face.

    VGG-19 has a fourth convolution in its third block (``conv3_4``, number 16 in torchvision's list); VGG-Face, a
    VGG-16, has a pooling layer there.

    Raises:
        UnknownBackbone: neither of them.
        MetricError: a tensor is missing or of another shape.
    """
    if "fire2/squeeze.weight" in tensors:
        return SqueezeFeatures(tensors)
    if "conv3_4.weight" in tensors or "features.16.weight" in tensors:
        return VggFeatures(tensors, VggLayout.VGG19)
    if "conv3_3.weight" in tensors or "features.14.weight" in tensors:
        return VggFeatures(tensors, VggLayout.VGG_FACE)
    raise UnknownBackbone("the weights are those of no known network: SqueezeNet 1.0, VGG-19 or VGG-Face")


def load_backbone(path: Path) -> SqueezeFeatures | VggFeatures:
    """Read a ``.npz`` or ``.safetensors`` file. Raises as :func:`backbone_of`, and for what is no such file."""
    try:
        return backbone_of(load_tensors(path))
    except UnknownBackbone as error:
        raise UnknownBackbone(f"{path}: {error}") from None


class LevelFeatures(nn.Module):
    """Features of a network brought to about unit size at every place, so that an L1 distance weighs its layers alike.

    VGG's features are of that size by themselves; SqueezeNet's, which sees 0 to 255, are hundreds of times larger.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Maps of pictures [B, 3, H, W], 0 to 1; each place of a map has a root mean square of 1."""
        return [F.normalize(m.float(), dim=1) * m.shape[1] ** 0.5 for m in self.network(pictures)]


def paper_perceptual(backbone: SqueezeFeatures | VggFeatures, face: VggFeatures | None = None) -> PerceptualLoss:
    """L_P of face-vid2vid on a backbone: VGG-19 as published, SqueezeNet where there is no other."""
    if isinstance(backbone, SqueezeFeatures):
        return PerceptualLoss(LevelFeatures(backbone), face, least_side=_LEAST_SQUEEZE_SIDE)
    return PerceptualLoss(backbone, face, least_side=_LEAST_VGG_SIDE)
