"""Steadiness over time: jitter of landmarks, flicker of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nvc.metrics.errors import MetricError, NoFaceFound
from nvc.metrics.faces import Box, FaceAnalyser, pictures
from nvc.metrics.frames import Frames, as_pair

_STILL = 1e-3  # pixels; the original's own jitter counts as at least this, so that a still clip divides by something


def jitter(
    original: Frames,
    decoded: Frames,
    *,
    analyser: FaceAnalyser,
    centres: Sequence[int] | None = None,
    boxes: Sequence[Box | None] | None = None,
) -> float:
    """Mean absolute second difference of decoded landmarks over that of the original: 1 is as steady as the source.

    The second difference of a trajectory is its acceleration (compared as in the acceleration error of Kanazawa et
    al., Learning 3D human dynamics from video, CVPR 2019); noise added frame by frame shows there first.
    `centres` are the middle frames of the runs of three to look at (default: all), `boxes` the original's face in
    each of them. Landmarks of a run are sought in one box, so that the detector's own noise stays out.
    """
    first, second = as_pair(original, decoded)
    centres = range(1, len(first) - 1) if centres is None else centres
    if any(not 0 < centre < len(first) - 1 for centre in centres):
        raise MetricError(f"runs of three in {len(first)} frames have their middle in 1..{len(first) - 2}")
    if boxes is None:
        boxes = [analyser.find(pictures(first[centre : centre + 1])[0]) for centre in centres]
    source, result = [], []
    for centre, box in zip(centres, boxes, strict=True):
        if box is not None:
            source.append(_acceleration(pictures(first[centre - 1 : centre + 2]), box, analyser))
            result.append(_acceleration(pictures(second[centre - 1 : centre + 2]), box, analyser))
    if not source:
        raise NoFaceFound("no run of three original frames shows a face in its middle")
    return float(np.mean(result) / max(float(np.mean(source)), _STILL))


def _acceleration(run: list[np.ndarray], box: Box, analyser: FaceAnalyser) -> float:
    before, middle, after = (analyser.landmarks(picture, box) for picture in run)
    return float(np.abs(after - 2 * middle + before).mean())


def flicker(original: Frames, decoded: Frames) -> float:
    """Root mean square of what changes from frame to frame in the decoded clip and not in the original, in levels.

    The temporal-consistency error of Lai et al., Learning blind video temporal consistency, ECCV 2018, with the
    original's own change in place of optical flow. 0 is as steady as the source; lower is better.
    """
    first, second = as_pair(original, decoded)
    if len(first) < 2:
        raise MetricError("flicker needs at least 2 frames")
    squares = []
    for index in range(1, len(first)):
        change = first[index].float() - first[index - 1].float()
        squares.append(float((second[index].float() - second[index - 1].float() - change).pow(2).mean()))
    return float(np.sqrt(np.mean(squares)))
