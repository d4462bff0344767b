"""Augmentation of pictures together with the poses that describe them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nvc.pose import HeadMotion


@dataclass(frozen=True)
class Similarity:
    """B similarities of the picture plane, y = exp2(scale) Rot(roll) x + shift.

    Attributes:
        scale: [B], log2.
        roll: [B], radians.
        shift: [B, 2], half-sides.
    """

    scale: Tensor
    roll: Tensor
    shift: Tensor

    @classmethod
    def draw(cls, count: int, generator: torch.Generator, *, shift: float, scale: float, roll: float) -> Similarity:
        """Random ones, uniform within plus or minus the given bounds."""
        u = torch.rand(count, 4, generator=generator) * 2 - 1
        return cls(u[:, 0] * scale, u[:, 1] * roll, u[:, 2:] * shift)

    def repeat(self, count: int) -> Similarity:
        """Each one ``count`` times in a row."""
        return Similarity(*(f.repeat_interleave(count, 0) for f in (self.scale, self.roll, self.shift)))

    def repeat_block(self, count: int) -> Similarity:
        """All of them ``count`` times over."""
        return Similarity(*(torch.cat([f] * count) for f in (self.scale, self.roll, self.shift)))

    def where(self, mask: Tensor) -> Similarity:
        """Identity where ``mask`` [B] is false."""
        m = mask.float()
        return Similarity(self.scale * m, self.roll * m, self.shift * m[:, None])

    def matrix(self) -> Tensor:
        """exp2(scale) Rot(roll), [B, 2, 2]."""
        c, s = self.roll.cos(), self.roll.sin()
        rotation = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
        return rotation * torch.exp2(self.scale)[:, None, None]

    def then(self, other: Similarity) -> Similarity:
        """This one, and ``other`` after it."""
        shift = torch.einsum("bij,bj->bi", other.matrix(), self.shift) + other.shift
        return Similarity(self.scale + other.scale, self.roll + other.roll, shift)


def transform_pictures(pictures: Tensor, similarity: Similarity) -> Tensor:
    """Move the content of [B, 3, S, S] by a similarity; what comes from outside is mirrored at the edge."""
    inverse = torch.linalg.inv(similarity.matrix())
    offset = -torch.einsum("bij,bj->bi", inverse, similarity.shift)
    theta = torch.cat([inverse, offset[:, :, None]], 2)
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def transform_motion(motion: HeadMotion, similarity: Similarity) -> HeadMotion:
    """The heads in pictures moved by ``similarity``: R_z(a) R, 2^c s, A t + b."""
    angles = motion.angles + F.pad(similarity.roll[:, None], (2, 0))
    plane = torch.einsum("bij,bj->bi", similarity.matrix(), motion.translation[:, :2]) + similarity.shift
    translation = torch.cat([plane, motion.translation[:, 2:]], 1)
    return HeadMotion(angles, translation, motion.log2_scale + similarity.scale[:, None], motion.expression)


def colour_jitter(pictures: Tensor, owner: Tensor, generator: torch.Generator) -> Tensor:
    """Gain, gamma and white balance, the same for all pictures of one owner.

    Args:
        pictures: [P, 3, S, S], 0 to 1.
        owner: [P], which of the people each picture belongs to.
        generator: source of randomness.
    """
    people = int(owner.max()) + 1
    u = torch.rand(people, 5, generator=generator) * 2 - 1
    gain = torch.exp(0.12 * u[:, 0:1] + 0.06 * u[:, 1:4])[owner][:, :, None, None]
    gamma = torch.exp(0.2 * u[:, 4])[owner][:, None, None, None]
    return (pictures.clamp(1e-4, 1) ** gamma * gain).clamp(0, 1)
