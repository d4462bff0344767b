"""Named expression controls from labels: what smiling, blinking or a raised brow does to the keypoints.

    python -m nvc.training.expression_directions FOLDER... --mean face_basis.npz -o nvc/weights/expression.json

Each control has a measure, linear in the canonical keypoints (the gap between the lids, the height of the brows).
All keypoints of all clips are regressed on all measures at once, so that a control's displacement is what goes along
with its own measure while the others stay: every measure of it is 1 or 0. Nothing here depends on weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nvc.training.labels import KEYPOINTS, NOMINAL_SCALE, canonical_keypoints, mirror_points, to_half_sides

_FRAMES_A_CLIP = 400  # of long clips, evenly spaced, so that they do not crowd out people
_RANGE = 0.985  # quantile of what people do in a clip that makes an amount of 1
_PRECISE = 26  # the first of KEYPOINTS are mouth and eyes
_MIRROR = torch.tensor([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Measure:
    """A linear measure of a face: terms (mesh point, axis, weight), in half-sides at s = 1.

    ``rest``: quantile of a clip at which the face is at rest; ``both_ways``: whether it goes both ways from there;
    ``mirror``: the measure of the mirror image, and its sign.
    """

    terms: tuple[tuple[int, int, float], ...]
    rest: float
    both_ways: bool = False
    mirror: tuple[str, float] | None = None


def _mean(points: Sequence[int], axis: int, weight: float = 1.0) -> tuple[tuple[int, int, float], ...]:
    return tuple((point, axis, weight / len(points)) for point in points)


X, Y, Z = 0, 1, 2
_WIDTH = (*_mean((291,), X, 0.5), *_mean((61,), X, -0.5))
MEASURES: dict[str, Measure] = {
    "jaw": Measure((*_mean((14, 178, 402), Y), *_mean((13, 81, 311), Y, -1.0)), rest=0.1),
    "smile": Measure((*_mean((61, 291), Y, -1.0), *_mean((1,), Y), *_WIDTH), rest=0.3),
    "pucker": Measure(
        (*_mean((0, 17, 13, 14), Z, -1.0), *_mean((61, 291), Z), *((p, a, -w) for p, a, w in _WIDTH)), rest=0.3
    ),
    "brow": Measure(
        (*_mean((105, 334, 107, 336, 70, 300), Y, -1.0), *_mean((33, 263, 133, 362), Y)), rest=0.4, both_ways=True
    ),
    "blink_left": Measure((*_mean((386,), Y), *_mean((374,), Y, -1.0)), rest=0.3, mirror=("blink_right", 1.0)),
    "blink_right": Measure((*_mean((159,), Y), *_mean((145,), Y, -1.0)), rest=0.3, mirror=("blink_left", 1.0)),
    "gaze_x": Measure(
        (*_mean((468, 473), X), *_mean((33, 133, 263, 362), X, -1.0)), rest=0.5, both_ways=True, mirror=("gaze_x", -1.0)
    ),
    "gaze_y": Measure((*_mean((468, 473), Y), *_mean((33, 133, 263, 362), Y, -1.0)), rest=0.5, both_ways=True),
}
"""The controls. Left and right are the person's own; gaze_x looks to the right of the picture, gaze_y down."""


def measure_rows() -> Tensor:
    """The measures as rows over the keypoints, [J, K, 3]."""
    rows = torch.zeros(len(MEASURES), len(KEYPOINTS), 3)
    for row, measure in zip(rows, MEASURES.values(), strict=True):
        for point, axis, weight in measure.terms:
            row[KEYPOINTS.index(point), axis] += weight
    return rows


def clips_of(folders: Sequence[Path]) -> Iterator[Tensor]:
    """Landmarks of labelled clips, [T, 478, 3] in half-sides: every ``NAME.npz`` with ``landmarks_delta``."""
    for folder in folders:
        for path in sorted(folder.glob("*.npz")):
            with np.load(path) as table:
                if "landmarks_delta" not in table.files:
                    continue
                landmarks = np.cumsum(table["landmarks_delta"].astype(np.int32), axis=0)
            yield to_half_sides(landmarks[:: max(1, len(landmarks) // _FRAMES_A_CLIP)])


def fit(clips: Sequence[Tensor], mean: Tensor) -> tuple[Tensor, Tensor]:
    """Displacements [J, K, 3] for an amount of 1, and the span [J] of each measure that an amount of 1 is.

    Args:
        clips: landmarks [T, 478, 3] in half-sides.
        mean: mean face [478, 3], in any unit in which a nominal head has s = 0.42.
    """
    mirror = mirror_points(mean)
    reference = (mean + mean[mirror] * _MIRROR) / 2 * NOMINAL_SCALE
    rows = measure_rows().flatten(1)
    moved: list[Tensor] = []
    spans: list[Tensor] = []
    for clip in clips:
        for points in (clip, clip[:, mirror] * _MIRROR):  # what the left does, the right does
            _, canonical = canonical_keypoints(points, reference, len(KEYPOINTS))
            flat = canonical.flatten(1)
            amounts = flat @ rows.T
            rest = torch.stack([amounts[:, j].quantile(m.rest) for j, m in enumerate(MEASURES.values())])
            moved.append(flat - flat.mean(0))
            spans.append(amounts - rest)
    x = torch.cat(moved)
    amounts = x @ rows.T
    displacement = torch.linalg.lstsq(amounts, x).solution  # [J, K * 3]; its measures are 1 and 0
    away = torch.cat(spans)
    away = torch.where(torch.tensor([m.both_ways for m in MEASURES.values()]), away.abs(), away)
    span = torch.quantile(away, _RANGE, dim=0)
    return (displacement * span[:, None]).unflatten(1, (-1, 3)), span


def as_json(displacement: Tensor, span: Tensor) -> dict[str, object]:
    """The file: for each control its displacement of the keypoints, and the measure that reads its amount."""
    rows = measure_rows()
    controls = {
        name: {
            "rest_quantile": measure.rest,
            "both_ways": measure.both_ways,
            "displacement": _rounded(displacement[j]),
            "measure": _rounded(rows[j] / span[j]),
        }
        for j, (name, measure) in enumerate(MEASURES.items())
    }
    return {
        "schema": 1,
        "keypoints": len(KEYPOINTS),
        # How much a keypoint counts where a displacement is put into a basis that cannot hold all of it.
        "precise": _PRECISE,
        "precision": 2.0,
        "depth_weight": 0.4,
        "controls": controls,
    }


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(float(v), 4) for v in row] for row in values]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and write; prints the span of every measure."""
    parser = argparse.ArgumentParser(description="Named expression controls from labelled clips.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="folders of labels (NAME.npz)")
    parser.add_argument("--mean", type=Path, required=True, help="npz with the mean face, 'mean' [478, 3]")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    clips = list(clips_of(options.folders))
    if not clips:
        parser.error(f"no labelled clips in {', '.join(map(str, options.folders))}")
    with np.load(options.mean) as table:
        mean = torch.from_numpy(table["mean"].astype(np.float32))
    displacement, span = fit(clips, mean)
    options.output.write_text(json.dumps(as_json(displacement, span)) + "\n", encoding="utf-8")
    for name, value in zip(MEASURES, span.tolist(), strict=True):
        print(f"{name:12} 1.0 = {value:.4f} half-sides")
    return 0


if __name__ == "__main__":
    sys.exit(main())
