"""The range coder, in integers: one coder a payload, ended in the shortest byte string.

Normative arithmetic (all numbers are unsigned; ``low``, ``range`` and ``point`` have 64 bits, probabilities 24)::

    encoder: low = 0, range = 2^64 - 1, written = 0 (a number of any length), words = 0
    put(c, f):  scale = range >> 24;  low += scale * c;  range = scale * f      (c + f <= 2^24, f >= 1)
                if low >= 2^64:    low -= 2^64, written += 1                     (carry)
                if range < 2^32:   written = written * 2^32 + (low >> 32), low = (low << 32) mod 2^64,
                                   range = range << 32, words += 1
    end:        T = 32 words + 64,  L = written * 2^64 + low,  H = L + range
                the smallest k >= 0 for which  V = ceil(L / 2^(T-8k))  has  V * 2^(T-8k) < H;  V in k bytes, big-endian

    decoder: the payload followed by zeros without end; point = first 8 bytes, low = 0, range = 2^64 - 1
    get:        scale = range >> 24;  q = ((point - low) mod 2^64) // scale;  q >= 2^24 is Corrupt
                the symbol is the one with c <= q < c + f;  low, range as in put, point shifted with them by 4 bytes

A decoder must refuse a payload that is not the one which the encoder would write for the same symbols.
Three kinds of symbol: of a :class:`FrequencyTable` (integers >= 1 that sum to 2^24), a bit with probability p/65536 of
being 1 (tables [2^24 - 256 p, 256 p]), and bypass bits (2^n equal frequencies, 1 <= n <= 16, most significant first).

:class:`RangeEncoder` and :class:`RangeDecoder` run on constriction, driven with integer weights so that no rounding is
left. ``PythonRangeEncoder`` and ``PythonRangeDecoder`` are the same in plain Python: the oracle of the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import constriction
import numpy as np

from bitstream.errors import Corrupt, InvalidField

PRECISION = 24
TOTAL = 1 << PRECISION
BIT_TOTAL = 1 << 16
MAX_BYPASS_BITS = 16
_queue = constriction.stream.queue
_model = constriction.stream.model


class FrequencyTable:
    """Frequencies of the symbols 0 to n - 1: n >= 2 integers >= 1 with sum 2^24. Raises InvalidField otherwise."""

    __slots__ = ("cumulative", "frequencies", "model")

    def __init__(self, frequencies: Sequence[int]) -> None:
        if len(frequencies) < 2 or min(frequencies) < 1 or sum(frequencies) != TOTAL:
            raise InvalidField("frequencies must be two or more integers >= 1 with sum 2^24")
        self.frequencies = tuple(int(f) for f in frequencies)
        cumulative = [0]
        for frequency in self.frequencies:
            cumulative.append(cumulative[-1] + frequency)
        self.cumulative = tuple(cumulative)
        self.model = _model.Categorical(np.array(self.frequencies, dtype=np.float64) - 1.0, perfect=False)


@lru_cache(maxsize=BIT_TOTAL)
def bit_table(p: int) -> FrequencyTable:
    """Table of one bit that is 1 with probability p / 65536, 1 <= p <= 65535."""
    return FrequencyTable((TOTAL - (p << 8), p << 8))


@lru_cache(maxsize=MAX_BYPASS_BITS)
def _bypass_model(bits: int) -> Any:
    if not 1 <= bits <= MAX_BYPASS_BITS:
        raise InvalidField(f"{bits} bypass bits, allowed 1 to {MAX_BYPASS_BITS}")
    return _model.Uniform(1 << bits)


def shortest_bytes(low: int, high: int, total_bits: int) -> bytes:
    """The shortest k bytes whose value, as a fraction of 2^(8k), lies in [low, high) / 2^total_bits."""
    k = 0
    while True:
        shift = total_bits - 8 * k
        value = -(-low >> shift)
        if value << shift < high:
            return value.to_bytes(k, "big")
        k += 1


class SymbolCoder(Protocol):
    """What the models of :mod:`bitstream.motion` are written against: the same calls encode, decode or count bits.

    An encoder takes the symbol and returns it; a decoder ignores what is given and returns what it reads. ``label`` is
    the syntax element that the next symbols belong to: for tools that watch, coders do not look at it.
    """

    label: str

    def symbol(self, table: FrequencyTable, symbol: int = 0) -> int: ...

    def bit(self, p: int, bit: int = 0) -> int: ...

    def bypass(self, bits: int, value: int = 0) -> int: ...


class RangeEncoder:
    """Symbols to bytes. A new one for every payload (constriction's ``clear`` leaves a pending carry behind)."""

    label = ""

    def __init__(self) -> None:
        self._coder = _queue.RangeEncoder()

    def symbol(self, table: FrequencyTable, symbol: int = 0) -> int:
        if not 0 <= symbol < len(table.frequencies):
            raise InvalidField(f"symbol {symbol} in an alphabet of {len(table.frequencies)}")
        self._coder.encode(symbol, table.model)
        return symbol

    def bit(self, p: int, bit: int = 0) -> int:
        self._coder.encode(bit, bit_table(p).model)
        return bit

    def bypass(self, bits: int, value: int = 0) -> int:
        if not 0 <= value < 1 << bits:
            raise InvalidField(f"{value} in {bits} bypass bits")
        self._coder.encode(value, _bypass_model(bits))
        return value

    def finish(self) -> bytes:
        """The shortest payload for the symbols so far. Does not change the encoder."""
        words = self._coder.get_compressed()
        position, (low, width) = self._coder.pos()
        written = int.from_bytes(words[:position].astype(">u4").tobytes(), "big")
        if low + (1 << 32) - 1 >= 1 << 64:  # get_compressed() has already carried into the words
            written -= 1
        start = (written << 64) + low
        return shortest_bytes(start, start + width, 32 * position + 64)


class RangeDecoder:
    """Bytes to symbols, checking at the end that the bytes are the canonical ones."""

    label = ""

    def __init__(self, payload: bytes) -> None:
        self._payload = bytes(payload)
        padded = self._payload + bytes(-len(self._payload) % 4)
        self._coder = _queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))
        self._again = RangeEncoder()

    def _decode(self, model: Any) -> int:
        try:
            return int(self._coder.decode(model))
        except AssertionError:
            raise Corrupt("range coder: the payload does not point into any symbol") from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # raised by the compiled part; not an Exception
                raise
            raise Corrupt(f"range coder: {error}") from None

    def symbol(self, table: FrequencyTable, symbol: int = 0) -> int:
        return self._again.symbol(table, self._decode(table.model))

    def bit(self, p: int, bit: int = 0) -> int:
        return self._again.bit(p, self._decode(bit_table(p).model))

    def bypass(self, bits: int, value: int = 0) -> int:
        return self._again.bypass(bits, self._decode(_bypass_model(bits)))

    def finish(self) -> None:
        """Raise Corrupt unless the payload is the shortest one for the symbols read."""
        if self._again.finish() != self._payload:
            raise Corrupt("range coder: the payload is not in its canonical form")


class PythonRangeEncoder:
    """The encoder in plain integers, from the text above."""

    label = ""

    def __init__(self) -> None:
        self._low, self._range, self._written, self._words = 0, (1 << 64) - 1, 0, 0

    def put(self, cumulative: int, frequency: int) -> None:
        scale = self._range >> PRECISION
        self._low += scale * cumulative
        self._range = scale * frequency
        if self._low >> 64:
            self._low -= 1 << 64
            self._written += 1
        if self._range >> 32 == 0:
            self._written = self._written << 32 | self._low >> 32
            self._low = (self._low & 0xFFFFFFFF) << 32
            self._range <<= 32
            self._words += 1

    def symbol(self, table: FrequencyTable, symbol: int = 0) -> int:
        self.put(table.cumulative[symbol], table.frequencies[symbol])
        return symbol

    def bit(self, p: int, bit: int = 0) -> int:
        self.put(bit and TOTAL - (p << 8), p << 8 if bit else TOTAL - (p << 8))
        return bit

    def bypass(self, bits: int, value: int = 0) -> int:
        self.put(value << PRECISION - bits, 1 << PRECISION - bits)
        return value

    def finish(self) -> bytes:
        start = (self._written << 64) + self._low
        return shortest_bytes(start, start + self._range, 32 * self._words + 64)


class PythonRangeDecoder:
    """The decoder in plain integers, from the text above."""

    label = ""

    def __init__(self, payload: bytes) -> None:
        self._payload = bytes(payload)
        self._at = 8
        self._offset = int.from_bytes(self._payload[:8].ljust(8, b"\0"), "big")  # point - low
        self._range = (1 << 64) - 1
        self._again = PythonRangeEncoder()

    def _quantile(self) -> int:
        quantile = self._offset // (self._range >> PRECISION)
        if quantile >= TOTAL:
            raise Corrupt("range coder: the payload does not point into any symbol")
        return quantile

    def _take(self, cumulative: int, frequency: int) -> None:
        scale = self._range >> PRECISION
        self._offset -= scale * cumulative
        self._range = scale * frequency
        if self._range >> 32 == 0:
            word = self._payload[self._at : self._at + 4].ljust(4, b"\0")
            self._at += 4
            self._offset = self._offset << 32 | int.from_bytes(word, "big")
            self._range <<= 32
        self._again.put(cumulative, frequency)

    def symbol(self, table: FrequencyTable, symbol: int = 0) -> int:
        quantile, x = self._quantile(), 0
        while table.cumulative[x + 1] <= quantile:
            x += 1
        self._take(table.cumulative[x], table.frequencies[x])
        return x

    def bit(self, p: int, bit: int = 0) -> int:
        zero = TOTAL - (p << 8)
        one = int(self._quantile() >= zero)
        self._take(zero if one else 0, p << 8 if one else zero)
        return one

    def bypass(self, bits: int, value: int = 0) -> int:
        value = self._quantile() >> PRECISION - bits
        self._take(value << PRECISION - bits, 1 << PRECISION - bits)
        return value

    def finish(self) -> None:
        """Raise Corrupt unless the payload is the shortest one for the symbols read."""
        if self._again.finish() != self._payload:
            raise Corrupt("range coder: the payload is not in its canonical form")
