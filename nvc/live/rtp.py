"""Units in RTP packets (spec, Annex D), and the feedback that receivers send (RFC 4585).

A payload is one byte, ``S | E | key_count``, and then whole units, or a part of one unit. All packets of a frame have
its timestamp, and the last of them the marker bit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from bitstream import Unit, UnitType

CLOCK = 90_000  # ticks of a timestamp in a second
PAYLOAD_TYPE = 96
MAX_DATAGRAM = 1200  # bytes that pass everywhere without being cut up on the way
_LARGEST = 4096  # bytes of a datagram that are looked at: what a receiver holds stays within 16 megabytes
_HEADER = struct.Struct("!BBHII")
_VERSION = 2 << 6
_MARKER = 0x80
_BEGINS, _ENDS, _COUNT = 0x80, 0x40, 0x3F
_PICTURE_LOSS = struct.Struct("!BBHII")  # RFC 4585, 6.3.1
_NACK = struct.Struct("!HH")  # RFC 4585, 6.2.1: a packet and a bit each for the sixteen after it
_RTPFB, _PSFB = 205, 206
_SEQUENCE_MASK, _TIME_MASK = 0xFFFF, 0xFFFFFFFF


class NotRtp(ValueError):
    """A datagram that is not an RTP packet of an nvc stream."""


@dataclass(frozen=True)
class Packet:
    """One RTP packet.

    Attributes:
        sequence: number of the packet, modulo 2^16.
        timestamp: of its frame, ticks of 90 kHz modulo 2^32.
        source: SSRC, what tells one sender from another.
        marker: whether it is the last packet of its frame.
        begins, ends: whether its first byte begins a unit, and its last byte ends one.
        key_count: KEYFRAMEs that have begun so far, this packet's counted, modulo 64.
        data: units, or part of one.
    """

    sequence: int
    timestamp: int
    source: int
    marker: bool
    begins: bool
    ends: bool
    key_count: int
    data: bytes

    def to_bytes(self) -> bytes:
        """The datagram."""
        kind = PAYLOAD_TYPE | (_MARKER if self.marker else 0)
        flags = (_BEGINS if self.begins else 0) | (_ENDS if self.ends else 0) | self.key_count
        return _HEADER.pack(_VERSION, kind, self.sequence, self.timestamp, self.source) + bytes([flags]) + self.data

    @classmethod
    def from_bytes(cls, datagram: bytes) -> Packet:
        """Parse a datagram. Raises NotRtp."""
        if len(datagram) <= _HEADER.size:
            raise NotRtp(f"{len(datagram)} bytes are too few for an RTP packet")
        if len(datagram) > _LARGEST:
            raise NotRtp(f"{len(datagram)} bytes, allowed are {_LARGEST}")
        first, kind, sequence, timestamp, source = _HEADER.unpack_from(datagram)
        if first != _VERSION or kind & 0x7F != PAYLOAD_TYPE:
            raise NotRtp(f"first bytes are {datagram[:2].hex()}; no RTP packet of an nvc stream begins so")
        flags = datagram[_HEADER.size]
        begins, ends = bool(flags & _BEGINS), bool(flags & _ENDS)
        data = datagram[_HEADER.size + 1 :]
        return cls(sequence, timestamp, source, bool(kind & _MARKER), begins, ends, flags & _COUNT, data)


def ticks(index: int, frame_rate: Fraction) -> int:
    """Timestamp of presentation index ``index`` less that of index 0, not reduced."""
    return round(CLOCK * index / frame_rate)


class Packetiser:
    """Units of a frame to packets."""

    def __init__(self, frame_rate: Fraction, *, source: int, sequence: int = 0, timestamp: int = 0) -> None:
        """``sequence`` and ``timestamp`` of the first packet; RFC 3550 wants them to be random."""
        self._rate = frame_rate
        self._source = source
        self._sequence = sequence
        self._origin = timestamp
        self._keys = 0

    def frame(self, index: int, units: Iterable[Unit]) -> list[Packet]:
        """The packets of the frame with presentation index ``index``."""
        pieces: list[tuple[bytes, bool, bool, int]] = []
        room = MAX_DATAGRAM - _HEADER.size - 1
        for unit in units:
            self._keys += unit.type is UnitType.KEYFRAME
            data, count = unit.to_bytes(), self._keys % (_COUNT + 1)
            whole = bool(pieces) and pieces[-1][2] and pieces[-1][3] == count
            if whole and len(pieces[-1][0]) + len(data) <= room and pieces[-1][1]:
                pieces[-1] = (pieces[-1][0] + data, True, True, count)
                continue
            parts = [data[start : start + room] for start in range(0, len(data), room)]
            pieces += [(part, k == 0, k == len(parts) - 1, count) for k, part in enumerate(parts)]
        stamp = (self._origin + ticks(index, self._rate)) & _TIME_MASK
        packets = []
        for k, (data, begins, ends, count) in enumerate(pieces):
            last = k == len(pieces) - 1
            packets.append(Packet(self._sequence, stamp, self._source, last, begins, ends, count, data))
            self._sequence = self._sequence + 1 & _SEQUENCE_MASK
        return packets


def whole_units(packets: Sequence[Packet]) -> bytes:
    """All units of a frame that are complete in ``packets``, which are in order; parts of others are left out."""
    result = b""
    part: bytes | None = None
    before: Packet | None = None
    for packet in packets:
        if packet.begins:
            part = packet.data
        elif part is not None and before is not None and packet.sequence == before.sequence + 1 & _SEQUENCE_MASK:
            part += packet.data
        else:
            part = None
        if part is not None and packet.ends:
            result, part = result + part, None
        before = packet
    return result


def picture_loss(source: int) -> bytes:
    """The feedback packet that asks the sender ``source`` for a key frame."""
    return _PICTURE_LOSS.pack(_VERSION | 1, _PSFB, 2, 0, source)


def missing(source: int, sequences: Iterable[int]) -> bytes:
    """The feedback packet that asks the sender ``source`` for packets again, by their sequence numbers."""
    items: list[list[int]] = []
    for number in sequences:
        ahead = number - items[-1][0] - 1 & _SEQUENCE_MASK if items else 16
        if ahead < 16:
            items[-1][1] |= 1 << ahead
        else:
            items.append([number & _SEQUENCE_MASK, 0])
    head = _PICTURE_LOSS.pack(_VERSION | 1, _RTPFB, 2 + len(items), 0, source)
    return head + b"".join(_NACK.pack(*item) for item in items)


@dataclass(frozen=True)
class Feedback:
    """What a receiver wants: a key frame, or packets again by their sequence numbers."""

    key_frame: bool = False
    again: tuple[int, ...] = ()


def parse_feedback(datagram: bytes, source: int) -> Feedback:
    """What a datagram asks of the sender ``source``; nothing if it is no feedback, or not for this one."""
    if len(datagram) < _PICTURE_LOSS.size:
        return Feedback()
    first, kind, _, _, media = _PICTURE_LOSS.unpack_from(datagram)
    if first != _VERSION | 1 or media != source:
        return Feedback()
    if kind == _PSFB:
        return Feedback(key_frame=True)
    if kind != _RTPFB:
        return Feedback()
    again: list[int] = []
    whole = len(datagram) - len(datagram) % _NACK.size
    for number, bits in _NACK.iter_unpack(datagram[_PICTURE_LOSS.size : whole]):
        again += [number, *(number + 1 + k & _SEQUENCE_MASK for k in range(16) if bits >> k & 1)]
    return Feedback(again=tuple(again))
