"""M: from a few keypoints to where every pixel of a driving frame comes from (face-vid2vid, section 3.2).

Every keypoint proposes a first-order flow, w_k(p) = (s_s / s_d) R_s R_d^-1 (p - x_d,k) + x_s,k, and the
background proposes to stay. The mix starts from a kernel around each driving keypoint, with learned widths,
and a 2-D U-Net corrects it: an untrained M already bends the face like its keypoints, which is why few
identities are enough to train it. The same mix moves the surface (2-D, for the skip connections)
and every slice of the volume (3-D).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.models.appearance import SourceFeatures
from nvc.models.config import ModelConfig
from nvc.models.layers import conv_block, pixel_grid, upsample_grid, warp
from nvc.pose import HeadMotion, euler_to_matrix

_HEAT_WIDTH = 0.06  # standard deviation of the keypoint maps shown to the U-Net, half-sides
_MAX_SHIFT = 0.25  # largest correction of the surface flow, half-sides
_WARPED = 24


@dataclass(frozen=True)
class MotionField:
    """What M tells G about one driving frame.

    Attributes:
        surface: [B, S/4, S/4, 2] source positions of the visible surface, half-sides.
        volume: [B, D, S/8, S/8, 3] source positions in the feature volume.
        visible: occlusion, [B, 3, S/4, S/4] in 0..1 for the skips at full, half and quarter size.
        volume_visible: [B, 1, S/8, S/8].
        hints: [B, C, S/4, S/4] features of the U-Net for G.
    """

    surface: Tensor
    volume: Tensor
    visible: Tensor
    volume_visible: Tensor
    hints: Tensor


class DenseMotion(nn.Module):
    """Keypoints of source and driving head to a :class:`MotionField`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        k, m, c4 = config.keypoints, config.motion_channels, config.channels[2]
        self.depth = config.depth
        self.log_width = nn.Parameter(torch.full((k,), -2.3))
        self.background = nn.Parameter(torch.tensor(-4.0))
        self.project = nn.Conv2d(c4, _WARPED, 1)
        inputs = k + _WARPED + 2
        self.shallow = conv_block(inputs, m // 2)
        self.down1 = conv_block(m // 2, m, stride=2)
        self.down2 = conv_block(m, m + m // 2, stride=2)
        self.down3 = nn.Sequential(conv_block(m + m // 2, 2 * m, stride=2), conv_block(2 * m, 2 * m))
        self.up2 = conv_block(2 * m + m + m // 2, m + m // 2)
        self.up1 = conv_block(m + m // 2 + m, m)
        self.up0 = conv_block(m + m // 2, m // 2)
        self.masks = nn.Conv2d(m // 2, k + 1, 3, 1, 1)
        self.surface = nn.Conv2d(m // 2, 2 + 3, 3, 1, 1)
        self.volume_visible = nn.Conv2d(m, 1, 3, 1, 1)
        for head in (self.masks, self.surface, self.volume_visible):
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.constant_(cast(Tensor, head.bias), 0.0)

    def forward(
        self, source: SourceFeatures, x_s: Tensor, x_d: Tensor, source_motion: HeadMotion, motion: HeadMotion
    ) -> MotionField:
        """Motion field of B driving heads.

        Args:
            source: features of B sources.
            x_s, x_d: keypoints [B, K, 3] of source and driving head in the picture, half-sides.
            source_motion, motion: their poses.
        """
        size = source.quarter.shape[-1]
        turn = relative_turn(source_motion, motion)
        grid = pixel_grid(size, size, x_d)
        offset = grid[None, None] - x_d[:, :, None, None, :2]
        square = offset.square().sum(-1)
        prior = -square * (0.5 * torch.exp(-2 * self.log_width))[None, :, None, None]
        prior = torch.cat([self.background.expand(x_d.shape[0], 1, size, size), prior], dim=1)
        rough = self._surface_flow(torch.softmax(prior, 1), grid, x_s, x_d, turn)
        warped = warp(self.project(source.quarter), rough)
        heat = torch.exp(-square / (2 * _HEAT_WIDTH**2))
        shift = (rough - grid).permute(0, 3, 1, 2)
        hints, inner = self._unet(torch.cat([heat.to(warped.dtype), warped, shift.to(warped.dtype)], dim=1))
        mix = torch.softmax(prior + self.masks(hints).float(), 1)
        correction = self.surface(hints).float()
        surface = self._surface_flow(mix, grid, x_s, x_d, turn)
        surface = surface + _MAX_SHIFT * torch.tanh(correction[:, :2]).permute(0, 2, 3, 1)
        volume = self._volume_flow(F.avg_pool2d(mix, 2), x_s, x_d, turn)
        # Visible until shown otherwise: the head starts from copying.
        return MotionField(
            surface=surface,
            volume=volume,
            visible=torch.sigmoid(correction[:, 2:] + 2),
            volume_visible=torch.sigmoid(self.volume_visible(inner).float() + 2),
            hints=hints,
        )

    def _unet(self, x: Tensor) -> tuple[Tensor, Tensor]:
        level0 = self.shallow(x)
        level1 = self.down1(level0)
        level2 = self.down2(level1)
        level3 = self.down3(level2)
        up2 = self.up2(torch.cat([_double(level3), level2], 1))
        up1 = self.up1(torch.cat([_double(up2), level1], 1))
        return self.up0(torch.cat([_double(up1), level0], 1)), up1

    def _surface_flow(self, mix: Tensor, grid: Tensor, x_s: Tensor, x_d: Tensor, turn: Tensor) -> Tensor:
        # At the depth of keypoint k the third coordinate of p - x_d,k is zero, so A is 2 x 2. The sum over k of
        # m_k (A (p - x_d,k) + x_s,k) is linear in the masks: one small matrix product and no [B, K, H, W, 2] array.
        a = turn[:, :2, :2]
        anchor = x_s[..., :2] - torch.einsum("bij,bkj->bki", a, x_d[..., :2])
        constant = torch.einsum("bkhw,bki->bhwi", mix[:, 1:], anchor)
        moving = torch.einsum("bij,hwj->bhwi", a, grid)
        face = 1 - mix[:, 0, :, :, None]
        return face * moving + constant + (1 - face) * grid

    def _volume_flow(self, mix: Tensor, x_s: Tensor, x_d: Tensor, turn: Tensor) -> Tensor:
        size = mix.shape[-1]
        grid = pixel_grid(size, size, mix)
        zs = (torch.arange(self.depth, device=mix.device, dtype=torch.float32) * 2 + 1) / self.depth - 1
        plane = grid[None].expand(self.depth, size, size, 2)
        p = torch.cat([plane, zs[:, None, None, None].expand(self.depth, size, size, 1)], -1)
        anchor = x_s - torch.einsum("bij,bkj->bki", turn, x_d)
        constant = torch.einsum("bkhw,bki->bhwi", mix[:, 1:], anchor)[:, None]
        moving = torch.einsum("bij,dhwj->bdhwi", turn, p)
        face = 1 - mix[:, None, 0, :, :, None]
        return face * moving + constant + (1 - face) * p


def relative_turn(source: HeadMotion, driving: HeadMotion) -> Tensor:
    """(s_s / s_d) R_s R_d^-1, [B, 3, 3]: the Jacobian of every keypoint's flow (J = R, rigid head)."""
    rotation = euler_to_matrix(source.angles) @ euler_to_matrix(driving.angles).transpose(1, 2)
    return rotation * torch.exp2(source.log2_scale - driving.log2_scale)[:, :, None]


def warp_volume(volume: Tensor, flow: Tensor) -> Tensor:
    """Sample [B, C, D, H, W] at [B, D, H, W, 3] half-sides."""
    return F.grid_sample(volume, flow.to(volume.dtype), mode="bilinear", padding_mode="border", align_corners=False)


def skip_flows(field: MotionField, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """The surface flow at full, half and quarter size."""
    return upsample_grid(field.surface, side, side), upsample_grid(field.surface, side // 2, side // 2), field.surface


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
