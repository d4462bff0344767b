"""Labels by a teacher: MediaPipe's face mesh finds 478 landmarks in every frame of a clip.

For preparing data only; nothing at run time needs it. MediaPipe wants numpy below 2 and Python up to 3.12:
install the ``[teacher]`` extra into an environment of its own.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

MESH_POINTS = 478
LANDMARK_UNIT = 32
"""Landmarks are stored in 1/32 pixel."""
LABEL_SIDE = 256


class TeacherMissing(ValueError):
    """MediaPipe is not installed, or is a release without the face mesh."""


def _face_mesh() -> Any:
    try:
        mediapipe = importlib.import_module("mediapipe")
        return mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True)
    except (ImportError, AttributeError) as error:
        raise TeacherMissing("labelling needs MediaPipe with its face mesh: pip install nvc[teacher]") from error


def label_clip(frames: np.ndarray) -> np.ndarray | None:
    """Landmarks of a clip with one face.

    Args:
        frames: uint8 [T, S, S, 3] RGB, square.

    Returns:
        int32 [T, 478, 3] in 1/32 pixel at side 256, or None when a frame shows no face.

    Raises:
        TeacherMissing: MediaPipe is not installed.
    """
    rows = []
    with _face_mesh() as mesh:
        for frame in frames:
            found = mesh.process(np.ascontiguousarray(frame)).multi_face_landmarks
            if not found:
                return None
            points = np.array([(p.x, p.y, p.z) for p in found[0].landmark], np.float64)
            rows.append(np.round(points * LABEL_SIDE * LANDMARK_UNIT).astype(np.int32))
    return np.stack(rows)


def save_labels(path: Any, landmarks: np.ndarray) -> None:
    """Write int32 [T, 478, 3] as ``landmarks_delta`` int16: the first frame, then differences to the one before."""
    delta = np.diff(landmarks, axis=0, prepend=np.zeros_like(landmarks[:1]))
    if np.abs(delta).max() > np.iinfo(np.int16).max:
        raise ValueError("landmarks jump by more than 1024 pixels between frames")
    np.savez_compressed(path, landmarks_delta=delta.astype(np.int16))
