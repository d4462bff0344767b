"""How one motion frame is coded, symbol by symbol: the part that encoder, decoder and cost estimate share.

Normative. A frame is the integers x[0 .. 6 + N]; each is predicted by its value in the frame before (after a key frame:
in the key frame), and the residual r is coded, for i from 0 up:

* *zero*: is r other than 0? Then, if it is: *sign*: has r the other sign than the last residual of i that was not 0
  (negative, where there was none)? *more* for j = 1..8 while the answer is 1: is |r| > j? After eight 1s: |r| - 9 as a
  magnitude (:mod:`bitstream.integers`, one model for all i).
* Each is a decision of :mod:`bitstream.mixing` with two slots of coefficient i, chosen by what came before. With
  m1, m2 = |r| of i in the last frame and the one before (held to 255), age = frames since i's last non-zero residual
  (0: in the last frame), last = magnitude of that residual, s = number of non-zero residuals so far in this frame:

  ========  ==========  ============================================  ==========================================
  decision  weight set  slot a                                        slot b
  ========  ==========  ============================================  ==========================================
  zero      0           0 + min(s, 7)                                 8 + 3 min(m1, 2) + min(m2, 2); 17 in the first
                                                                      frame
  sign      1           18 + class of age (0, 1, 2, 3-4, 5-8, 9 up);  25 + 3 (min(last, 4) - 1) + min(age, 2);
                        24 if there was none                          37 if there was none
  more      2           38 + 4 (j - 1) + max(min(last, 4), 1) - 1     70 + 8 (j - 1) + min((2 m1 + m2 + 1) div 3, 7)
  ========  ==========  ============================================  ==========================================

* At a key frame m1 = m2 = 0, there is no last residual (last = 0, age = 0), and the slots and weights of every i are
  those of spec/tables/motion.json for its kind: i for the pose, 7 + 0, 1, 2, 3, 4, 4, 5, 5, then 6 (8..11), 7 (12..15),
  8 (16..23), 9 (24..31), 10 (32 up) for expression integers 0, 1, 2...
* Expression integers that a frame does not carry have residual 0 and teach the slots nothing, but count as history.
"""

from __future__ import annotations

from collections.abc import Sequence as Values

from bitstream.errors import Corrupt
from bitstream.integers import AdaptiveBit, IntegerModel
from bitstream.limits import MAX_VALUE, MIN_VALUE, POSE_COUNT
from bitstream.mixing import Mixer
from bitstream.rangecoder import SymbolCoder
from bitstream.sequence import Sequence
from bitstream.tables import load_table

SLOTS = 134  #: slots of one coefficient
UNARY = 8  #: residual magnitudes up to this are sent step by step, larger ones as an escape
_ZERO, _SIGN, _MORE = range(3)
_FIRST, _NO_SIGN_A, _NO_SIGN_B = 17, 24, 37
_AGE_CLASS = (0, 1, 2, 3, 3, 4, 4, 4, 4, 5)
_MOST_MAGNITUDE = 255
_EXPRESSION_KINDS = (7, 8, 9, 10, 11, 11, 12, 12, *[13] * 4, *[14] * 4, *[15] * 8, *[16] * 8)
KINDS = 18

_TABLE = load_table("motion")
_START_P: list[list[int]] = [[p for p, _ in slots] for slots in _TABLE["slots"]]
_START_N: list[list[int]] = [[n for _, n in slots] for slots in _TABLE["slots"]]


def kind_of(i: int) -> int:
    """Which initial table coefficient ``i`` of a motion frame starts from, 0 to 17."""
    if i < POSE_COUNT:
        return i
    i -= POSE_COUNT
    return _EXPRESSION_KINDS[i] if i < len(_EXPRESSION_KINDS) else KINDS - 1


class MotionModel:
    """State of motion coding: the last frame, its recent residuals, and what was learnt since the key frame."""

    def __init__(self, sequence: Sequence, key: Values[int]) -> None:
        """``key``: the key frame's 7 + N integers."""
        size = sequence.frame_values
        kinds = [kind_of(i) for i in range(size)]
        self._count = sequence.expression_count
        self.last = list(key)
        self.mixer = Mixer(
            [p for kind in kinds for p in _START_P[kind]],
            [n for kind in kinds for n in _START_N[kind]],
            list(_TABLE["weights"]),
        )
        self._m1, self._m2, self._age = [0] * size, [0] * size, [0] * size
        self._last_residual = [0] * size
        self._first = True
        self._escape = IntegerModel()
        self._same_count = AdaptiveBit(1 << 13)
        self._last_count = self._count

    def clone(self) -> MotionModel:
        """An independent copy."""
        twin = object.__new__(MotionModel)
        twin.__dict__.update(self.__dict__)
        twin.mixer = self.mixer.clone()
        twin.last = self.last[:]
        twin._m1, twin._m2, twin._age = self._m1[:], self._m2[:], self._age[:]
        twin._last_residual = self._last_residual[:]
        twin._escape = self._escape.clone()
        twin._same_count = self._same_count.clone()
        return twin

    def prediction(self) -> list[int]:
        """What the next frame is if every residual is zero: 7 + N integers."""
        return list(self.last)

    def code_count(self, coder: SymbolCoder, count: int = 0) -> int:
        """Code how many expression coefficients the next frame carries (truncation FRAME)."""
        coder.label = "coefficient_count"
        if self._same_count.code(coder, int(count != self._last_count)):
            count = coder.bypass(self._count.bit_length(), count)
            if count > self._count or count == self._last_count:
                raise Corrupt(f"a frame carries {count} of {self._count} expression coefficients")
            self._last_count = count
        return self._last_count

    def code_frame(self, coder: SymbolCoder, count: int, values: Values[int] | None = None) -> list[int]:
        """Code one frame with its first ``count`` expression integers; returns all 7 + N, the rest as predicted."""
        frame = self.prediction()
        residuals = [0] * len(frame)
        changed = 0
        for i in range(POSE_COUNT + count):
            coder.label = "pose" if i < POSE_COUNT else "expression"
            residual = self._code_residual(coder, i, min(changed, 7), values[i] - frame[i] if values is not None else 0)
            if residual:
                changed += 1
                frame[i] += residual
                if not MIN_VALUE <= frame[i] <= MAX_VALUE:
                    raise Corrupt(f"motion integer {frame[i]} is outside {MIN_VALUE}..{MAX_VALUE}")
                residuals[i] = residual
        self._remember(residuals)
        self.last = frame
        return list(frame)

    def _code_residual(self, coder: SymbolCoder, i: int, changed: int, residual: int) -> int:
        code, base = self.mixer.code, SLOTS * i
        m1, m2 = self._m1[i], self._m2[i]
        history = _FIRST if self._first else 8 + 3 * min(m1, 2) + min(m2, 2)
        if not code(coder, _ZERO, base + changed, base + history, int(residual != 0)):
            return 0
        last = self._last_residual[i]
        size, age = min(abs(last), 4), self._age[i]
        a, b = (18 + _AGE_CLASS[min(age, 9)], 25 + 3 * (size - 1) + min(age, 2)) if last else (_NO_SIGN_A, _NO_SIGN_B)
        turned = code(coder, _SIGN, base + a, base + b, int((residual < 0) != (last < 0)))
        negative = turned != (last < 0)
        magnitude, j = abs(residual), 1
        a, b = base + 38 + max(size, 1) - 1, base + 70 + min((2 * m1 + m2 + 1) // 3, 7)
        while j <= UNARY and code(coder, _MORE, a, b, int(magnitude > j)):
            a, b, j = a + 4, b + 8, j + 1
        if j > UNARY:
            j += self._escape.code_magnitude(coder, magnitude - j)
        return -j if negative else j

    def _remember(self, residuals: list[int]) -> None:
        self._m2 = self._m1
        self._m1 = [min(abs(r), _MOST_MAGNITUDE) for r in residuals]
        for i, residual in enumerate(residuals):
            if residual:
                self._last_residual[i], self._age[i] = residual, 0
            else:
                self._age[i] += 1
        self._first = False
