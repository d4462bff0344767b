"""Framing: the file signature, units, their sizes and CRCs, and a reader that takes bytes in any portions.

A unit is::

    unit_header   u(8)   forbidden_zero(1) unit_type(4) crc_flag(1) extension_flag(1) reserved_zero(1), high bit first
    [extension    u(8)]  if extension_flag; no meaning yet, decoders ignore it
    unit_size     leb128, shortest form, at most 4 bytes: bytes of payload
    payload
    [crc          u(16) or u(32), big-endian] if crc_flag, over everything before it in the unit

CRC-32 is that of zlib. CRC-16 is polynomial 0x1021, start 0, not reflected (``binascii.crc_hqx``); only MOTION uses it.
The flag must be 1 for SEQUENCE, KEYFRAME, PICTURE and the known ancillary types, 0 for END; for MOTION it must agree
with ``motion_crc`` of the SEQUENCE (checked by whoever holds the sequence); for unknown ancillary types it is free.
Types 0 to 7 are critical: an unknown one stops the reader. Types 8 to 15 are ancillary: an unknown one is skipped.
"""

from __future__ import annotations

import binascii
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

from bitstream.bytefields import check_range, leb128
from bitstream.errors import BitstreamError, Corrupt, LimitExceeded, Truncated, Unsupported
from bitstream.limits import MAX_MOTION_BYTES, MAX_UNIT_BYTES, Limits

SIGNATURE = bytes.fromhex("894E56430D0A1A0A")
_MAX_SIZE_BYTES = 4
_MAX_RESYNC_BYTES = 12  # pattern, presentation index and key distance


class UnitType(IntEnum):
    """Types of unit. 4 is reserved for ENHANCEMENT, 5, 6 and 12 to 15 for the future."""

    SEQUENCE = 0
    KEYFRAME = 1
    MOTION = 2
    PICTURE = 3
    END = 7
    AUDIO = 8
    METADATA = 9
    INDEX = 10
    RESYNC = 11


_KNOWN = frozenset(int(kind) for kind in UnitType)
_FIRST_ANCILLARY = 8


def _crc_bytes(unit_type: int) -> int:
    return 2 if unit_type == UnitType.MOTION else 4


def _crc(unit_type: int, data: bytes) -> bytes:
    if unit_type == UnitType.MOTION:
        return binascii.crc_hqx(data, 0).to_bytes(2, "big")
    return zlib.crc32(data).to_bytes(4, "big")


def _check_crc_flag(unit_type: int, flag: bool) -> None:
    if unit_type == UnitType.MOTION or unit_type not in _KNOWN:
        return
    if flag != (unit_type != UnitType.END):
        raise Corrupt(f"crc_flag is {int(flag)} in a unit of type {UnitType(unit_type).name}")


@dataclass(frozen=True)
class Unit:
    """One unit. ``type`` is a UnitType, or a plain int from 12 to 15 for an ancillary unit this version does not know.

    ``crc`` says whether a CRC follows (default: as the type requires; MOTION: yes), ``extension`` is the extension
    byte or None, ``reserved`` the reserved header bit, which encoders write as 0. Raises InvalidField or Corrupt for a
    unit that cannot be written.
    """

    type: UnitType | int
    payload: bytes
    crc: bool | None = None
    extension: int | None = None
    reserved: bool = False

    def __post_init__(self) -> None:
        check_range("unit_type", self.type, 0, 15)
        if self.type not in _KNOWN and self.type < _FIRST_ANCILLARY:
            raise Unsupported(f"critical unit of unknown type {int(self.type)}")
        object.__setattr__(self, "type", UnitType(self.type) if self.type in _KNOWN else int(self.type))
        object.__setattr__(self, "payload", bytes(self.payload))
        if self.crc is None:
            object.__setattr__(self, "crc", self.type != UnitType.END)
        _check_crc_flag(self.type, bool(self.crc))
        most = MAX_MOTION_BYTES if self.type == UnitType.MOTION else MAX_UNIT_BYTES
        check_range("unit_size", len(self.payload), 0, most)
        if self.extension is not None:
            check_range("extension", self.extension, 0, 255)

    def to_bytes(self) -> bytes:
        """The unit as it stands in a stream."""
        header = int(self.type) << 3 | bool(self.crc) << 2 | (self.extension is not None) << 1 | self.reserved
        extension = b"" if self.extension is None else bytes([self.extension])
        body = bytes([header]) + extension + leb128(len(self.payload)) + self.payload
        return body + _crc(self.type, body) if self.crc else body


@dataclass(frozen=True)
class _Header:
    unit_type: int
    crc: bool
    extension: int | None
    reserved: bool
    size: int
    start: int  # bytes before the payload


def _parse_header(data: bytes | bytearray, at: int, limits: Limits) -> _Header | None:
    """Header of the unit at ``at``, or None while bytes are missing. Sizes are checked here, before any payload."""
    if at >= len(data):
        return None
    first = data[at]
    if first & 0x80:
        raise Corrupt(f"forbidden bit set in unit header 0x{first:02x}")
    unit_type, crc = first >> 3 & 15, bool(first & 4)
    if unit_type not in _KNOWN and unit_type < _FIRST_ANCILLARY:
        raise Unsupported(f"critical unit of unknown type {unit_type}")
    _check_crc_flag(unit_type, crc)
    start = at + 1 + (first >> 1 & 1)
    size = 0
    for k in range(_MAX_SIZE_BYTES):
        if start >= len(data):
            return None
        byte = data[start]
        start += 1
        size |= (byte & 127) << 7 * k
        if byte < 128:
            if k and not byte:
                raise Corrupt("unit_size is not in its shortest form")
            break
    else:
        raise Corrupt(f"unit_size takes more than {_MAX_SIZE_BYTES} bytes")
    _check_size(unit_type, size, limits)
    return _Header(unit_type, crc, data[at + 1] if first & 2 else None, bool(first & 1), size, start - at)


def _check_size(unit_type: int, size: int, limits: Limits) -> None:
    if unit_type == UnitType.MOTION:
        most = limits.max_motion_bytes
    else:
        most = limits.max_unit_bytes if unit_type < _FIRST_ANCILLARY else limits.max_ancillary_bytes
    if size > most:
        raise LimitExceeded(f"unit of type {unit_type} has {size} bytes, allowed {most}")
    if unit_type == UnitType.END and size:
        raise Corrupt(f"END has {size} bytes, must be empty")


class UnitReader:
    """Takes a stream in portions of any size and gives its units; how it is cut up never matters.

    ``signature``: True requires the file signature first, False forbids it, None takes it if it is there.
    ``keep_unknown``: give unknown ancillary units too instead of skipping them.
    An error is raised by the first call of :meth:`feed` or :meth:`close` that has no units left to give before it, and
    by every call from then on.
    """

    def __init__(
        self, limits: Limits | None = None, *, signature: bool | None = None, keep_unknown: bool = False
    ) -> None:
        self._limits = limits or Limits()
        self._keep_unknown = keep_unknown
        self._expect_signature = signature
        self._at_start = True
        self._buffer = bytearray()
        self._error: BitstreamError | None = None
        self._consumed = 0
        self.ended = False  #: an END unit has been read

    @property
    def offset(self) -> int:
        """Bytes of complete units (and signature) read so far, from the start of the stream."""
        return self._consumed

    def feed(self, data: bytes) -> list[Unit]:
        """Units completed by ``data``. Raises BitstreamError subclasses, see the class."""
        if self._error is None:
            self._buffer += data
        units: list[Unit] = []
        try:
            while self._error is None:
                unit = self._next()
                if unit is None:
                    break
                if unit.type in _KNOWN or self._keep_unknown:
                    units.append(unit)
        except BitstreamError as error:
            self._error = error
            self._buffer.clear()
        if self._error is not None and not units:
            raise self._error
        return units

    def close(self) -> None:
        """Say that the stream has ended. Raises Truncated when it ends inside a unit or before its signature."""
        if self._error is not None:
            raise self._error
        missing = self._at_start and (bool(self._buffer) or bool(self._expect_signature))
        if self._buffer or missing:
            self._error = Truncated(f"stream ends inside a unit, {len(self._buffer)} bytes after byte {self._consumed}")
            raise self._error

    def _next(self) -> Unit | None:
        if self._at_start and not self._take_signature():
            return None
        if self.ended and self._buffer:
            raise Corrupt("bytes follow the END unit")
        header = _parse_header(self._buffer, 0, self._limits)
        if header is None:
            return None
        body = header.start + header.size
        total = body + (_crc_bytes(header.unit_type) if header.crc else 0)
        if len(self._buffer) < total:
            return None
        data = bytes(self._buffer[:total])
        if header.crc and _crc(header.unit_type, data[:body]) != data[body:]:
            raise Corrupt(f"CRC of the unit of type {header.unit_type} at byte {self._consumed} does not match")
        del self._buffer[:total]
        self._consumed += total
        self.ended = header.unit_type == UnitType.END
        payload = data[header.start : body]
        return Unit(header.unit_type, payload, header.crc, header.extension, header.reserved)

    def _take_signature(self) -> bool:
        if not self._buffer:
            return False
        if self._expect_signature is False or (self._expect_signature is None and self._buffer[0] != SIGNATURE[0]):
            self._at_start = False
            return True
        head = bytes(self._buffer[: len(SIGNATURE)])
        if not SIGNATURE.startswith(head):
            raise Corrupt(f"not an nvc file: it starts with {head.hex()}, not {SIGNATURE.hex()}")
        if len(head) < len(SIGNATURE):
            return False
        del self._buffer[: len(SIGNATURE)]
        self._consumed += len(SIGNATURE)
        self._at_start = False
        return True


def parse_units(data: bytes, limits: Limits | None = None, *, keep_unknown: bool = False) -> list[Unit]:
    """All units of one complete packet or file. Raises BitstreamError subclasses at the first thing that is wrong."""
    reader = UnitReader(limits, keep_unknown=keep_unknown)
    units = reader.feed(data)
    reader.close()
    return units


def write_file_header(file: BinaryIO) -> int:
    """Write the signature that begins a file; returns the number of bytes written."""
    return file.write(SIGNATURE)


def find_resync(data: bytes, start: int = 0, limits: Limits | None = None) -> int | None:
    """Offset of the first whole RESYNC unit at or after ``start`` whose CRC holds, or None.

    After damage a reader may be started again there. Only the plain header (CRC, no extension byte) is looked for.
    """
    mark = bytes([UnitType.RESYNC << 3 | 4])
    at = data.find(mark, start)
    while at >= 0:
        try:
            header = _parse_header(data, at, limits or Limits())
        except BitstreamError:
            header = None
        if header is not None and header.size <= _MAX_RESYNC_BYTES:
            body, end = at + header.start + header.size, at + header.start + header.size + 4
            if end <= len(data) and _crc(UnitType.RESYNC, data[at:body]) == data[body:end]:
                return at
        at = data.find(mark, at + 1)
    return None
