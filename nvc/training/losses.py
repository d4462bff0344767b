"""Losses: pixels, perceptual features, labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.pose import HeadMotion, keypoints

_MEAN_BGR = (104.0, 117.0, 123.0)


class SqueezeFeatures(nn.Module):
    """Features of SqueezeNet 1.0 (Iandola et al., 2016) after conv1, fire3, fire5, fire7 and fire9.

    Weights come from a file with arrays ``conv1.weight``, ``fire2/squeeze.weight`` and so on; none are shipped.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.names = {
            name: name.replace(".", "_").replace("/", "_") for name in weights if not name.startswith("conv10")
        }
        for name, key in self.names.items():
            self.register_buffer(key, weights[name].float())

    def _conv(self, name: str, x: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
        weight = getattr(self, self.names[f"{name}.weight"])
        return F.relu(F.conv2d(x, weight, getattr(self, self.names[f"{name}.bias"]), stride, padding))

    def _fire(self, name: str, x: Tensor) -> Tensor:
        x = self._conv(f"{name}/squeeze", x)
        return torch.cat([self._conv(f"{name}/expand1x1", x), self._conv(f"{name}/expand3x3", x, padding=1)], 1)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Five feature maps of pictures [B, 3, H, W], 0 to 1 RGB."""
        mean = torch.tensor(_MEAN_BGR, device=pictures.device)[None, :, None, None]
        x = (pictures.flip(1) * 255 - mean).contiguous(memory_format=torch.channels_last)
        x = self._conv("conv1", x, stride=2)
        features = [x]
        x = self._fire("fire3", self._fire("fire2", _pool(x)))
        features.append(x)
        x = self._fire("fire5", _pool(self._fire("fire4", x)))
        features.append(x)
        x = self._fire("fire7", self._fire("fire6", x))
        features.append(x)
        features.append(self._fire("fire9", _pool(self._fire("fire8", x))))
        return features


def perceptual_distance(features: list[Tensor], target: list[Tensor], attention: Tensor | None = None) -> Tensor:
    """Squared distance of unit-length features, mean over positions and layers (Zhang et al., 2018, uncalibrated).

    Args:
        features, target: maps of [B, C, h, w].
        attention: weights [B, 1, H, W] of places, averaged to each map's size.
    """
    total = torch.zeros((), device=features[0].device)
    for a, b in zip(features, target, strict=True):
        a, b = a.float(), b.float()
        # |a/|a| - b/|b||^2 = 2 - 2 cos, which needs no unit-length copies of the maps.
        norms = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
        distance = 2 - 2 * (a * b).sum(1) / (norms + 1e-6)
        if attention is not None:
            distance = distance * F.adaptive_avg_pool2d(attention, distance.shape[-2:])[:, 0]
        total = total + distance.mean()
    return total / len(features)


def pixel_loss(picture: Tensor, target: Tensor, attention: Tensor) -> Tensor:
    """Mean absolute error weighted by ``attention`` [B, 1, H, W]."""
    return ((picture - target).abs() * attention).mean()


def keypoint_loss(motion: HeadMotion, label: HeadMotion, x_c: Tensor, basis: Tensor, *, attended: int = 0) -> Tensor:
    """Mean distance in half-sides between the keypoints that two motions give, depth at a third.

    Pose and expression are charged apart, each with the other as labelled: the pose moves all keypoints by much, and
    in one sum expression would wait until the pose is learned.

    Args:
        motion, label: B heads each.
        x_c: [B, K, 3].
        basis: [N, K, 3].
        attended: the first this many keypoints count three times.
    """
    weight = torch.tensor([1.0, 1.0, 0.3], device=x_c.device)
    importance = torch.ones(x_c.shape[1], device=x_c.device)
    importance[:attended] = 3.0
    target = keypoints(x_c, label, basis)
    total = torch.zeros((), device=x_c.device)
    for mixed in (replace(motion, expression=label.expression), replace(label, expression=motion.expression)):
        distance = ((keypoints(x_c, mixed, basis) - target) * weight).square().sum(-1).add(1e-8).sqrt()
        total = total + (distance * importance).sum(1).mean() / importance.sum()
    return total


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2, ceil_mode=True)
