"""Adaptive binary coding of integers: the keypoints and key pose of KEYFRAME, and escapes of MOTION.

An adaptive bit keeps two 16-bit estimates of the probability of a 1, in units of 2^-16: after each bit, for the shifts
(4, 7):  estimate += (65535 - estimate) >> shift  if it was 1,  estimate -= estimate >> shift  if it was 0.
The probability used is (fast + slow) >> 1, held to 64..65472. Both estimates start at 32768 unless said otherwise.

A magnitude m < 2^17 is sent as: the number of bits n of m in unary, each step an adaptive bit of its own (1: more
follow; at most 17), then for n >= 2 the n - 1 lower bits of m as bypass bits, the higher ones first, in parts of 16.
A signed integer is its magnitude, then, unless that is 0, its sign as one bypass bit (1: negative).
"""

from __future__ import annotations

from bitstream.errors import InvalidField
from bitstream.rangecoder import MAX_BYPASS_BITS, SymbolCoder

MAX_BITS = 17
_FAST, _SLOW = 4, 7
_LEAST, _MOST = 64, 65472


class AdaptiveBit:
    """Probability of one binary decision, learnt from the decisions so far."""

    __slots__ = ("_fast", "_slow")

    def __init__(self, p: int = 1 << 15) -> None:
        self._fast = self._slow = p

    def clone(self) -> AdaptiveBit:
        """An independent copy."""
        twin = AdaptiveBit()
        twin._fast, twin._slow = self._fast, self._slow
        return twin

    def code(self, coder: SymbolCoder, bit: int = 0) -> int:
        """Encode ``bit``, or decode one, and learn from it."""
        bit = coder.bit(min(max(self._fast + self._slow >> 1, _LEAST), _MOST), bit)
        if bit:
            self._fast += 65535 - self._fast >> _FAST
            self._slow += 65535 - self._slow >> _SLOW
        else:
            self._fast -= self._fast >> _FAST
            self._slow -= self._slow >> _SLOW
        return bit


class IntegerModel:
    """Codes integers of like size, below 2^17; learns how large they are."""

    def __init__(self) -> None:
        self._more = [AdaptiveBit() for _ in range(MAX_BITS)]

    def clone(self) -> IntegerModel:
        """An independent copy."""
        twin = IntegerModel()
        twin._more = [bit.clone() for bit in self._more]
        return twin

    def code_magnitude(self, coder: SymbolCoder, value: int = 0) -> int:
        """Encode ``value`` >= 0, or decode one. Raises InvalidField when it is too large, Corrupt for bad bytes."""
        size = value.bit_length()
        if size > MAX_BITS:
            raise InvalidField(f"integer of {size} bits, allowed {MAX_BITS}")
        bits = 0
        while bits < MAX_BITS and self._more[bits].code(coder, int(size > bits)):
            bits += 1
        decoded = min(bits, 1)
        left = bits - 1
        while left > 0:
            part = min(left, MAX_BYPASS_BITS)
            left -= part
            decoded = decoded << part | coder.bypass(part, value >> left & (1 << part) - 1)
        return decoded

    def code(self, coder: SymbolCoder, value: int = 0) -> int:
        """Encode a signed ``value``, or decode one. Raises InvalidField when it is too large, Corrupt for bad bytes."""
        magnitude = self.code_magnitude(coder, abs(value))
        return -magnitude if magnitude and coder.bypass(1, int(value < 0)) else magnitude
