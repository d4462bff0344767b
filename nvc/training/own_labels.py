"""Labels by a motion network of our own, where there is no teacher: its keypoints, extended to the whole face mesh.

The network says where the head is, what the face does and where 48 points of it are. The other points of the mesh
follow by interpolation: whatever moves the 48 points away from the mean face moves the rest smoothly along. Labels
made from such a mesh give the 48 points back exactly, and the pose nearly.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nvc.models.interface import CodecModel
from nvc.pose import HeadMotion, deformation, euler_to_matrix
from nvc.training.labels import KEYPOINTS, NOMINAL_SCALE, mirror_points
from nvc.training.teacher import LABEL_SIDE, LANDMARK_UNIT

_BATCH = 16


class OwnLabeller:
    """Labels clips with a lite model."""

    def __init__(self, model: CodecModel, mean: Tensor) -> None:
        """Set up.

        Args:
            model: whose keypoints are those of `nvc.training.labels.KEYPOINTS`.
            mean: mean face mesh [478, 3], as for training.

        Raises:
            ValueError: the model has other keypoints.
        """
        if len(model.mean_keypoints) != len(KEYPOINTS):
            name, count = model.config.name, len(model.mean_keypoints)
            raise ValueError(f"{name} has {count} keypoints; labels need a model with the {len(KEYPOINTS)} of the mesh")
        self.model = model
        mirrored = mean[mirror_points(mean)] * torch.tensor([-1.0, 1.0, 1.0])
        self.reference = (mean + mirrored) / 2 * NOMINAL_SCALE
        self.spread = interpolation(self.reference, list(KEYPOINTS))

    @torch.no_grad()
    def label_clip(self, frames: np.ndarray) -> np.ndarray:
        """Landmarks of a clip of one person.

        Args:
            frames: uint8 [T, S, S, 3] RGB.

        Returns:
            int32 [T, 478, 3] in 1/32 pixel at side 256.
        """
        seen = [self._see(part) for part in np.array_split(frames, -(-len(frames) // _BATCH))]
        motion = HeadMotion.from_vector(torch.cat([vector for vector, _ in seen]))
        # A person's face does not change within a clip; what a single frame says of it is noise.
        x_c = torch.cat([shape for _, shape in seen]).median(0).values
        points = self.mesh(x_c, motion)
        half_sides = points + torch.tensor([1.0, 1.0, 0.0])
        return (half_sides * (LABEL_SIDE / 2 * LANDMARK_UNIT)).round().int().numpy()

    def mesh(self, x_c: Tensor, motion: HeadMotion) -> Tensor:
        """The whole mesh [B, 478, 3], half-sides, of canonical keypoints [K, 3] and B heads."""
        shape = x_c + deformation(motion.expression, self.model.expression_basis)
        moved = self.spread @ (shape - self.reference[list(KEYPOINTS)])
        turned = (self.reference + moved) @ euler_to_matrix(motion.angles).transpose(1, 2)
        return turned * torch.exp2(motion.log2_scale)[:, :, None] + motion.translation[:, None]

    def _see(self, frames: np.ndarray) -> tuple[Tensor, Tensor]:
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
        side = self.model.config.side
        if pictures.shape[-1] != side:
            pictures = F.interpolate(pictures, size=(side, side), mode="area")
        return self.model.estimate(pictures).vector(), self.model.canonical(pictures)


def interpolation(points: Tensor, known: list[int]) -> Tensor:
    """Weights [P, K] that carry values at ``points[known]`` to all ``points`` [P, 3].

    A polyharmonic spline with an affine part: exact at the known points, and for anything affine everywhere.
    """
    x = points.double()
    centres = x[known]
    count = len(known)

    def rows(at: Tensor) -> Tensor:
        return torch.cat([torch.cdist(at, centres), F.pad(at, (1, 0), value=1.0)], 1)

    system = torch.zeros(count + 4, count + 4, dtype=torch.float64)
    system[:count] = rows(centres)
    system[count:, :count] = system[:count, count:].T
    weights = torch.linalg.solve(system, F.pad(torch.eye(count, dtype=torch.float64), (0, 0, 0, 4)))
    return (rows(x) @ weights).float()
