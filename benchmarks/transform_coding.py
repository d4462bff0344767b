"""What is sent of a head in the comparison of expression transforms, coded by the format's own motion coder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

import bitstream
from benchmarks.transform_variants import CONFIGS, SIDE, Variant
from bitstream import POSE_COUNT, ExpressionTransform, KeyFrame, MotionEncoder, Unit, UnitType

Array = NDArray[np.float32]
QUANTISER = 28  # of pose, expression and canonical keypoints: the codec's default quality
GROUP = 25  # frames a MOTION unit
_CODE = CONFIGS[Variant.PRIOR].expression
_LANDMARKS = CONFIGS[Variant.PRIOR].keypoints
_KEYPOINTS = CONFIGS[Variant.UNSUPERVISED].keypoints


class Curve(Enum):
    """A line of the figure."""

    KEYPOINTS = "unsupervised: fewer keypoints"
    LANDMARKS = "prior: fewer landmarks, whole code"
    CODE = "prior: shorter code, all landmarks"
    BOTH = "prior: both"
    REBUILT = "prior: code alone, landmarks rebuilt from it (transform 1)"

    @property
    def variant(self) -> Variant:
        """Whose line it is."""
        return Variant.UNSUPERVISED if self is Curve.KEYPOINTS else Variant.PRIOR


@dataclass(frozen=True)
class Level:
    """How much of each frame is sent: the first ``keypoints`` (or landmarks) and ``numbers`` of the code."""

    curve: Curve
    keypoints: int
    numbers: int

    @property
    def sent(self) -> int:
        """Expression numbers a frame."""
        return 3 * self.keypoints + self.numbers


LEVELS: tuple[Level, ...] = (
    *(Level(Curve.KEYPOINTS, k, 0) for k in (5, 8, 12, 16, _KEYPOINTS)),
    *(Level(Curve.LANDMARKS, k, _CODE) for k in (4, 8, 12, _LANDMARKS)),
    *(Level(Curve.CODE, _LANDMARKS, n) for n in (8, 16, 24, _CODE)),
    *(Level(Curve.BOTH, k, n) for k, n in ((4, 8), (8, 16), (12, 24), (_LANDMARKS, _CODE))),
    *(Level(Curve.REBUILT, 0, n) for n in (8, 12, 16, 24, _CODE)),
)


@dataclass(frozen=True)
class Coded:
    """``size``: bytes of all MOTION units, headers counted; ``vectors``: what the receiver has, [T, 7 + N]."""

    size: int
    vectors: Array


def sequence_for(
    values: int, keypoints: int, transform: ExpressionTransform, frame_rate: int = 25
) -> bitstream.Sequence:
    """A stream whose frames have ``values`` expression numbers."""
    return bitstream.Sequence(
        side=SIDE,
        source_width=SIDE,
        source_height=SIDE,
        crop_side=SIDE,
        frame_rate_numerator=frame_rate,
        model_id=bytes(16),
        keypoint_count=keypoints,
        expression_count=values,
        expression_transform=transform,
        pose_quantiser=QUANTISER,
        expression_quantiser=QUANTISER,
        canonical_quantiser=QUANTISER,
        motion_group=GROUP,
        motion_crc=bitstream.MotionCrc.NONE,
    )


def code_motion(sequence: bitstream.Sequence, vectors: Array, count: int) -> Coded:
    """Code frames after the first, which is the key frame.

    Args:
        sequence: of the stream.
        vectors: [1 + T, 7 + N], real units.
        count: expression numbers that are sent of each frame; the rest stay as in the key frame.
    """
    steps = bitstream.frame_steps(sequence)
    integers = bitstream.quantise(vectors, steps)
    integers[:, POSE_COUNT + count :] = integers[:1, POSE_COUNT + count :]
    key = KeyFrame(
        presentation_index=0,
        coded_width=SIDE,
        coded_height=SIDE,
        canonical=(0,) * (3 * sequence.keypoint_count),
        pose=tuple(integers[0, :POSE_COUNT].tolist()),
        expression=tuple(integers[0, POSE_COUNT:].tolist()),
        picture=b"\x00",
    )
    encoder = MotionEncoder(sequence)
    encoder.start(key)
    size = 0
    for start in range(1, len(integers), GROUP):
        group = integers[start : start + GROUP]
        payload = encoder.encode(group, [count] * len(group))
        size += len(Unit(UnitType.MOTION, payload, crc=False).to_bytes())
    return Coded(size, bitstream.dequantise(integers, steps))


def held_to_grid(values: Array) -> Array:
    """Canonical keypoints as a key frame carries them, relative to any mean: rounded to the canonical step."""
    step = bitstream.canonical_step(sequence_for(3, 1, ExpressionTransform.KEYPOINTS))
    return bitstream.dequantise(bitstream.quantise(values, step), step)


def curves(points: Sequence[dict[str, float | str]]) -> dict[str, list[dict[str, float | str]]]:
    """Measured points by the name of their curve, each from few bytes to many."""
    found: dict[str, list[dict[str, float | str]]] = {}
    for point in points:
        found.setdefault(str(point["curve"]), []).append(point)
    return {name: sorted(line, key=lambda p: float(p["bytes_per_frame"])) for name, line in found.items()}
