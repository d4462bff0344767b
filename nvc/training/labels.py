"""Labels: from face-mesh landmarks to pose, expression coefficients and canonical keypoints.

The face mesh has 478 points (468 of the face, 10 of the irises). A similarity alignment to the mean face on
points that do not move with expression gives s, R and t; what remains in the canonical frame is expression
and identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nvc.pose import align, matrix_to_euler

MESH_POINTS = 478

KEYPOINTS: tuple[int, ...] = (
    # Mouth: inner lips, outer lips.
    13, 14, 78, 308, 81, 311, 178, 402, 61, 291, 0, 17, 39, 269, 181, 405,
    # Eyes: irises, upper lids, lower lids, corners.
    468, 473, 159, 386, 145, 374, 33, 263, 133, 362,
    # Brows, nose.
    105, 334, 107, 336, 70, 300, 1, 6, 98, 327,
    # Outline and cheeks.
    152, 10, 234, 454, 172, 397, 149, 378, 54, 284, 50, 280,
)  # fmt: skip
"""The mesh points that serve as keypoints, in order of importance (second seed: mouth and eyes first)."""

RIGID: tuple[int, ...] = (
    1, 2, 4, 5, 6, 168, 197, 195, 98, 327, 33, 263, 133, 362, 10, 151, 9, 8, 54, 284, 103, 332, 67, 297,
    127, 356, 234, 454, 162, 389, 21, 251, 109, 338, 108, 337, 69, 299,
)  # fmt: skip
"""Mesh points that hardly move with expression: nose, forehead, temples, eye corners."""

NOMINAL_SCALE = 0.42
"""Scale of the mean face in a crop of 1.9 face widths; dividing by it makes s about 1."""

_MOUTH_AND_EYES = 26  # the first this many of KEYPOINTS


@dataclass(frozen=True)
class FaceShape:
    """What a model knows of faces before it sees one.

    Attributes:
        reference: mean face, [478, 3], half-sides at s = 1.
        mirror: [478] index of every point's mirror image.
        basis: expression basis on the keypoints, [N, K, 3].
        weights: [K, 3] of the inner product in which the basis is orthonormal.
    """

    reference: Tensor
    mirror: Tensor
    basis: Tensor
    weights: Tensor

    @property
    def mean_keypoints(self) -> Tensor:
        """[K, 3]."""
        return self.reference[list(KEYPOINTS[: self.basis.shape[1]])]


@dataclass(frozen=True)
class Labels:
    """Motion of F frames: ``vector`` [F, 7 + N] (see :class:`nvc.pose.HeadMotion`) and ``x_c`` [F, K, 3]."""

    vector: Tensor
    x_c: Tensor


def to_half_sides(landmarks: np.ndarray) -> Tensor:
    """Landmarks int16 [F, 478, 3] in 1/32 pixel at side 256 to half-sides, float32."""
    points = torch.from_numpy(landmarks.astype(np.float32)) / (32 * 128)
    return points - torch.tensor([1.0, 1.0, 0.0])


def mirror_points(mean: Tensor) -> Tensor:
    """Index [478] of every mesh point's mirror image, by nearest neighbour on the mean face [478, 3]."""
    index = torch.empty(MESH_POINTS, dtype=torch.long)
    face = mean[:468]
    index[:468] = torch.cdist(face * torch.tensor([-1.0, 1.0, 1.0]), face).argmin(1)
    # The irises repeat their eye's outline; order within them is right, top, left, bottom of the picture.
    index[468:] = torch.tensor([473, 476, 475, 474, 477, 468, 471, 470, 469, 472])
    return index


def _rigid_weights() -> Tensor:
    weights = torch.full((MESH_POINTS,), 0.02)
    weights[list(RIGID)] = 1.0
    return weights


def canonical_keypoints(points: Tensor, reference: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Pose [F, 7] of landmarks [F, 478, 3] and their first ``count`` keypoints in the canonical frame."""
    scale, rotation, translation = align(points, reference, _rigid_weights())
    chosen = points[:, list(KEYPOINTS[:count])] - translation[:, None]
    canonical = torch.einsum("fpi,fij->fpj", chosen, rotation) / scale[:, None, None]
    # Depth of the whole head cannot be seen and does not move the picture: t_z is zero.
    translation = translation * torch.tensor([1.0, 1.0, 0.0])
    return torch.cat([matrix_to_euler(rotation), translation, scale.log2()[:, None]], 1), canonical


def fit_shape(
    points: Tensor, clips: list[tuple[int, int]], mean: Tensor, *, keypoints: int = len(KEYPOINTS), expression: int
) -> FaceShape:
    """Fit the expression basis: principal components of what the keypoints do within a clip.

    Args:
        points: landmarks of all frames, [F, 478, 3], half-sides.
        clips: (start, count) of each clip; clips of one frame say nothing and are skipped.
        mean: mean face, [478, 3], in any unit in which a nominal head has s = 0.42.
        keypoints: K, the first of :data:`KEYPOINTS`.
        expression: N.
    """
    mirror = mirror_points(mean)
    # A face leans neither way: without this the mean's own asymmetry would read as a yaw of a degree.
    reference = (mean + mean[mirror] * torch.tensor([-1.0, 1.0, 1.0])) / 2 * NOMINAL_SCALE
    weights = torch.ones(keypoints, 3)
    weights[:_MOUTH_AND_EYES] = 2.0
    weights[:, 2] *= 0.4  # the labels' depth is their least certain part, and moves the picture least
    spread = []
    for start, count in clips:
        if count > 1:
            _, canonical = canonical_keypoints(points[start : start + count], reference, keypoints)
            centred = canonical - canonical.mean(0)
            spread.append(centred / max(1.0, (count / 200) ** 0.5))
    x = (torch.cat(spread) * weights).flatten(1)
    _, vectors = torch.linalg.eigh(x.T @ x)
    components = vectors.flip(1)[:, :expression].T.unflatten(1, (-1, 3))
    # A coefficient of 1 moves the keypoints by 1 half-side in the weighted RMS.
    basis = components / weights * keypoints**0.5
    return FaceShape(reference, mirror, basis, weights)


def label(points: Tensor, shape: FaceShape, *, mirrored: bool = False) -> Labels:
    """Label landmarks [F, 478, 3] (half-sides), of the pictures or of their mirror images."""
    if mirrored:
        points = points[:, shape.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    pose, canonical = canonical_keypoints(points, shape.reference, shape.basis.shape[1])
    residual = canonical - shape.mean_keypoints
    # Orthonormal in the weighted product, up to the scale K^1/2 of the basis.
    dual = shape.basis * shape.weights.square() / shape.basis.shape[1]
    coefficients = torch.einsum("fkc,nkc->fn", residual, dual)
    x_c = canonical - torch.einsum("fn,nkc->fkc", coefficients, shape.basis)
    return Labels(torch.cat([pose, coefficients], 1), x_c)
