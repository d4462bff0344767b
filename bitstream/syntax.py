"""The payload of MOTION units, and the one way from any unit to its fields and back.

Every payload is one frozen dataclass, checked alike when parsed and when built. ``to_payload()`` gives the bytes,
``from_payload(payload[, sequence])`` parses them; each is the other's inverse, to the bit. SEQUENCE is in
bitstream/sequence.py, KEYFRAME and PICTURE in bitstream/pictures.py, the ancillary ones in bitstream/ancillary.py.
Field names are the names of the specification; ``leb128`` and ``signed`` are defined in bitstream/bytefields.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from bitstream.ancillary import Audio, End, Index, Metadata, Resync
from bitstream.bytefields import check_range
from bitstream.errors import Corrupt, InvalidField, LimitExceeded, Unsupported
from bitstream.limits import MAX_MOTION_BYTES, MAX_MOTION_FRAMES, SOURCE_SLOTS
from bitstream.pictures import KeyFrame, Picture
from bitstream.rangecoder import RangeDecoder, SymbolCoder
from bitstream.sequence import MotionCrc, Sequence, known_value
from bitstream.units import Unit, UnitType

_SPECIAL = 1 << 10  # 1/64 of 2^16: how likely a MOTION header that is not the usual one is


class Truncation(IntEnum):
    """Which expression coefficients a MOTION unit carries: all, one number for all its frames, one number a frame."""

    NONE = 0
    UNIT = 1
    FRAME = 2


@dataclass(frozen=True, kw_only=True)
class Motion:
    """MOTION: 1 to 64 frames in one range coder run, which is the whole payload (``coded``).

    The run begins with a header that can be read alone::

        special       bit, p = 1024: 1 unless it is motion_group frames, unchanged sources, truncation NONE
        if special:
            frame_count - 1   6 bypass bits
            truncation        2 bypass bits; 3 is Unsupported
            has_sources       1 bypass bit
            if has_sources:   source mask, 4 bypass bits, bit k = slot k, not 0
            if UNIT:          count, as many bypass bits as N has binary digits, 0 to N - 1

    ``sources``: slots of the key pictures that these frames refer to, or None for those of the unit before (after a
    key frame, and in every unit when error_resilient: the slot of the last key frame). A header that says what the
    default would say is not canonical and Corrupt. The frames follow in the run: see :mod:`bitstream.motion`.
    """

    frame_count: int
    sources: tuple[int, ...] | None = None
    truncation: Truncation = Truncation.NONE
    count: int | None = None
    coded: bytes = b""

    def __post_init__(self) -> None:
        check_range("frame_count", self.frame_count, 1, MAX_MOTION_FRAMES)
        object.__setattr__(self, "truncation", known_value(Truncation, "truncation", self.truncation))
        if (self.count is None) != (self.truncation is not Truncation.UNIT):
            raise InvalidField(f"count = {self.count} with truncation {self.truncation.name}")
        if self.sources is not None:
            slots = tuple(sorted(set(self.sources)))
            check_range("number of sources", len(slots), 1, SOURCE_SLOTS)
            for slot in slots:
                check_range("source", slot, 0, SOURCE_SLOTS - 1)
            object.__setattr__(self, "sources", slots)
        check_range("bytes of MOTION", len(self.coded), 0, MAX_MOTION_BYTES)

    def code_header(self, coder: SymbolCoder, sequence: Sequence) -> Motion:
        """Encode this header, or decode one, whichever the coder does; returns the header (without ``coded``)."""
        usual = Motion(frame_count=sequence.motion_group)
        mine = replace(self, coded=b"")
        coder.label = "special"
        if not coder.bit(_SPECIAL, int(mine != usual)):
            return usual
        coder.label = "frame_count_minus_1"
        frames = coder.bypass(6, self.frame_count - 1) + 1
        coder.label = "truncation"
        truncation = known_value(Truncation, "truncation", coder.bypass(2, self.truncation))
        sources = self.sources
        coder.label = "sources_flag"
        if coder.bypass(1, int(sources is not None)):
            coder.label = "source_mask"
            mask = coder.bypass(SOURCE_SLOTS, sum(1 << slot for slot in sources or ()))
            sources = tuple(slot for slot in range(SOURCE_SLOTS) if mask >> slot & 1)
        else:
            sources = None
        count = None
        if truncation is Truncation.UNIT:
            coder.label = "count"
            count = coder.bypass(sequence.expression_count.bit_length(), self.count or 0)
            check_range("count", count, 0, sequence.expression_count - 1)
        header = Motion(frame_count=frames, sources=sources, truncation=truncation, count=count)  # type: ignore[arg-type]
        if header == usual:
            raise Corrupt("MOTION header spells out the defaults")
        return header

    def to_payload(self) -> bytes:
        """The payload of a MOTION unit."""
        return self.coded

    @classmethod
    def from_payload(cls, payload: bytes, sequence: Sequence) -> Motion:
        """Read the header of a MOTION payload; the frames in it take a MotionDecoder. Raises Corrupt, Unsupported."""
        if len(payload) > MAX_MOTION_BYTES:
            raise LimitExceeded(f"MOTION of {len(payload)} bytes, allowed {MAX_MOTION_BYTES}")
        header = cls(frame_count=1).code_header(RangeDecoder(payload), sequence)
        return replace(header, coded=bytes(payload))


Payload = Sequence | KeyFrame | Motion | Picture | Audio | Metadata | Index | End | Resync

_TYPES: dict[UnitType, Any] = {
    UnitType.SEQUENCE: Sequence,
    UnitType.KEYFRAME: KeyFrame,
    UnitType.MOTION: Motion,
    UnitType.PICTURE: Picture,
    UnitType.END: End,
    UnitType.AUDIO: Audio,
    UnitType.METADATA: Metadata,
    UnitType.INDEX: Index,
    UnitType.RESYNC: Resync,
}
_NEED_SEQUENCE = {UnitType.KEYFRAME, UnitType.MOTION, UnitType.PICTURE}


def parse_payload(unit: Unit, sequence: Sequence | None = None) -> Payload:
    """The fields of a unit. ``sequence``: the SEQUENCE in force, needed for KEYFRAME, MOTION and PICTURE.

    Also checks that the unit's CRC flag is the one that the sequence asks for. Raises BitstreamError subclasses.
    """
    if not isinstance(unit.type, UnitType):
        raise Unsupported(f"ancillary unit of unknown type {unit.type}")
    if unit.type not in _NEED_SEQUENCE:
        return _TYPES[unit.type].from_payload(unit.payload)  # type: ignore[no-any-return]
    if sequence is None:
        raise Corrupt(f"{unit.type.name} before any SEQUENCE")
    if unit.type is UnitType.MOTION and bool(unit.crc) != (sequence.motion_crc is MotionCrc.CRC16):
        raise Corrupt(f"MOTION with crc_flag {int(bool(unit.crc))}, SEQUENCE says {sequence.motion_crc.name}")
    return _TYPES[unit.type].from_payload(unit.payload, sequence)  # type: ignore[no-any-return]


def make_unit(payload: Payload, sequence: Sequence | None = None) -> Unit:
    """The unit that carries these fields; ``sequence`` is needed for MOTION, to know whether it has a CRC."""
    kind = next(k for k, payload_type in _TYPES.items() if payload_type is type(payload))
    if kind is not UnitType.MOTION:
        return Unit(kind, payload.to_payload())
    if sequence is None:
        raise InvalidField("a MOTION unit cannot be made without its SEQUENCE")
    return Unit(kind, payload.to_payload(), crc=sequence.motion_crc is MotionCrc.CRC16)
