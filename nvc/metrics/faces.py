"""Faces in frames: where they are, their 68 landmarks and an identity vector, all by dlib and its published models."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nvc.metrics.errors import MetricUnavailable
from nvc.metrics.frames import Frames, as_tensor

MOUTH = slice(48, 68)
"""The twenty mouth points of the 68."""

EMBEDDING_SIZE = 128


@dataclass(frozen=True)
class Box:
    """A face in pixels; right and bottom belong to it."""

    left: int
    top: int
    right: int
    bottom: int


class FaceAnalyser:
    """dlib's detectors, 68-point shape predictor (Kazemi, Sullivan, CVPR 2014) and ResNet face descriptor.

    Pictures are uint8 [H, W, 3] RGB. Raises `MetricUnavailable` when dlib or its model files are not installed.
    """

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError as error:
            raise MetricUnavailable("face measurements need dlib: pip install 'nvc[metrics]'") from error
        folder = _model_folder()
        self._dlib: Any = dlib
        self._detector = dlib.get_frontal_face_detector()
        self._thorough = dlib.cnn_face_detection_model_v1(str(folder / "mmod_human_face_detector.dat"))
        self._predictor = dlib.shape_predictor(str(folder / "shape_predictor_68_face_landmarks.dat"))
        self._recogniser = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))

    def find(self, picture: np.ndarray) -> Box | None:
        """The widest face, by the fast detector or, where that sees none, the thorough one; None without a face."""
        found = list(self._detector(picture, 0)) or [hit.rect for hit in self._thorough(picture, 0)]
        if not found:
            return None
        widest = max(found, key=lambda face: face.width())
        return Box(widest.left(), widest.top(), widest.right(), widest.bottom())

    def find_all(self, frames: Frames) -> list[Box | None]:
        """`find` for every frame of a clip uint8 [T, 3, H, W]."""
        return [self.find(picture) for picture in pictures(frames)]

    def landmarks(self, picture: np.ndarray, box: Box) -> np.ndarray:
        """The 68 points of the face in a box, float32 [68, 2], x and y in pixels."""
        points = self._shape(picture, box).parts()
        return np.array([(point.x, point.y) for point in points], dtype=np.float32)

    def embedding(self, picture: np.ndarray, box: Box) -> np.ndarray:
        """The identity vector of the face in a box, float64 [128]; one person's lie within about 0.6."""
        return np.array(self._recogniser.compute_face_descriptor(picture, self._shape(picture, box)))

    def _shape(self, picture: np.ndarray, box: Box) -> Any:
        return self._predictor(picture, self._dlib.rectangle(box.left, box.top, box.right, box.bottom))


def pictures(frames: Frames) -> list[np.ndarray]:
    """A clip uint8 [T, 3, H, W] as the contiguous uint8 [H, W, 3] pictures that dlib reads."""
    return list(np.ascontiguousarray(as_tensor(frames).permute(0, 2, 3, 1).numpy()))


def _model_folder() -> Path:
    # Importing the package would need pkg_resources, which setuptools no longer has; only its folder is wanted.
    package = importlib.util.find_spec("face_recognition_models")
    if package is None or not package.submodule_search_locations:
        raise MetricUnavailable("face measurements need face-recognition-models: pip install 'nvc[metrics]'")
    return Path(package.submodule_search_locations[0]) / "models"
