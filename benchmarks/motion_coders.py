"""Other coders of motion integers than the format's: what was tried, as far as it can be measured again.

Each is a change to :class:`bitstream.motionmodel.MotionModel`, whose code length is added up and not written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

import bitstream
from benchmarks.motion_tables import EVEN_WEIGHTS
from bitstream.integers import AdaptiveBit, IntegerModel
from bitstream.mixing import SQUASH, STRETCH, Mixer
from bitstream.motion import BitCounter
from bitstream.motionmodel import MotionModel
from bitstream.rangecoder import SymbolCoder

Integers = npt.NDArray[np.int32]
Make = Callable[[bitstream.Sequence, Sequence[int]], MotionModel]
_EDGE = 2047


class _Fixed(Mixer):
    """Weights that do not learn."""

    fixed: Sequence[int] = EVEN_WEIGHTS

    def code(self, coder: SymbolCoder, kind: int, a: int, b: int, bit: int = 0) -> int:
        self.weights[:] = self.fixed
        return super().code(coder, kind, a, b, bit)


class _SlotA(_Fixed):
    fixed = (65536, 0) * 3


class _SlotB(_Fixed):
    fixed = (0, 65536) * 3


class _Static(Mixer):
    """Slots and weights that do not learn."""

    def code(self, coder: SymbolCoder, kind: int, a: int, b: int, bit: int = 0) -> int:
        kept = (self.p[a], self.p[b], self.weights[:])
        bit = super().code(coder, kind, a, b, bit)
        self.p[a], self.p[b], self.weights[:] = kept
        return bit


class _Untrained(Mixer):
    """Nothing known beforehand."""

    def __init__(self, p: list[int], n: list[int], weights: list[int]) -> None:
        super().__init__([1 << 15] * len(p), [0] * len(n), list(EVEN_WEIGHTS))


class _Speeds(Mixer):
    """Slots that are means of counters of fixed speeds, instead of one whose speed falls with what it has seen."""

    shifts: tuple[int, ...] = (4, 7)

    def __init__(self, p: list[int], n: list[int], weights: list[int]) -> None:
        super().__init__(p, n, weights)
        self._counters = [[value] * len(self.shifts) for value in p]

    def code(self, coder: SymbolCoder, kind: int, a: int, b: int, bit: int = 0) -> int:
        w, k = self.weights, 2 * kind
        s = [STRETCH[min(max(sum(self._counters[i]) // len(self.shifts), 32), 65504) >> 4] for i in (a, b)]
        q = SQUASH[min(max(w[k] * s[0] + w[k + 1] * s[1] >> 16, -_EDGE), _EDGE) + 2048]
        coder.bit(q, bit)
        for at, value in enumerate(s):
            w[k + at] = min(max(w[k + at] + (((bit << 16) - q) * value + 8192 >> 14), 0), 1 << 17)
        for i in (a, b):
            self._counters[i] = [
                p + ((bit << 16) - p >> shift) for p, shift in zip(self._counters[i], self.shifts, strict=True)
            ]
        return bit


class _OneSpeed(_Speeds):
    shifts = (5,)


class _Predicting(MotionModel):
    """Prediction from the two frames before: the last one plus ``damping`` eighths of its difference to the other."""

    damping = 8
    size: int | None = None  # how many integers are predicted so; the others as in the format

    def __init__(self, sequence: bitstream.Sequence, key: Sequence[int]) -> None:
        super().__init__(sequence, key)
        self._before = list(key)

    def prediction(self) -> list[int]:
        moves = [self.damping * (x - y) + 4 >> 3 for x, y in zip(self.last, self._before, strict=True)]
        size = len(moves) if self.size is None else self.size
        return [x + move * (i < size) for i, (x, move) in enumerate(zip(self.last, moves, strict=True))]

    def code_frame(self, coder: SymbolCoder, count: int, values: Sequence[int] | None = None) -> list[int]:
        last = self.last
        frame = super().code_frame(coder, count, values)
        self._before = last
        return frame


class _Damped(_Predicting):
    damping = 4


class _DampedPose(_Predicting):
    damping, size = 4, bitstream.POSE_COUNT


class _EmptyFlag(MotionModel):
    """A decision a frame that says whether anything moves at all."""

    def __init__(self, sequence: bitstream.Sequence, key: Sequence[int]) -> None:
        super().__init__(sequence, key)
        self._empty = AdaptiveBit()

    def code_frame(self, coder: SymbolCoder, count: int, values: Sequence[int] | None = None) -> list[int]:
        if self._empty.code(coder, int(list(values or ()) == self.last)):
            self._remember([0] * len(self.last))
            return list(self.last)
        return super().code_frame(coder, count, values)


class _FreeZeros(Mixer):
    """Decisions of kind ZERO cost nothing: something else has told them."""

    def code(self, coder: SymbolCoder, kind: int, a: int, b: int, bit: int = 0) -> int:
        return bit if kind == 0 else super().code(coder, kind, a, b, bit)


class _Runs(MotionModel):
    """The distances from one residual that is not zero to the next, with an integer model for each of four sorts of
    beginning (pose, first eight, next sixteen, other expression integers), instead of the ZERO decisions."""

    def __init__(self, sequence: bitstream.Sequence, key: Sequence[int]) -> None:
        super().__init__(sequence, key)
        self.mixer = _FreeZeros(self.mixer.p, self.mixer.n, self.mixer.weights)
        self._runs = [IntegerModel() for _ in range(4)]

    def code_frame(self, coder: SymbolCoder, count: int, values: Sequence[int] | None = None) -> list[int]:
        at = 0
        for place in [*np.flatnonzero(np.subtract(values or (), self.last)).tolist(), len(self.last)]:
            sort = sum(at >= bound for bound in (7, 15, 31))
            self._runs[sort].code_magnitude(coder, place - at)
            at = place + 1
        return super().code_frame(coder, count, values)


def _mixed(kind: type[Mixer]) -> Make:
    def make(sequence: bitstream.Sequence, key: Sequence[int]) -> MotionModel:
        model = MotionModel(sequence, key)
        model.mixer = kind(model.mixer.p, model.mixer.n, model.mixer.weights)
        return model

    return make


AS_IT_IS = "the coder as it is"
CODERS: dict[str, Make] = {
    AS_IT_IS: MotionModel,
    "one context alone: integers moved so far in the frame": _mixed(_SlotA),
    "one context alone: magnitudes of the integer's last two residuals": _mixed(_SlotB),
    "both contexts, weights of one half that do not learn": _mixed(_Fixed),
    "nothing learns": _mixed(_Static),
    "nothing trained beforehand": _mixed(_Untrained),
    "counters of two fixed speeds, 1/16 and 1/128": _mixed(_Speeds),
    "counters of one fixed speed, 1/32": _mixed(_OneSpeed),
    "a flag for frames in which nothing moves": _EmptyFlag,
    "runs of zeros instead of a decision an integer": _Runs,
    "order-2 prediction: the last difference goes on": _Predicting,
    "damped order-2 prediction: half of the last difference goes on": _Damped,
    "damped order-2 prediction of the pose alone": _DampedPose,
}


def ideal_bytes(sequence: bitstream.Sequence, key: Sequence[int], frames: Integers, make: Make) -> float:
    """Payload bytes a frame, without headers and rounding, of frames [T, 7 + N] after a key frame [7 + N]."""
    model, counter = make(sequence, key), BitCounter()
    for frame in frames.tolist():
        model.code_frame(counter, sequence.expression_count, frame)
    return counter.bits / 8 / len(frames)
