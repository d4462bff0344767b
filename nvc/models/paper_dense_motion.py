"""M of face-vid2vid: masks that mix the keypoints' flows into one, and what no flow can explain."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.models.paper_blocks import down_path, up_path
from nvc.models.paper_config import FlowOrder, PaperConfig
from nvc.models.paper_keypoints import cell_centres
from nvc.pose import HeadMotion, euler_to_matrix

_HEAT_VARIANCE = 0.01  # of the Gaussian that stands for a keypoint, square half-sides


@dataclass(frozen=True)
class PaperField:
    """What M tells G about one driving frame.

    Attributes:
        flow: [B, D, h, w, 3] source positions in the feature volume, half-sides.
        masks: [B, K + 1, D, h, w], the share of the background and of each keypoint; they add up to 1.
        visible: occlusion, [B, 1, h, w] in 0..1.
    """

    flow: Tensor
    masks: Tensor
    visible: Tensor


class PaperDenseMotion(nn.Module):
    """A 3-D hourglass over the volume warped by every keypoint's flow."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        channels, candidates = config.motion_channels, config.keypoints + 1
        self.order = config.flow
        self.compress = nn.Conv3d(config.volume_channels, config.motion_inputs, 1)
        inputs = candidates * (config.motion_inputs + 1)
        self.down = down_path(3, (inputs, *channels))
        rising = [config.motion_outputs << (len(channels) - 1 - i) for i in range(len(channels))]
        self.up = up_path(3, (channels[-1], *rising))
        width = inputs + config.motion_outputs
        self.masks = nn.Conv3d(width, candidates, 7, 1, 3)
        self.occlusion = nn.Conv2d(width * config.depth, 1, 7, 1, 3)

    def forward(
        self, volume: Tensor, x_s: Tensor, x_d: Tensor, source_motion: HeadMotion, motion: HeadMotion
    ) -> PaperField:
        """Motion field of B driving heads.

        Args:
            volume: features of B sources, [B, C, D, h, w].
            x_s, x_d: keypoints [B, K, 3] of source and driving head in the picture, half-sides.
            source_motion, motion: their poses.
        """
        grid = volume_grid(volume.shape[2:], x_d)
        flows = candidate_flows(grid, x_s, x_d, source_motion, motion, order=self.order)
        inputs = torch.cat([_heat(grid, x_s, x_d).to(volume.dtype), self._warped(volume, flows)], dim=2).flatten(1, 2)
        features = torch.cat([inputs, self.up(self.down(inputs))], dim=1)
        masks = torch.softmax(self.masks(features).float(), dim=1)
        return PaperField(
            flow=torch.einsum("bkdhw,bkdhwc->bdhwc", masks, flows),
            masks=masks,
            visible=torch.sigmoid(self.occlusion(features.flatten(1, 2)).float()),
        )

    def _warped(self, volume: Tensor, flows: Tensor) -> Tensor:
        # The compressed volume under each flow, [B, K + 1, motion_inputs, D, h, w].
        batch, candidates = flows.shape[:2]
        small = self.compress(volume)
        repeated = small[:, None].expand(-1, candidates, -1, -1, -1, -1).flatten(0, 1)
        return sample_volume(repeated, flows.flatten(0, 1)).unflatten(0, (batch, candidates))


def volume_grid(size: torch.Size | tuple[int, ...], like: Tensor) -> Tensor:
    """Centres of the cells of a volume (D, h, w) in half-sides, [D, h, w, 3] as x, y, z."""
    axes = [cell_centres(n, like) for n in size]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z], -1)


def candidate_flows(
    grid: Tensor, x_s: Tensor, x_d: Tensor, source_motion: HeadMotion, motion: HeadMotion, *, order: FlowOrder
) -> Tensor:
    """Where each candidate says that every point comes from (paper, equation 4, with J = R).

    Args:
        grid: points p, [D, h, w, 3].
        x_s, x_d: keypoints [B, K, 3].
        source_motion, motion: poses of B heads; their scales, if any, stretch the flow like their rotations.
        order: whether the flow turns with the head.

    Returns:
        [B, K + 1, D, h, w, 3]; the first candidate is the background, which stays.
    """
    batch, count = x_d.shape[:2]
    still = grid.expand(batch, 1, *grid.shape)
    anchor_s, anchor_d = x_s[:, :, None, None, None], x_d[:, :, None, None, None]
    offset = grid - anchor_d
    if order is FlowOrder.FIRST:
        turn = euler_to_matrix(source_motion.angles) @ euler_to_matrix(motion.angles).transpose(1, 2)
        turn = turn * torch.exp2(source_motion.log2_scale - motion.log2_scale)[:, :, None]
        offset = (offset.reshape(batch, -1, 3) @ turn.transpose(1, 2)).view(batch, count, *grid.shape)
    return torch.cat([still, offset + anchor_s], dim=1)


def sample_volume(volume: Tensor, flow: Tensor) -> Tensor:
    """Sample [B, C, D, h, w] at [B, d, y, x, 3] half-sides, trilinear, edges repeated."""
    return F.grid_sample(volume, flow.to(volume.dtype), mode="bilinear", padding_mode="border", align_corners=False)


def _heat(grid: Tensor, x_s: Tensor, x_d: Tensor) -> Tensor:
    # Gaussians at driving less source keypoints, none for the background: [B, K + 1, 1, D, h, w].
    heat = _gaussians(grid, x_d) - _gaussians(grid, x_s)
    return F.pad(heat, (0, 0, 0, 0, 0, 0, 1, 0))[:, :, None]


def _gaussians(grid: Tensor, points: Tensor) -> Tensor:
    square = (grid - points[:, :, None, None, None]).square().sum(-1)
    return torch.exp(-square / (2 * _HEAT_VARIANCE))
