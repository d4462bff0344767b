"""How one motion frame is coded, symbol by symbol: the part that encoder, decoder and cost estimate share."""

from __future__ import annotations

import copy
from collections.abc import Sequence as Values

from bitstream.errors import Corrupt
from bitstream.integers import AdaptiveBit, IntegerModel
from bitstream.limits import MAX_VALUE, MIN_VALUE, POSE_COUNT
from bitstream.rangecoder import SymbolCoder
from bitstream.sequence import Sequence

_UNARY = 14  # residual magnitudes below this are sent in unary, the rest as an escape


class _Contexts:
    """Adaptive decisions of one coefficient."""

    def __init__(self) -> None:
        self.zero = [AdaptiveBit(1 << 14) for _ in range(3)]
        self.sign = AdaptiveBit()
        self.more = [AdaptiveBit() for _ in range(_UNARY)]
        self.residual = 0

    def clone(self) -> _Contexts:
        """An independent copy."""
        new = _Contexts.__new__(_Contexts)
        new.zero, new.sign = [bit.clone() for bit in self.zero], self.sign.clone()
        new.more, new.residual = [bit.clone() for bit in self.more], self.residual
        return new


class MotionModel:
    """State of motion coding: the last frame and what was learnt since the key frame."""

    def __init__(self, sequence: Sequence, key: Values[int]) -> None:
        """``key``: the key frame's 7 + N integers."""
        self._count = sequence.expression_count
        self.last = list(key)
        self._contexts = [_Contexts() for _ in self.last]
        self._escape = IntegerModel()
        self._same_count = AdaptiveBit(1 << 13)
        self._last_count = self._count

    def clone(self) -> MotionModel:
        """An independent copy, by hand: a hostile stream may ask for one of 4096 integers in every unit."""
        new = copy.copy(self)
        new.last = list(self.last)
        new._contexts = [contexts.clone() for contexts in self._contexts]
        new._escape, new._same_count = self._escape.clone(), self._same_count.clone()
        return new

    def prediction(self) -> list[int]:
        """What the next frame is if every residual is zero: 7 + N integers."""
        return list(self.last)

    def code_count(self, coder: SymbolCoder, count: int = 0) -> int:
        """Code how many expression coefficients the next frame carries (truncation FRAME)."""
        coder.label = "coefficient_count"
        if self._same_count.code(coder, int(count != self._last_count)):
            count = coder.bypass(self._count.bit_length(), count)
            if count > self._count:
                raise Corrupt(f"a frame carries {count} of {self._count} expression coefficients")
            if count == self._last_count:
                raise Corrupt("a frame spells out the coefficient count of the one before")
            self._last_count = count
        return self._last_count

    def code_frame(self, coder: SymbolCoder, count: int, values: Values[int] | None = None) -> list[int]:
        """Code one frame with its first ``count`` expression integers; returns all 7 + N, the rest as predicted."""
        frame = self.prediction()
        for i in range(POSE_COUNT + count):
            coder.label = "pose" if i < POSE_COUNT else "expression"
            value = frame[i] + self._code_residual(coder, i, values[i] - frame[i] if values is not None else 0)
            if not MIN_VALUE <= value <= MAX_VALUE:
                raise Corrupt(f"motion integer {value} is outside {MIN_VALUE}..{MAX_VALUE}")
            frame[i] = value
        self.last = frame
        return list(frame)

    def _code_residual(self, coder: SymbolCoder, i: int, residual: int) -> int:
        contexts = self._contexts[i]
        magnitude = abs(residual)
        if not contexts.zero[min(abs(contexts.residual), 2)].code(coder, int(magnitude > 0)):
            contexts.residual = 0
            return 0
        negative = contexts.sign.code(coder, int(residual < 0))
        size = 1
        while size < _UNARY and contexts.more[size].code(coder, int(magnitude > size)):
            size += 1
        if size == _UNARY:
            size += self._escape.code(coder, magnitude - _UNARY)
            if size < _UNARY:
                raise Corrupt("negative escape in a motion residual")
        contexts.residual = -size if negative else size
        return contexts.residual
