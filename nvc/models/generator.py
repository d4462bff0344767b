"""G: draws the driving frame from the warped source (face-vid2vid, section 3.2).

Texture is copied through warped skip connections and, at full size, from the key picture itself;
the network invents only what the source does not show.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.models.appearance import SourceFeatures
from nvc.models.config import ModelConfig
from nvc.models.dense_motion import MotionField, skip_flows, warp_volume
from nvc.models.layers import ResidualBlock, Upsample, conv_block, warp

_KEEP = 3.0  # the copy is kept until the network learns where not to


class Generator(nn.Module):
    """Source features, motion field and expression code to pictures."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c1, c2, c4, c8 = config.channels
        code = config.code_size
        self.code = nn.Sequential(
            nn.Linear(2 * config.expression + 6, code),
            nn.ReLU(inplace=True),
            nn.Linear(code, code),
            nn.ReLU(inplace=True),
        )
        self.fold = conv_block(config.depth * config.volume_channels, c8, kernel=1)
        self.level8 = nn.ModuleList([ResidualBlock(c8, code_size=code) for _ in range(2)])
        self.to_quarter = Upsample(c8, c4 // 2)
        self.fuse_quarter = conv_block(c4 // 2 + c4 + config.motion_channels // 2, c4)
        self.level4 = ResidualBlock(c4, code_size=code)
        self.to_half = Upsample(c4, c2 // 2)
        self.fuse_half = conv_block(c2 // 2 + c2, c2)
        self.level2 = ResidualBlock(c2)
        self.to_full = Upsample(c2, c1 // 2)
        self.fuse_full = conv_block(c1 // 2 + c1 + 3, c1)
        self.level1 = conv_block(c1, c1)
        self.draw = nn.Conv2d(c1, 4, 3, 1, 1)
        nn.init.normal_(self.draw.weight, std=1e-2)
        nn.init.constant_(cast(Tensor, self.draw.bias), 0.0)

    def forward(self, source: SourceFeatures, field: MotionField, code: Tensor) -> tuple[Tensor, Tensor]:
        """Draw B pictures.

        Args:
            source: features of B sources.
            field: their motion fields.
            code: [B, 2 N + 6], what steers the blocks: driving expression, its difference to the source,
                driving and source angles.

        Returns:
            Pictures [B, 3, S, S], about 0 to 1 but not clamped, and the warped key pictures, as large (for the
            losses).
        """
        side = source.picture.shape[-1]
        full, half, quarter = skip_flows(field, side)
        steer = self.code(code.to(source.full.dtype))
        dtype = source.full.dtype
        visible = field.visible.to(dtype)
        x = warp_volume(source.volume, field.volume).flatten(1, 2) * field.volume_visible.to(dtype)
        x = self.fold(x)
        for block in self.level8:
            x = block(x, steer)
        skip = warp(source.quarter, quarter) * visible[:, 2:3]
        x = self.level4(self.fuse_quarter(torch.cat([self.to_quarter(x), skip, field.hints], 1)), steer)
        skip = warp(source.half, half) * _resize(visible[:, 1:2], side // 2)
        x = self.level2(self.fuse_half(torch.cat([self.to_half(x), skip], 1)))
        copied = warp(source.picture, full)
        skip = warp(source.full, full) * _resize(visible[:, 0:1], side)
        x = self.level1(self.fuse_full(torch.cat([self.to_full(x), skip, copied.to(dtype)], 1)))
        drawn = self.draw(x).float()
        # What is drawn adds to the copy instead of sharing a convex mix with it: in a mix the drawn part learns only
        # where the copy already yields, and so never does.
        keep = torch.sigmoid(drawn[:, 3:4] + _KEEP)
        picture = keep * copied.float() + drawn[:, :3]
        return picture, copied.float()


def _resize(x: Tensor, side: int) -> Tensor:
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
