"""The algebra of heads: Euler angles, rotation, keypoints and redirection.

A head is placed in the picture by a weak-perspective similarity (face-vid2vid, section 3.1, with a scale)::

    x = s R (x_c + delta) + t,        R = R_z(roll) R_y(yaw) R_x(pitch)

x points right, y down, z away from the camera; the picture spans [-1, 1] in x and y ("half-sides").
``x_c`` are the canonical keypoints of the person, ``delta`` the expression.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

POSE_COUNT = 7
"""Numbers that place a head: pitch, yaw, roll, tx, ty, tz, log2 of the scale."""


@dataclass(frozen=True)
class HeadMotion:
    """What moves: pose and expression of B heads.

    Attributes:
        angles: [B, 3] pitch, yaw, roll in radians.
        translation: [B, 3] in half-sides.
        log2_scale: [B, 1].
        expression: [B, N] coefficients of the model's expression basis.
    """

    angles: Tensor
    translation: Tensor
    log2_scale: Tensor
    expression: Tensor

    def vector(self) -> Tensor:
        """All numbers in the order of the bitstream, [B, 7 + N]."""
        return torch.cat([self.angles, self.translation, self.log2_scale, self.expression], dim=1)

    @classmethod
    def from_vector(cls, vector: Tensor) -> HeadMotion:
        """Inverse of :meth:`vector`.

        Raises:
            ValueError: ``vector`` is not [B, at least 7].
        """
        if vector.ndim != 2 or vector.shape[1] < POSE_COUNT:
            raise ValueError(f"a motion vector is [B, {POSE_COUNT} + N], not {list(vector.shape)}")
        return cls(vector[:, 0:3], vector[:, 3:6], vector[:, 6:7], vector[:, 7:])

    def __getitem__(self, index: slice) -> HeadMotion:
        return HeadMotion.from_vector(self.vector()[index])


def euler_to_matrix(angles: Tensor) -> Tensor:
    """R = R_z(roll) R_y(yaw) R_x(pitch) for angles [..., 3] (pitch, yaw, roll) in radians; returns [..., 3, 3]."""
    pitch, yaw, roll = angles.unbind(-1)
    cx, sx, cy, sy, cz, sz = pitch.cos(), pitch.sin(), yaw.cos(), yaw.sin(), roll.cos(), roll.sin()
    rows = [
        torch.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], -1),
        torch.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], -1),
        torch.stack([-sy, cy * sx, cy * cx], -1),
    ]
    return torch.stack(rows, -2)


def matrix_to_euler(rotation: Tensor) -> Tensor:
    """Inverse of :func:`euler_to_matrix` for |yaw| < 90 degrees: [..., 3, 3] to [..., 3]."""
    pitch = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 2])
    yaw = -torch.asin(rotation[..., 2, 0].clamp(-1, 1))
    roll = torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
    return torch.stack([pitch, yaw, roll], -1)


def deformation(expression: Tensor, basis: Tensor) -> Tensor:
    """delta [B, K, 3] from coefficients [B, n] and the basis [N, K, 3], n <= N (missing ones are zero)."""
    n = expression.shape[1]
    return torch.einsum("bn,nkc->bkc", expression, basis[:n].to(expression.dtype))


def keypoints(x_c: Tensor, motion: HeadMotion, basis: Tensor) -> Tensor:
    """Keypoints in the picture, x = s R (x_c + delta) + t.

    Args:
        x_c: canonical keypoints, [K, 3] or [B, K, 3], half-sides.
        motion: B heads.
        basis: expression basis, [N, K, 3].

    Returns:
        [B, K, 3], half-sides.
    """
    shape = x_c + deformation(motion.expression, basis)
    turned = shape @ euler_to_matrix(motion.angles).transpose(1, 2)
    return turned * torch.exp2(motion.log2_scale)[:, :, None] + motion.translation[:, None]


def redirect(motion: HeadMotion, *, angles: Tensor, translation: Tensor) -> HeadMotion:
    """Free view: R_d <- R_u R_d and t_d <- t_u + t_d (face-vid2vid, section 3.3).

    Args:
        motion: B heads.
        angles: [3] pitch, yaw, roll in radians of the rotation R_u that the viewer adds.
        translation: [3] in half-sides, t_u.
    """
    rotation = euler_to_matrix(angles.to(motion.angles)) @ euler_to_matrix(motion.angles)
    return HeadMotion(matrix_to_euler(rotation), motion.translation + translation, motion.log2_scale, motion.expression)


def rotation_between(a: HeadMotion, b: HeadMotion) -> Tensor:
    """Angle in degrees of the rotation that takes heads ``a`` to heads ``b``, [B]."""
    relative = euler_to_matrix(a.angles).transpose(1, 2) @ euler_to_matrix(b.angles)
    cosine = (relative.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    return torch.acos(cosine.clamp(-1, 1)) * (180 / math.pi)


def align(landmarks: Tensor, reference: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Similarity Procrustes: the s, R, t with the least weighted error of s R reference + t against ``landmarks``.

    Args:
        landmarks: [B, P, 3].
        reference: [P, 3].
        weights: [P], not negative.

    Returns:
        s [B], R [B, 3, 3] (a rotation, no reflection), t [B, 3].
    """
    w = (weights / weights.sum())[:, None]
    centre_ref, centre = (reference * w).sum(0), (landmarks * w).sum(1)
    ref, pts = reference - centre_ref, landmarks - centre[:, None]
    u, d, v = torch.linalg.svd(torch.einsum("bpi,pj->bij", pts * w, ref))
    sign = torch.ones_like(d)
    sign[:, 2] = torch.sign(torch.det(u @ v))
    rotation = (u * sign[:, None]) @ v
    scale = (d * sign).sum(1) / (ref * ref * w).sum()
    translation = centre - scale[:, None] * torch.einsum("bij,j->bi", rotation, centre_ref)
    return scale, rotation, translation
