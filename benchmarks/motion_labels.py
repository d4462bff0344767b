"""Real heads to measure the motion coder with: landmark labels of clips as motion vectors, and back.

Input is a folder with ``face_basis.npz`` and folders of clips' ``.npz`` labels (face mesh, 478 points). Pose is the
similarity that takes the mean face to a frame's landmarks; what is left in the canonical frame is projected on the
expression basis; the mean of the rest over a clip is its x_c.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bitstream import POSE_COUNT
from nvc.pose import align, euler_to_matrix, matrix_to_euler

Array = npt.NDArray[np.float64]

POINTS = 478
HALF_SIDE = 128.0  # pixels, at side 256
_NOMINAL_SCALE = 0.42  # of the mean face, so that s is about 1
_TZ = 5


@dataclass(frozen=True)
class Mesh:
    """Mean face [478, 3] and expression basis [N, 478, 3]; a coefficient of 1 is a displacement of 1 half-side RMS."""

    mean: Array
    basis: Array


@dataclass(frozen=True)
class LabelledClip:
    """One clip: ``landmarks`` [T, 478, 3] in half-sides, ``motion`` [T, 7 + N] in real units, ``x_c`` [478, 3]."""

    name: str
    landmarks: Array
    motion: Array
    x_c: Array
    basis: Array


def load_mesh(path: Path, expression_count: int) -> Mesh:
    """The mean and the first N components of ``face_basis.npz``."""
    with np.load(path) as data:
        mean = data["mean"].astype(np.float64) * _NOMINAL_SCALE
        basis = data["expression"][:expression_count].astype(np.float64) * POINTS**0.5
    return Mesh(mean, basis)


def load_clip(path: Path, mesh: Mesh, *, frames: int | None = None) -> LabelledClip:
    """Label one clip's landmarks with motion."""
    with np.load(path) as data:
        landmarks = np.cumsum(data["landmarks_delta"].astype(np.int32), axis=0)[:frames] / (32 * HALF_SIDE)
    landmarks -= np.array([1.0, 1.0, 0.0])
    points = torch.from_numpy(landmarks)
    s, rotation, t = align(points, torch.from_numpy(mesh.mean), torch.ones(POINTS, dtype=torch.float64))
    canonical = (torch.einsum("fpi,fij->fpj", points - t[:, None], rotation) / s[:, None, None]).numpy()
    coefficients = np.einsum("fkc,nkc->fn", canonical - mesh.mean, mesh.basis) / POINTS
    rest = canonical - np.einsum("fn,nkc->fkc", coefficients, mesh.basis)
    motion = np.concatenate([matrix_to_euler(rotation).numpy(), t.numpy(), s.log2().numpy()[:, None], coefficients], 1)
    motion[:, _TZ] = 0  # depth of the whole head cannot be seen
    return LabelledClip(path.stem, landmarks, motion, rest.mean(0), mesh.basis)


def load_clips(folder: Path, mesh: Mesh, *, frames: int | None = None) -> list[LabelledClip]:
    """All clips of a folder, in the order of their names."""
    return [load_clip(path, mesh, frames=frames) for path in sorted(folder.glob("*.npz"))]


def project(motion: Array, x_c: Array, basis: Array) -> Array:
    """Landmarks in pixels [T, 478, 2] of motion [T, 7 + N]."""
    count = motion.shape[1] - POSE_COUNT
    shape = x_c + (motion[:, POSE_COUNT:] @ basis[:count].reshape(count, -1)).reshape(len(motion), POINTS, 3)
    rotation = euler_to_matrix(torch.from_numpy(np.ascontiguousarray(motion[:, :3]))).numpy()[:, :2]
    turned = np.matmul(shape, rotation.transpose(0, 2, 1)) * np.exp2(motion[:, 6])[:, None, None]
    return np.asarray((turned + motion[:, None, 3:5]) * HALF_SIDE)


def landmark_error(clip: LabelledClip, motion: Array, x_c: Array) -> float:
    """Mean distance in pixels (x and y, side 256) of decoded landmarks to the labels, over points and frames.

    ``motion`` [T, 7 + N] are the frames after the first one, which is the key frame.
    """
    missed = project(motion, x_c, clip.basis) - clip.landmarks[1:, :, :2] * HALF_SIDE
    return float(np.linalg.norm(missed, axis=2).mean())


def sensitivity(clip: LabelledClip, *, samples: int = 8) -> Array:
    """S [D, D]: an error e of the motion vector moves the landmarks by e' S e pixels squared, mean over the points."""
    chosen = clip.motion[np.linspace(0, len(clip.motion) - 1, samples).astype(int)]
    size = chosen.shape[1]
    columns = np.empty((size, samples, POINTS * 2))
    for i in range(size):
        step = np.zeros(size)
        step[i] = 1e-4
        difference = project(chosen + step, clip.x_c, clip.basis) - project(chosen - step, clip.x_c, clip.basis)
        columns[i] = difference.reshape(samples, -1) / 2e-4
    flat = columns.reshape(size, -1)
    return np.asarray(flat @ flat.T / (samples * POINTS))
