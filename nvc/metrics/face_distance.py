"""Distances between faces: landmarks and identity. Means over the frames whose original shows a face.

Decoded faces are looked for where the original has its face, so that a codec cannot gain by losing it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nvc.metrics.errors import MetricError, NoFaceFound
from nvc.metrics.faces import MOUTH, Box, FaceAnalyser, pictures
from nvc.metrics.frames import Frames, as_pair

Boxes = Sequence[Box | None]
"""The face of each original frame as `FaceAnalyser.find_all` gives it: finding faces is most of the work, so share."""


def akd(original: Frames, decoded: Frames, *, analyser: FaceAnalyser, boxes: Boxes | None = None) -> float:
    """Average keypoint distance: mean distance in pixels between the 68 landmarks; lower is better.

    As in Siarohin et al., First order motion model, NeurIPS 2019, section 4, with dlib's landmarks.
    """
    return float(np.mean([d.mean() for d in _landmark_distances(original, decoded, analyser, boxes)]))


def akd_m(original: Frames, decoded: Frames, *, analyser: FaceAnalyser, boxes: Boxes | None = None) -> float:
    """`akd` of the twenty mouth points alone."""
    return float(np.mean([d[MOUTH].mean() for d in _landmark_distances(original, decoded, analyser, boxes)]))


def aed(original: Frames, decoded: Frames, *, analyser: FaceAnalyser, boxes: Boxes | None = None) -> float:
    """Average Euclidean distance between identity vectors; lower is better, 0.6 is dlib's "another person".

    As in Siarohin et al., First order motion model, NeurIPS 2019, section 4, with dlib's embedding.
    """
    distances = [
        np.linalg.norm(analyser.embedding(first, box) - analyser.embedding(second, box))
        for first, second, box in faces_of(original, decoded, analyser, boxes)
    ]
    return float(np.mean(distances))


def faces_of(
    original: Frames, decoded: Frames, analyser: FaceAnalyser, boxes: Boxes | None
) -> list[tuple[np.ndarray, np.ndarray, Box]]:
    """Original picture, decoded picture and box of each frame whose original shows a face; `NoFaceFound` for none."""
    first, second = as_pair(original, decoded)
    boxes = analyser.find_all(first) if boxes is None else boxes
    if len(boxes) != len(first):
        raise MetricError(f"{len(boxes)} boxes for {len(first)} frames")
    triples = zip(pictures(first), pictures(second), boxes, strict=True)
    found = [(one, other, box) for one, other, box in triples if box is not None]
    if not found:
        raise NoFaceFound(f"no face in {len(first)} original frames")
    return found


def _landmark_distances(
    original: Frames, decoded: Frames, analyser: FaceAnalyser, boxes: Boxes | None
) -> list[np.ndarray]:
    """Distances in pixels, float32 [68], one array for each frame with a face."""
    return [
        np.sqrt(((analyser.landmarks(first, box) - analyser.landmarks(second, box)) ** 2).sum(axis=1))
        for first, second, box in faces_of(original, decoded, analyser, boxes)
    ]
