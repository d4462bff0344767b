"""Presets of face-vid2vid as published (Wang, Mallya, Liu, CVPR 2021, arXiv:2011.15126, final version)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bitstream import ExpressionTransform


class FlowOrder(Enum):
    """How a keypoint moves what surrounds it."""

    ZEROTH = 0
    """It shifts it: flow_k(p) = p - x_d,k + x_s,k."""
    FIRST = 1
    """It turns it with the head as well: flow_k(p) = R_s R_d^-1 (p - x_d,k) + x_s,k."""


@dataclass(frozen=True)
class PaperConfig:
    """Sizes of a face-vid2vid model; the defaults are the paper's.

    Attributes:
        name: of the preset.
        side: picture side in pixels.
        keypoints: K.
        depth: slices D of the feature volume, which is a quarter of the side high and wide when F halves twice.
        volume_channels: C of the feature volume.
        appearance_channels: of F after its first convolution and after each halving.
        appearance_blocks: 3-D residual blocks of F.
        keypoint_channels: of L after each halving, and in reverse on the way up.
        keypoint_side: side to which L resizes pictures.
        keypoint_depth: slices of L's heat maps.
        temperature: of L's softmax over a heat map.
        pose_channels: of H and Delta after the stem and after each stage.
        pose_blocks: bottleneck blocks of each stage.
        pose_side: side to which H and Delta resize pictures.
        bins, bin_degrees: of an angle's histogram; angles reach from -bins * bin_degrees / 2 to about as much above.
        motion_channels: of M after each halving.
        motion_inputs: channels to which M compresses the volume before it warps it once a keypoint.
        motion_outputs: channels of M's hourglass where it ends.
        flow: how keypoints move what surrounds them.
        generator_channels: of G at the volume's size and after each doubling.
        generator_blocks: residual blocks of G at the volume's size.
    """

    name: str
    side: int = 256
    keypoints: int = 20
    depth: int = 16
    volume_channels: int = 32
    appearance_channels: tuple[int, ...] = (64, 128, 256)
    appearance_blocks: int = 6
    keypoint_channels: tuple[int, ...] = (64, 128, 256, 512, 1024)
    keypoint_side: int = 64
    keypoint_depth: int = 16
    temperature: float = 0.1
    pose_channels: tuple[int, ...] = (64, 256, 512, 1024, 2048)
    pose_blocks: tuple[int, ...] = (3, 4, 6, 3)
    pose_side: int = 256
    bins: int = 66
    bin_degrees: float = 3.0
    motion_channels: tuple[int, ...] = (64, 128, 256, 512, 1024)
    motion_inputs: int = 4
    motion_outputs: int = 32
    flow: FlowOrder = FlowOrder.FIRST
    generator_channels: tuple[int, ...] = (256, 128, 64)
    generator_blocks: int = 6

    def __post_init__(self) -> None:
        if self.keypoints < 1:
            raise ValueError(f"keypoints is {self.keypoints}; it must be positive")
        if len(self.pose_channels) != len(self.pose_blocks) + 1:
            raise ValueError("pose_blocks must have one number for each of pose_channels but the first")
        if len(self.appearance_channels) != len(self.generator_channels):
            raise ValueError("G must double as often as F halves: as many generator_ as appearance_channels")
        if self.volume_side % (1 << len(self.motion_channels)) or self.side % self.volume_side:
            raise ValueError(f"side is {self.side}; M halves a volume of side {self.volume_side} too often for it")
        if self.keypoint_side % (1 << len(self.keypoint_channels)):
            raise ValueError(f"keypoint_side is {self.keypoint_side}; L halves it {len(self.keypoint_channels)} times")

    @property
    def expression(self) -> int:
        """N, numbers of a frame's expression: a deformation in x, y and z of every keypoint."""
        return 3 * self.keypoints

    @property
    def expression_transform(self) -> ExpressionTransform:
        """What the stream's expression numbers are."""
        return ExpressionTransform.KEYPOINTS

    @property
    def volume_side(self) -> int:
        """Height and width of the feature volume."""
        return self.side >> (len(self.appearance_channels) - 1)


PAPER_PRESETS = {
    "paper-256": PaperConfig(name="paper-256"),
    # The same layers on larger pictures, so that training goes from coarse to fine: 256 first, then 512.
    "paper-512": PaperConfig(name="paper-512", side=512),
}
