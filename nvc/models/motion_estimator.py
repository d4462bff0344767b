"""H and Delta, with L as a third head: where the head is, what the face does, whose face it is.

One small trunk serves the three networks of face-vid2vid that look at pictures only. It runs at the
sender on every frame, so its budget is 1 GFLOP.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.models.config import ModelConfig
from nvc.models.layers import ResidualBlock, conv_block, pixel_grid
from nvc.pose import HeadMotion

_SQUEEZED = 16
_FREE_POSE = 6  # pitch, yaw, roll, tx, ty, log2 scale: under weak perspective tz cannot be seen


class KeypointFinder(nn.Module):
    """Finds keypoints in the picture by heat maps at an eighth of the side.

    A heat map sees every place with the same weights, so few people are enough to learn where a mouth corner is;
    regressing the same numbers from a flattened map takes many times the data.
    """

    def __init__(self, channels: tuple[int, int, int], keypoints: int) -> None:
        super().__init__()
        shallow, middle, deep = channels
        self.from_middle = nn.Conv2d(middle, shallow, 1)
        self.from_deep = nn.Conv2d(deep, shallow, 1)
        self.fuse = nn.Sequential(conv_block(shallow, shallow), ResidualBlock(shallow))
        self.heat = nn.Conv2d(shallow, keypoints, 1)

    def forward(self, shallow: Tensor, middle: Tensor, deep: Tensor) -> Tensor:
        """Positions [B, K, 2] in half-sides from features at 1/8, 1/16 and 1/32 of the side."""
        size = shallow.shape[-1]
        x = shallow + _resize(self.from_middle(middle), size) + _resize(self.from_deep(deep), size)
        heat = self.heat(self.fuse(x))
        heat = torch.softmax(heat.float().flatten(2), dim=2)
        # Sums and not a matrix product, which autocast would round to bfloat16: that is coarser than a pixel.
        grid = pixel_grid(size, size, heat).flatten(0, 1)
        return torch.stack([(heat * grid[:, 0]).sum(2), (heat * grid[:, 1]).sum(2)], 2)


@dataclass(frozen=True)
class Sight:
    """What the trunk sees in B pictures.

    Attributes:
        embedding: [B, E].
        positions: [B, K, 2] of the keypoints, half-sides; None where the model does not look for them.
    """

    embedding: Tensor
    positions: Tensor | None

    def __getitem__(self, index: slice) -> Sight:
        return Sight(self.embedding[index], None if self.positions is None else self.positions[index])


class MotionEstimator(nn.Module):
    """Pictures to pose, expression and canonical keypoints."""

    motion_mean: Tensor
    motion_std: Tensor
    mean_keypoints: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.side = config.side
        e1, e2, e3, e4, e5 = config.estimator_channels
        width = config.embedding
        self.stem = nn.Sequential(
            conv_block(3, e1, kernel=5, stride=2), conv_block(e1, e2, stride=2), ResidualBlock(e2)
        )
        self.middle = nn.Sequential(
            conv_block(e2, e3, stride=2), ResidualBlock(e3), conv_block(e3, e4, stride=2), ResidualBlock(e4)
        )
        self.deep = nn.Sequential(conv_block(e4, e5, stride=2), ResidualBlock(e5))
        # Positions matter, so the maps are flattened and not pooled.
        self.squeeze_middle = nn.Conv2d(e4, _SQUEEZED, 1)
        self.squeeze_deep = nn.Conv2d(e5, 3 * _SQUEEZED, 1)
        cells = (config.side // 16) ** 2 * _SQUEEZED + (config.side // 32) ** 2 * 3 * _SQUEEZED
        self.embed = nn.Sequential(nn.Linear(cells, width), nn.ReLU(inplace=True))
        outputs = _FREE_POSE + config.expression
        places = 2 * config.keypoints if config.localise else 0
        self.finder = KeypointFinder((e3, e4, e5), config.keypoints) if config.localise else None
        # Most of the motion is linear in where the keypoints are; the network adds the rest.
        self.linear = nn.Linear(places, outputs) if config.localise else None
        self.motion = nn.Sequential(
            nn.Linear(width + places, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, outputs),
        )
        self.canonical = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, 3 * config.keypoints)
        )
        # Outputs are about unit variance in training; these bring them to radians, half-sides and basis units.
        self.register_buffer("motion_mean", torch.zeros(outputs))
        self.register_buffer("motion_std", torch.full((outputs,), 0.1))
        self.register_buffer("mean_keypoints", torch.zeros(config.keypoints, 3))

    def trunk(self, pictures: Tensor) -> Sight:
        """What there is to see in pictures [B, 3, S, S], 0 to 1; other sizes are resized to S."""
        if pictures.shape[-1] != self.side:
            pictures = F.interpolate(pictures, size=(self.side, self.side), mode="bilinear", align_corners=False)
        shallow = self.middle[:2](self.stem(pictures * 2 - 1))
        middle = self.middle[2:](shallow)
        deep = self.deep(middle)
        flat = [self.squeeze_middle(middle).flatten(1), self.squeeze_deep(deep).flatten(1)]
        positions = None if self.finder is None else self.finder(shallow, middle, deep)
        return Sight(self.embed(torch.cat(flat, dim=1)), positions)

    def motion_of(self, sight: Sight) -> HeadMotion:
        """Pose and expression of B heads."""
        if sight.positions is None or self.linear is None:
            raw = self.motion(sight.embedding).float()
        else:
            places = sight.positions.flatten(1)
            linear = (places[:, None] * self.linear.weight).sum(2) + self.linear.bias  # in float32, as above
            raw = linear + self.motion(torch.cat([sight.embedding, places.to(sight.embedding.dtype)], 1)).float()
        raw = raw * self.motion_std + self.motion_mean
        depth = torch.zeros_like(raw[:, :1])
        return HeadMotion(raw[:, 0:3], torch.cat([raw[:, 3:5], depth], 1), raw[:, 5:6], raw[:, 6:])

    def canonical_of(self, sight: Sight) -> Tensor:
        """Canonical keypoints x_c [B, K, 3], half-sides."""
        return self.mean_keypoints + 0.1 * self.canonical(sight.embedding).float().unflatten(1, (-1, 3))


def _resize(x: Tensor, size: int) -> Tensor:
    return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
