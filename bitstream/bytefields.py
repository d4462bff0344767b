"""Whole-byte fields of unit payloads: unsigned bytes, shortest leb128 numbers, zigzag numbers, byte runs.

Rules. Multi-byte fixed numbers are big-endian. ``leb128``: seven bits a byte, least significant first, bit 7 set on
every byte but the last; the shortest form is required, so the last byte is not zero unless it is the only one.
``signed``: n >= 0 is sent as 2n, n < 0 as -2n - 1, in leb128.
"""

from __future__ import annotations

from bitstream.errors import Corrupt, InvalidField


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise InvalidField unless ``value`` is an integer in ``low..high``."""
    if not isinstance(value, int) or not low <= value <= high:
        raise InvalidField(f"{name} = {value!r}, allowed {low} to {high}")


def leb128(value: int) -> bytes:
    """Shortest leb128 form of a non-negative integer."""
    if value < 0:
        raise InvalidField(f"leb128 of {value}: only numbers from 0 on")
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class FieldWriter:
    """Collects the fields of one payload; ``bytes(writer)`` is the payload."""

    def __init__(self) -> None:
        self._out = bytearray()

    def __bytes__(self) -> bytes:
        return bytes(self._out)

    def u8(self, value: int) -> None:
        self._out.append(value)

    def leb128(self, value: int) -> None:
        self._out += leb128(value)

    def signed(self, value: int) -> None:
        self._out += leb128(2 * value if value >= 0 else -2 * value - 1)

    def raw(self, data: bytes) -> None:
        self._out += data

    def block(self, data: bytes) -> None:
        """A length in leb128, then the bytes."""
        self._out += leb128(len(data))
        self._out += data


class FieldReader:
    """Reads the fields of one payload; every method raises Corrupt when the payload is too short for it."""

    def __init__(self, payload: bytes) -> None:
        self._data = payload
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    def raw(self, size: int) -> bytes:
        if size > self.left:
            raise Corrupt(f"payload ends {size - self.left} bytes early, at byte {len(self._data)}")
        self._at += size
        return self._data[self._at - size : self._at]

    def u8(self) -> int:
        return self.raw(1)[0]

    def leb128(self, max_bits: int = 28) -> int:
        """A shortest-form number below 2**max_bits."""
        value, shift = 0, 0
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            if value >> max_bits:
                raise Corrupt(f"leb128 number of more than {max_bits} bits")
            if byte < 128:
                break
            shift += 7
            if shift >= max_bits:
                raise Corrupt(f"leb128 number of more than {max_bits} bits")
        if shift and not byte:
            raise Corrupt("leb128 number is not in its shortest form")
        return value

    def signed(self, max_bits: int = 28) -> int:
        value = self.leb128(max_bits)
        return -(value + 1 >> 1) if value & 1 else value >> 1

    def block(self) -> bytes:
        return self.raw(self.leb128())

    def rest(self) -> bytes:
        return self.raw(self.left)

    def end(self) -> None:
        """Raise Corrupt when bytes are left."""
        if self.left:
            raise Corrupt(f"{self.left} bytes follow the last field of the payload")
