"""Integers to real numbers and back: value = integer * step. Decoding needs nothing else that is not an integer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bitstream.limits import MAX_VALUE, MIN_VALUE
from bitstream.sequence import Sequence
from bitstream.tables import STEP_UNIT, STEPS

POSE_MULTIPLIERS = (6, 6, 3, 1, 1, 1, 4)  # pitch, yaw, roll (radians), tx, ty, tz (half-sides), log2 scale
# Chosen so that one step of each moves the face about equally far in the picture.


def pose_steps(sequence: Sequence) -> npt.NDArray[np.float64]:
    """Steps of the seven pose integers [7]: radians, half-sides, octaves of scale."""
    return np.array(POSE_MULTIPLIERS, dtype=np.float64) * (STEPS[sequence.pose_quantiser] * STEP_UNIT)


def expression_step(sequence: Sequence) -> float:
    """Step of every expression integer: half-sides (transform 0) or basis units (transform 1)."""
    return STEPS[sequence.expression_quantiser] * STEP_UNIT


def canonical_step(sequence: Sequence) -> float:
    """Step of the canonical keypoint integers, half-sides."""
    return STEPS[sequence.canonical_quantiser] * STEP_UNIT


def frame_steps(sequence: Sequence) -> npt.NDArray[np.float64]:
    """Steps of a whole motion frame [7 + N]."""
    expression = np.full(sequence.expression_count, expression_step(sequence))
    return np.concatenate([pose_steps(sequence), expression])


def quantise(values: npt.ArrayLike, steps: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Nearest integers (ties to even) of values / steps, held to -32768..32767. Values must be finite."""
    ratio = np.asarray(values, dtype=np.float64) / np.asarray(steps, dtype=np.float64)
    if not np.isfinite(ratio).all():
        raise ValueError("values to quantise must be finite")
    return np.clip(np.rint(ratio), MIN_VALUE, MAX_VALUE).astype(np.int32)


def dequantise(integers: npt.ArrayLike, steps: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """integers * steps as float32; broadcast over leading axes."""
    return (np.asarray(integers, dtype=np.float64) * np.asarray(steps, dtype=np.float64)).astype(np.float32)
