"""D: judges patches of pictures, for the adversarial stage of training.

A patch discriminator (Isola et al., 2017: 4 x 4 convolutions, leaky ReLU, one logit a patch) with spectral norm
on every convolution and instance norm between them, as in face-vid2vid, at one or several scales
(Wang et al., 2018). It exists in training only; nothing of it is shipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

_KERNEL = 4
_SLOPE = 0.2


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of a :class:`PatchDiscriminator`.

    Attributes:
        channels: of the convolutions before the logits, in order.
        strided: how many of them, from the first, halve the size.
        scales: 1 judges the picture only, 2 also at half its size, and so on.
        inputs: channels of what is judged; 3 for a picture, more when maps are stacked on it.
    """

    channels: tuple[int, ...] = (64, 128, 256, 512)
    strided: int = 3
    scales: int = 1
    inputs: int = 3

    def __post_init__(self) -> None:
        if not self.channels or min(self.channels) < 1:
            raise ValueError(f"channels are {self.channels}; at least one positive number is needed")
        if not 0 <= self.strided <= len(self.channels):
            raise ValueError(f"strided is {self.strided}; it must be 0 to {len(self.channels)}")
        if self.scales < 1 or self.inputs < 1:
            raise ValueError(f"scales and inputs are {self.scales} and {self.inputs}; both must be positive")


DISCRIMINATORS = {
    # face-vid2vid: one scale at 256 pixels, two at 512.
    "paper-256": DiscriminatorConfig(),
    "paper-512": DiscriminatorConfig(scales=2),
    # Below 1 GFLOP for a 256-pixel picture, both scales together.
    "light": DiscriminatorConfig(channels=(32, 64, 128), strided=3, scales=2),
}


class _OneScale(nn.Module):
    """Convolutions of one scale."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        widths = (config.inputs, *config.channels)
        self.layers = nn.ModuleList()
        for index, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
            stride = 2 if index < config.strided else 1
            parts: list[nn.Module] = [spectral_norm(nn.Conv2d(inputs, outputs, _KERNEL, stride, 1))]
            if index:  # the first layer sees colour as it is
                parts.append(nn.InstanceNorm2d(outputs, affine=True))
            parts.append(nn.LeakyReLU(_SLOPE))
            self.layers.append(nn.Sequential(*parts))
        self.judge = spectral_norm(nn.Conv2d(widths[-1], 1, _KERNEL, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return self.judge(x), features


class PatchDiscriminator(nn.Module):
    """Pictures to logits of patches, positive for real, and the features on the way."""

    def __init__(self, config: DiscriminatorConfig = DISCRIMINATORS["light"]) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(_OneScale(config) for _ in range(config.scales))

    def forward(self, picture: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Judge pictures.

        Args:
            picture: [B, inputs, H, W], 0 to 1.

        Returns:
            For each scale, from the full size down: logits [B, 1, h, w] and a list of feature maps [B, C, h, w].

        Raises:
            ValueError: not [B, inputs, H, W], or so small that no patch is left.
        """
        wanted, least = self.config.inputs, self.least_side
        if picture.ndim != 4 or picture.shape[1] != wanted or min(picture.shape[2:]) < least:
            found = list(picture.shape)
            raise ValueError(f"a discriminator takes [B, {wanted}, H, W] of at least {least} a side, not {found}")
        logits, features = [], []
        x = picture * 2 - 1
        for number, scale in enumerate(self.scales):
            if number:
                x = F.avg_pool2d(x, 2)
            judged, seen = scale(x)
            logits.append(judged)
            features.append(seen)
        return logits, features

    @property
    def least_side(self) -> int:
        """Smallest picture side that leaves a patch to judge at every scale."""
        config = self.config
        # A 4 x 4 convolution padded by 1 halves the side, or at stride 1 takes one pixel; the last one leaves one.
        side = 2 + len(config.channels) - config.strided
        return side * 2 ** (config.strided + config.scales - 1)
