"""The ancillary payloads and END: audio, text, the seek index, resynchronisation. They carry no picture.

``to_payload()`` gives the bytes, ``from_payload(payload)`` parses them; each is the other's inverse, to the bit.
``leb128`` and ``signed`` are defined in bitstream/bytefields.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from bitstream.bytefields import FieldReader, FieldWriter, check_range
from bitstream.errors import Corrupt, InvalidField, Unsupported
from bitstream.limits import MAX_PRESENTATION_INDEX, MAX_UNIT_BYTES

RESYNC_PATTERN = bytes.fromhex("D54E5652")
MAX_ENTRIES = 65536  # of one AUDIO, METADATA or INDEX unit
_TIME_BITS = 62


def _check_entries(name: str, count: int) -> None:
    if count > MAX_ENTRIES:
        raise InvalidField(f"{name} has {count} entries, allowed {MAX_ENTRIES}")


@dataclass(frozen=True, kw_only=True)
class AudioHeader:
    """What a player needs before the first audio packet.

    codec: a codec name as FFmpeg spells it, 1 to 32 characters of a-z 0-9 _ -; time_base: seconds a tick as a
    fraction, both parts 1 to 2^31 - 1; sample_rate: Hz, 1 to 2^28 - 1; channels: 1 to 255; extradata: any bytes.
    """

    codec: str
    time_base_numerator: int
    time_base_denominator: int
    sample_rate: int
    channels: int
    extradata: bytes = b""

    def __post_init__(self) -> None:
        allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_-")
        if not 1 <= len(self.codec) <= 32 or not set(self.codec) <= allowed:
            raise InvalidField(f"codec = {self.codec!r}, allowed 1 to 32 of a-z 0-9 _ -")
        check_range("time_base_numerator", self.time_base_numerator, 1, (1 << 31) - 1)
        check_range("time_base_denominator", self.time_base_denominator, 1, (1 << 31) - 1)
        check_range("sample_rate", self.sample_rate, 1, (1 << 28) - 1)
        check_range("channels", self.channels, 1, 255)
        object.__setattr__(self, "extradata", bytes(self.extradata))
        check_range("bytes of extradata", len(self.extradata), 0, 1 << 20)

    def write(self, out: FieldWriter) -> None:
        out.block(self.codec.encode("ascii"))
        for number in (self.time_base_numerator, self.time_base_denominator, self.sample_rate):
            out.leb128(number)
        out.u8(self.channels)
        out.block(self.extradata)

    @classmethod
    def read(cls, fields: FieldReader) -> AudioHeader:
        return cls(
            codec=fields.block().decode("latin-1"),
            time_base_numerator=fields.leb128(31),
            time_base_denominator=fields.leb128(31),
            sample_rate=fields.leb128(),
            channels=fields.u8(),
            extradata=fields.block(),
        )


@dataclass(frozen=True)
class AudioPacket:
    """One coded audio packet as it was: ``pts`` (signed) and ``duration`` (from 0) in ticks of the time base."""

    pts: int
    duration: int
    data: bytes

    def __post_init__(self) -> None:
        check_range("pts", self.pts, -(1 << _TIME_BITS - 3), (1 << _TIME_BITS - 3) - 1)
        check_range("duration", self.duration, 0, (1 << 31) - 1)
        object.__setattr__(self, "data", bytes(self.data))


@dataclass(frozen=True)
class Audio:
    """AUDIO: packets of the source's audio track, untouched.

    ===========  ======  =============================================================================================
    flags        u(8)    1: a header follows, 0: none; other values are Unsupported. The first AUDIO unit has one
    header               codec (length leb128, ASCII), time_base_numerator, time_base_denominator (leb128, 31 bits),
                         sample_rate leb128, channels u(8), extradata (length leb128, bytes)
    packets              to the end of the payload, each: pts signed (62 bits), as the difference to the pts plus
                         duration of the packet before it in the unit, the first to 0; duration leb128 (31 bits);
                         data (length leb128, bytes)
    ===========  ======  =============================================================================================
    """

    header: AudioHeader | None = None
    packets: tuple[AudioPacket, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "packets", tuple(self.packets))
        _check_entries("AUDIO", len(self.packets))
        check_range("bytes of AUDIO", sum(len(packet.data) for packet in self.packets), 0, MAX_UNIT_BYTES)

    def to_payload(self) -> bytes:
        """The payload of an AUDIO unit."""
        out = FieldWriter()
        out.u8(int(self.header is not None))
        if self.header is not None:
            self.header.write(out)
        expected = 0
        for packet in self.packets:
            out.signed(packet.pts - expected)
            out.leb128(packet.duration)
            out.block(packet.data)
            expected = packet.pts + packet.duration
        return bytes(out)

    @classmethod
    def from_payload(cls, payload: bytes) -> Audio:
        """Parse an AUDIO payload. Raises Corrupt, InvalidField, Unsupported."""
        read = FieldReader(payload)
        flags = read.u8()
        if flags > 1:
            raise Unsupported(f"AUDIO flags 0x{flags:02x}, known are 0 and 1")
        header = AudioHeader.read(read) if flags else None
        packets: list[AudioPacket] = []
        expected = 0
        while read.left:
            _check_entries("AUDIO", len(packets) + 1)
            packet = AudioPacket(expected + read.signed(_TIME_BITS), read.leb128(31), read.block())
            expected = packet.pts + packet.duration
            packets.append(packet)
        return cls(header, tuple(packets))


@dataclass(frozen=True)
class Metadata:
    """METADATA: pairs of key and value, both UTF-8 text; each is sent as a length in leb128 and the bytes.

    Keys are 1 to 255 bytes. ``nvc.`` begins the keys of this format (provenance).
    """

    entries: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple((str(key), str(value)) for key, value in self.entries))
        _check_entries("METADATA", len(self.entries))
        for key, _ in self.entries:
            check_range(f"bytes of metadata key {key!r}", len(_utf8(key)), 1, 255)
        check_range("bytes of METADATA", len(self.to_payload()), 0, MAX_UNIT_BYTES)

    def to_payload(self) -> bytes:
        """The payload of a METADATA unit."""
        out = FieldWriter()
        for pair in self.entries:
            for text in pair:
                out.block(_utf8(text))
        return bytes(out)

    @classmethod
    def from_payload(cls, payload: bytes) -> Metadata:
        """Parse a METADATA payload. Raises Corrupt, InvalidField."""
        read = FieldReader(payload)
        entries: list[tuple[str, str]] = []
        try:
            while read.left:
                _check_entries("METADATA", len(entries) + 1)
                entries.append((read.block().decode("utf-8"), read.block().decode("utf-8")))
        except UnicodeDecodeError as error:
            raise Corrupt(f"METADATA is not UTF-8: {error.reason}") from None
        return cls(tuple(entries))


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidField(f"text cannot be UTF-8: {error.reason}") from None


@dataclass(frozen=True)
class Index:
    """INDEX: presentation index and byte offset from the start of the file of every key frame's SEQUENCE or KEYFRAME
    unit, both strictly increasing; sent as differences in leb128, the first ones to 0.
    """

    entries: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple((int(index), int(offset)) for index, offset in self.entries))
        _check_entries("INDEX", len(self.entries))
        last_index, last_offset = -1, -1
        for index, offset in self.entries:
            check_range("presentation_index in INDEX", index, last_index + 1, MAX_PRESENTATION_INDEX)
            check_range("offset in INDEX", offset, last_offset + 1, (1 << 62) - 1)
            last_index, last_offset = index, offset

    def to_payload(self) -> bytes:
        """The payload of an INDEX unit."""
        out = FieldWriter()
        last_index = last_offset = 0
        for index, offset in self.entries:
            out.leb128(index - last_index)
            out.leb128(offset - last_offset)
            last_index, last_offset = index, offset
        return bytes(out)

    @classmethod
    def from_payload(cls, payload: bytes) -> Index:
        """Parse an INDEX payload. Raises Corrupt, InvalidField."""
        read = FieldReader(payload)
        entries: list[tuple[int, int]] = []
        index = offset = 0
        while read.left:
            _check_entries("INDEX", len(entries) + 1)
            index += read.leb128()
            offset += read.leb128(62)
            entries.append((index, offset))
        return cls(tuple(entries))


@dataclass(frozen=True)
class End:
    """END: nothing follows; a file without one has been cut. The payload is empty."""

    def to_payload(self) -> bytes:
        """The empty payload."""
        return b""

    @classmethod
    def from_payload(cls, payload: bytes) -> End:
        """Raises Corrupt unless the payload is empty."""
        FieldReader(payload).end()
        return cls()


@dataclass(frozen=True)
class Resync:
    """RESYNC: where a reader may start again after damage, and whether the key frame that it holds is still the one.

    The bytes D5 4E 56 52, ``presentation_index`` (leb128) of the frame that follows, and ``key_distance`` (leb128):
    that index less the one of the key frame which the next frames need; 0 when that key frame itself follows.
    """

    presentation_index: int
    key_distance: int = 0

    def __post_init__(self) -> None:
        check_range("presentation_index", self.presentation_index, 0, MAX_PRESENTATION_INDEX)
        check_range("key_distance", self.key_distance, 0, self.presentation_index)

    def to_payload(self) -> bytes:
        """The payload of a RESYNC unit."""
        out = FieldWriter()
        out.raw(RESYNC_PATTERN)
        out.leb128(self.presentation_index)
        out.leb128(self.key_distance)
        return bytes(out)

    @classmethod
    def from_payload(cls, payload: bytes) -> Resync:
        """Parse a RESYNC payload. Raises Corrupt, InvalidField."""
        read = FieldReader(payload)
        if read.raw(len(RESYNC_PATTERN)) != RESYNC_PATTERN:
            raise Corrupt("RESYNC does not begin with its pattern")
        unit = cls(read.leb128(), read.leb128())
        read.end()
        return unit
