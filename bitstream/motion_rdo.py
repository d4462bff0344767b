"""Which integers to send: rate-distortion optimised quantisation of motion. For encoders; nothing here is normative.

Minimises, over the integers x of some frames, the sum of (x - v)' W (x - v) + lagrangian * bits(x), where v are the
wanted values in steps and W says how much it hurts to miss them. Every coefficient is optimised over all frames at once
by dynamic programming (Viterbi) with the others held; a few groups of coefficients take turns. Bits are those of a
simple model of each coefficient, how often it moves and how far, which follows what was sent.

The gain comes from looking ahead: a value is moved when that pays over the frames that follow, jitter is not sent at
all. For single-frame packets, whose length is whole bytes, :meth:`MotionOptimiser.push` can also leave out the least
useful moves, or add useful ones, where that changes the number of bytes for the better.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Values

import numpy as np
import numpy.typing as npt

from bitstream.errors import InvalidField
from bitstream.limits import MAX_VALUE, MIN_VALUE, POSE_COUNT
from bitstream.motion import MotionEncoder
from bitstream.quantise import frame_steps
from bitstream.sequence import Sequence

Array = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int32]
Indices = npt.NDArray[np.intp]

_REACH = 3  # candidates lie within this many steps of the best value
_SWEEPS = 2  # how often all coefficients are gone through
_CHUNK = 64  # frames decided at once in files
OVERLAP = 12  #: frames looked at beyond those, for the same end as if all were looked at
_TWICE = 16  # frames from which on a second plan pays
_RICHER = 0.5  # of the lagrangian, for the plan from which moves are added
_TRIALS = 3  # moves left out or added at most


class RateModel:
    """Bits of the residuals of D coefficients: ``still`` for 0, ``move + slope * (|r| - 1)`` for others."""

    def __init__(self, size: int) -> None:
        """``size``: D = 7 + N."""
        self._moves = np.full(size, 0.2)
        self._moves[:POSE_COUNT] = 0.4
        self._excess = np.full(size, 0.3)

    def clone(self) -> RateModel:
        """An independent copy."""
        twin = RateModel(self._moves.size)
        twin._moves, twin._excess = self._moves.copy(), self._excess.copy()
        return twin

    def costs(self) -> Array:
        """Bits ``still``, ``move`` (with the sign) and ``slope`` [3, D]."""
        move = 1 - np.log2(self._moves) + np.log2(1 + self._excess)
        return np.stack([-np.log2(1 - self._moves), move, np.log2(1 + 1 / self._excess)])

    def learn(self, residuals: Frames, *, rate: float = 0.04) -> None:
        """Follow the residuals of one sent frame [D]."""
        moved = residuals != 0
        self._moves += rate * (moved - self._moves)
        np.clip(self._moves, 0.01, 0.95, out=self._moves)
        excess = np.maximum(np.abs(residuals) - 1, 0)
        self._excess += np.where(moved, 2 * rate * (excess - self._excess), 0)
        np.clip(self._excess, 0.02, 50, out=self._excess)


def optimise(
    values: Array, weights: Array, start: Frames, costs: Array, *, plan: Frames | None = None, sweeps: int = _SWEEPS
) -> Frames:
    """Integers [T, D] for the wanted ``values`` [T, D], both in steps.

    Args:
        weights: W, what missing them costs, [D, D], symmetric, positive semidefinite. Coefficients whose weight is zero
            stay as they are in ``start``.
        start: the frame before [D].
        costs: of residuals, as :meth:`RateModel.costs` times the lagrangian [3, D].
        plan: integers [T, D] to start from, if any are known; else the rounded values.
        sweeps: how often all coefficients are gone through.
    """
    best = np.rint(values) if plan is None else plan.astype(np.float64)
    free = weights.diagonal() > 1e-12
    best[:, ~free] = start[~free]
    slope = (best - values) @ weights  # half the gradient
    for _ in range(sweeps if len(values) else 0):
        for group in _groups(free):
            curve = weights[group, group]
            better = _viterbi(best[:, group], slope[:, group], curve, start[group], costs[:, group])
            slope += (better - best[:, group]) @ weights[group]
            best[:, group] = better
    integers: Frames = np.clip(best, MIN_VALUE, MAX_VALUE).astype(np.int32)
    return integers


def _groups(free: npt.NDArray[np.bool_]) -> Iterator[Indices]:
    """Coefficients that are optimised together: the pose, and every third expression coefficient."""
    indices = np.flatnonzero(free)
    expression = indices[indices >= POSE_COUNT]
    for group in (indices[indices < POSE_COUNT], *(expression[k::3] for k in range(3))):
        if group.size:
            yield group


def _viterbi(plan: Array, slope: Array, curve: Array, start: Frames, costs: Array) -> Array:
    """The best path of each coefficient of a group, the others held.

    Args: plan, slope [T, n]; curve: second derivatives / 2 [n]; start [n]; costs [3, n]. Returns [T, n].
    """
    length, size = plan.shape
    best = np.rint(plan - slope / curve)
    held = np.broadcast_to(start.astype(np.float64), plan.shape)
    states = np.concatenate(
        [best[..., None] + np.arange(-_REACH, _REACH + 1), plan[..., None], held[..., None]], axis=2
    )
    delta = states - plan[..., None]
    missed = delta * (2 * slope[..., None] + delta * curve[:, None])
    still, move, more = costs[:, :, None, None]
    before, total = held[0][:, None], np.zeros((size, 1))
    back = np.empty(states.shape, dtype=np.intp)
    for t in range(length):
        distance = np.abs(states[t][:, None, :] - before[:, :, None])
        step = np.where(distance == 0, still, move - more + more * distance) + total[:, :, None]
        back[t] = step.argmin(1)
        total = step.min(1) + missed[t]
        before = states[t]
    path, rows, at = np.empty(plan.shape), np.arange(size), total.argmin(1)
    for t in range(length - 1, -1, -1):
        path[t] = states[t, rows, at]
        at = back[t, rows, at]
    return path


class MotionOptimiser:
    """Turns the motion of a running stream into integers: frame by frame, some frames late, or a file at once."""

    def __init__(
        self,
        sequence: Sequence,
        *,
        lagrangian: float,
        sensitivity: npt.ArrayLike | None = None,
        look_ahead: int = 0,
    ) -> None:
        """
        Args:
            lagrangian: cost of a bit; 0 codes everything, rounded.
            sensitivity: S, [D] or [D, D]: an error e in real units (radians, half-sides, octaves, expression) costs
                e' S e; tz does not move the picture: give it 0. Default: missing any value by a step costs 1, tz 0.
            look_ahead: later frames that are known when :meth:`push` decides a frame; the delay in frames.

        Raises InvalidField.
        """
        if not lagrangian >= 0 or look_ahead < 0:
            raise InvalidField(f"lagrangian {lagrangian} and look_ahead {look_ahead} must not be negative")
        self.lagrangian, self.look_ahead = float(lagrangian), look_ahead
        self._steps = frame_steps(sequence)
        self._rates = RateModel(len(self._steps))
        self._start = np.zeros(len(self._steps), dtype=np.int32)
        self._waiting: list[Array] = []
        self._plan: Frames | None = None
        self.set_sensitivity(sensitivity)

    def set_sensitivity(self, sensitivity: npt.ArrayLike | None) -> None:
        """Another sensitivity from the next decision on, as in the constructor."""
        size = len(self._steps)
        if sensitivity is None:
            weights = np.eye(size)
            weights[5, 5] = 0
        else:
            matrix = np.asarray(sensitivity, dtype=np.float64)
            if matrix.shape not in ((size,), (size, size)) or not np.isfinite(matrix).all():
                raise InvalidField(f"sensitivity of shape {matrix.shape}, must be finite, [{size}] or [{size}, {size}]")
            weights = (np.diag(matrix) if matrix.ndim == 1 else matrix) * np.outer(self._steps, self._steps)
        self._weights = weights

    def start(self, key: Values[int]) -> None:
        """Begin again after a key frame with these 7 + N integers. Frames that still wait are dropped: flush first."""
        self._start = np.array(key, dtype=np.int32)
        self._waiting.clear()
        self._plan = None

    def push(self, values: npt.ArrayLike, encoder: MotionEncoder | None = None) -> Frames | None:
        """Take the motion of one frame [D], real units; give the integers [D] of the frame ``look_ahead`` before it.

        With the ``encoder`` that is to send just that frame next, in a unit of its own, whole bytes are weighed.
        """
        self._waiting.append(np.asarray(values, dtype=np.float64) / self._steps)
        return self._decide(encoder) if len(self._waiting) > self.look_ahead else None

    def flush(self, encoder: MotionEncoder | None = None) -> Frames | None:
        """The integers [D] of the next frame that still waits, or None when all are out."""
        return self._decide(encoder) if self._waiting else None

    def run(self, values: npt.ArrayLike) -> Frames:
        """Integers [T, D] for a whole stretch of motion [T, D] in real units: for files."""
        wanted = np.asarray(values, dtype=np.float64)
        out = np.empty(wanted.shape, dtype=np.int32)
        for at in range(0, len(wanted), _CHUNK):
            window = wanted[at : at + _CHUNK + OVERLAP]
            out[at : at + _CHUNK] = self.decide(window, keep=min(_CHUNK, len(window)))
        return out

    def decide(self, values: npt.ArrayLike, *, keep: int, encoder: MotionEncoder | None = None) -> Frames:
        """The integers [keep, D] of the first frames of ``values`` [T, D] in real units; the others are looked at only.

        With the ``encoder`` that is to send one frame next (``keep`` 1), in a unit of its own, whole bytes are weighed.
        """
        wanted = np.asarray(values, dtype=np.float64) / self._steps
        if not 1 <= keep <= len(wanted) or (encoder is not None and keep > 1):
            raise InvalidField(f"cannot keep {keep} of {len(wanted)} frames{' in one unit' if encoder else ''}")
        rates = self._rates.clone()
        plan = self._optimise(wanted, self.lagrangian, rates)
        if keep >= _TWICE:  # again, with what the first plan says about rates
            self._follow(plan[:keep], rates)
            plan = self._optimise(wanted, self.lagrangian, rates, plan)
        kept = plan[:keep] if encoder is None else self._worth_its_bytes(wanted, plan, encoder)[None]
        self._follow(kept, self._rates)
        self._start, self._plan = kept[-1], None
        return kept

    def _follow(self, plan: Frames, rates: RateModel) -> None:
        for residuals in np.diff(plan, axis=0, prepend=self._start[None]):
            rates.learn(residuals)

    def _optimise(self, values: Array, lagrangian: float, rates: RateModel, plan: Frames | None = None) -> Frames:
        return optimise(values, self._weights, self._start, lagrangian * rates.costs(), plan=plan)

    def _decide(self, encoder: MotionEncoder | None) -> Frames:
        values = np.array(self._waiting[: self.look_ahead + 1])
        del self._waiting[0]
        plan = self._optimise(values, self.lagrangian, self._rates, self._known_plan(values))
        frame: Frames = plan[0] if encoder is None else self._worth_its_bytes(values, plan, encoder)
        self._rates.learn(frame - self._start)
        self._start, self._plan = frame, plan[1:]
        return frame

    def _known_plan(self, values: Array) -> Frames | None:
        """The plan of the last decision, with the frame that is new since."""
        if self._plan is None:
            return None
        new = np.rint(values[len(self._plan) :]).astype(np.int32)
        return np.concatenate([self._plan[: len(values)], new])

    def _worth_its_bytes(self, values: Array, plan: Frames, encoder: MotionEncoder) -> Frames:
        """The plan's first frame with a few moves fewer or more, whichever is best in whole bytes."""
        rich = self._optimise(values, self.lagrangian * _RICHER, self._rates, plan)
        moves = self._moves(plan, self._start, values, plan[0] != self._start)
        extra = self._moves(rich, plan[0], values, (plan[0] == self._start) & (rich[0] != plan[0]))
        best, least, frame, spared = self._start, np.inf, self._start.copy(), 0.0
        for m, (i, value, worth) in enumerate([(0, int(frame[0]), 0.0), *moves, *extra]):
            frame[i] = value
            spared += worth
            if m == 0 or abs(m - len(moves)) <= _TRIALS:
                cost = self.lagrangian * 8 * len(encoder.trial(frame[None])) - spared
                if cost < least:
                    best, least = frame.copy(), cost
        return best

    def _moves(
        self, plan: Frames, before: Frames, values: Array, chosen: npt.NDArray[np.bool_]
    ) -> list[tuple[int, int, float]]:
        """Moves from ``before`` to the plan's first frame: (coefficient, value, error spared as long as the plan keeps
        that value), the most useful first."""
        indices = np.flatnonzero(chosen)
        kept = np.cumprod(plan[:, indices] == plan[0, indices], axis=0)
        slope = (plan - values) @ self._weights[:, indices]
        back = (before - plan[0])[indices]
        worth = (kept * back * (2 * slope + back * self._weights.diagonal()[indices])).sum(0)
        order = np.argsort(-worth, kind="stable")
        return [(int(indices[k]), int(plan[0, indices[k]]), float(worth[k])) for k in order]
