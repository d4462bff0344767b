"""Which integers to send for a stretch of motion: what the eye would miss against what a bit costs.

Rounding every value sends the jitter of the estimator. Instead, integers are chosen together over the frames at hand:
a value moves when that is worth its bits over the frames that follow (:mod:`bitstream.motion_rdo`).
"""

from __future__ import annotations

from collections.abc import Sequence as Values

import numpy as np
import torch
from numpy.typing import NDArray

from bitstream import (
    POSE_COUNT,
    ExpressionTransform,
    KeyFrame,
    MotionEncoder,
    Sequence,
    canonical_step,
    dequantise,
    frame_steps,
    quantise,
)
from bitstream.motion_rdo import MotionOptimiser
from nvc.pose import HeadMotion, keypoints

Reals = NDArray[np.float64]
Integers = NDArray[np.int32]

DEFAULT_RDO = 0.4  # with files, the keypoint error of plain rounding at nearly half its bytes
MOST_RDO = 4.0
_NUDGE = 1e-3  # of every motion value, for the derivative
_HORIZON = 12  # known frames after the one decided, from which on a bit may cost all that it may
_UNSEEN = 0.25  # share of that where none is known
# Weight of squared displacements in depth: models of free keypoints warp in space, the others in the picture.
_DEPTH = {ExpressionTransform.KEYPOINTS: 1.0, ExpressionTransform.BASIS: 0.05}


def check_rdo(strength: float) -> None:
    """Raise ValueError for a strength that is not 0 to 4."""
    if not 0 <= strength <= MOST_RDO:
        raise ValueError(f"motion_rdo is {strength}; it must be 0 to {MOST_RDO:g}")


class MotionChoice:
    """Chooses the integers of one stream, in step with what the receiver has."""

    def __init__(
        self,
        sequence: Sequence,
        *,
        mean_keypoints: NDArray[np.float32],
        basis: NDArray[np.float32],
        rdo: float,
        carried: int,
        ahead: float,
    ) -> None:
        """
        Args:
            mean_keypoints, basis: of the model, ``[K, 3]`` and ``[N, K, 3]``.
            rdo: what a bit may cost, in mean squared steps of an expression integer; 0 rounds.
            carried: expression integers that are sent; the others stay as they are in the key frame.
            ahead: known frames that follow the one decided, on the mean. Where few are, a bit may cost less: what is
                not sent now can not be planned to be sent later.

        Raises ValueError for a strength out of range.
        """
        check_rdo(rdo)
        self._sequence, self._mean, self._basis = sequence, mean_keypoints, basis
        self._rdo = rdo * min(1.0, _UNSEEN + (1 - _UNSEEN) * ahead / _HORIZON)
        self._sent = POSE_COUNT + carried
        self._steps = frame_steps(sequence)
        self._optimiser = MotionOptimiser(sequence, lagrangian=0.0)
        self._key: tuple[int, ...] = ()
        self._last: tuple[int, ...] = ()

    def start(self, key: KeyFrame) -> None:
        """Begin again after a key frame."""
        self._key = self._last = key.values
        self._optimiser.start(self._key)
        if not self._rdo:
            return
        offsets = dequantise(np.array(key.canonical), canonical_step(self._sequence)).reshape(-1, 3)
        motion = dequantise(np.array(key.values), self._steps)
        depth = _DEPTH[self._sequence.expression_transform]
        weights = sensitivity(self._mean + offsets, motion, self._basis, depth=depth)
        weights[self._sent :] = weights[:, self._sent :] = 0
        self._optimiser.set_sensitivity(weights)
        self._optimiser.lagrangian = self._rdo * self._cost_of_a_step(weights)

    def _cost_of_a_step(self, weights: Reals) -> float:
        """Mean over the expression integers that are sent, or over the pose if none is."""
        chosen = slice(POSE_COUNT, self._sent) if self._sent > POSE_COUNT else slice(0, POSE_COUNT)
        return float((weights.diagonal()[chosen] * self._steps[chosen] ** 2).mean())

    def choose(self, wanted: Reals, *, keep: int, held: Values[bool], encoder: MotionEncoder | None = None) -> Integers:
        """Integers ``[keep, 7 + N]`` for the first frames of ``wanted`` ``[T, 7 + N]``, ``keep <= T``; they are sent.

        Args:
            held: which frames are to be exactly as the one before, at least ``keep``.
            encoder: that is to send one frame in a unit of its own: whole bytes are weighed.
        """
        chosen = self._decide(wanted, keep, encoder)
        for t in range(keep):
            if held[t]:
                chosen[t] = self._last if t == 0 else chosen[t - 1]
        self._last = tuple(chosen[-1].tolist())
        self._optimiser.start(self._last)
        return chosen

    def _decide(self, wanted: Reals, keep: int, encoder: MotionEncoder | None) -> Integers:
        if not self._rdo:
            return quantise(wanted[:keep], self._steps)
        if self._sequence.error_resilient:  # every unit starts from the key frame
            self._optimiser.start(self._key)
        return self._optimiser.decide(wanted, keep=keep, encoder=encoder)


def sensitivity(
    x_c: NDArray[np.float32], motion: NDArray[np.float32], basis: NDArray[np.float32], *, depth: float
) -> Reals:
    """How far motion moves keypoints: S ``[7 + N, 7 + N]``, an error e moves them by e' S e half-sides squared, mean.

    Args:
        x_c: canonical keypoints ``[K, 3]``.
        motion: the head ``[7 + N]`` at which to look.
        basis: ``[N, K, 3]``.
        depth: weight of what moves in z, 0 to 1.
    """
    size = len(motion)
    nudges = torch.eye(size, dtype=torch.float64) * _NUDGE
    centre = torch.from_numpy(np.asarray(motion, dtype=np.float64))
    points = [
        keypoints(
            torch.from_numpy(np.asarray(x_c, dtype=np.float64)),
            HeadMotion.from_vector(centre + sign * nudges),
            torch.from_numpy(np.asarray(basis, dtype=np.float64)),
        )
        for sign in (1, -1)
    ]
    moved = (points[0] - points[1]).numpy() / (2 * _NUDGE) * np.array([1, 1, depth**0.5])
    flat = moved.reshape(size, -1)
    found: Reals = flat @ flat.T / len(x_c)
    return found
