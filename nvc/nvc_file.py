"""The layout of an .nvc file: signature, units with audio between them, INDEX and END at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from bitstream import (
    Audio,
    AudioHeader,
    AudioPacket,
    Corrupt,
    End,
    Index,
    KeyFrame,
    KeyUse,
    Limits,
    Motion,
    Payload,
    Picture,
    Sequence,
    Truncated,
    Unit,
    UnitReader,
    UnitType,
    Unsupported,
    make_unit,
    parse_payload,
    write_file_header,
)

_PORTION = 1 << 16
_AUDIO_UNIT_BYTES = 1 << 20
_MAX_INDEX_ENTRIES = 65536


class NvcWriter:
    """Writes a file to an open binary stream.

    ``audio`` and ``packets`` (in the order of time, 0 = first frame) go between the units of the frames that they are
    heard with. ``count`` is told every unit that this class adds.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        frame_rate: Fraction,
        audio: AudioHeader | None = None,
        packets: Iterator[AudioPacket] | None = None,
        count: Callable[[Unit], None] = lambda unit: None,
    ) -> None:
        self._file = file
        self._rate = frame_rate
        self._audio = audio
        self._packets = packets if audio is not None and packets is not None else iter(())
        self._count = count
        self._next_packet: AudioPacket | None = None
        self._entries: list[tuple[int, int]] = []
        self._last: UnitType | int | None = None
        self._sequence_at = 0
        self.size = write_file_header(file)  #: bytes written so far
        if audio is not None:
            self._add(make_unit(Audio(audio)))
            self._next_packet = next(self._packets, None)

    def write(self, units: list[Unit], index: int, *, seekable: bool = True) -> None:
        """Write units, of which a KEYFRAME is output frame ``index`` and motion comes before or at it.

        ``seekable``: decoding can begin at that KEYFRAME, so it is listed in the index.
        """
        if units:
            self._write_audio(index / self._rate)
        for unit in units:
            if unit.type is UnitType.SEQUENCE:
                self._sequence_at = self.size
            listed = seekable and len(self._entries) < _MAX_INDEX_ENTRIES
            if unit.type is UnitType.KEYFRAME and listed and (not self._entries or index > self._entries[-1][0]):
                with_sequence = self._last is UnitType.SEQUENCE
                self._entries.append((index, self._sequence_at if with_sequence else self.size))
            self._put(unit)

    def finish(self) -> None:
        """Write the rest of the audio, the index and the end."""
        self._write_audio(None)
        self._add(make_unit(Index(tuple(self._entries))))
        self._add(make_unit(End()))

    def _write_audio(self, until: Fraction | None) -> None:
        """Packets that begin before ``until`` seconds, all if None."""
        if self._audio is None:
            return
        tick = Fraction(self._audio.time_base_numerator, self._audio.time_base_denominator)
        packets: list[AudioPacket] = []
        size = 0
        while (packet := self._next_packet) is not None and (until is None or packet.pts * tick < until):
            packets.append(packet)
            size += len(packet.data)
            self._next_packet = next(self._packets, None)
            if size >= _AUDIO_UNIT_BYTES:
                self._add(make_unit(Audio(None, tuple(packets))))
                packets, size = [], 0
        if packets:
            self._add(make_unit(Audio(None, tuple(packets))))

    def _add(self, unit: Unit) -> None:
        self._count(unit)
        self._put(unit)

    def _put(self, unit: Unit) -> None:
        data = unit.to_bytes()
        self._file.write(data)
        self.size += len(data)
        self._last = unit.type


@dataclass(frozen=True)
class Contents:
    """What a file holds, known before anything is decoded: its first SEQUENCE, number of frames, audio."""

    sequence: Sequence
    frame_count: int
    audio: AudioHeader | None


class NvcFile:
    """Reads a file; ``units()`` as often as wanted. Raises OSError when it cannot be read."""

    def __init__(self, path: str | os.PathLike[str], *, limits: Limits | None = None) -> None:
        self._path = Path(path)
        self._limits = limits

    def units(self) -> Iterator[Unit]:
        """All units in order. Raises BitstreamError subclasses; Truncated when there is no END."""
        reader = UnitReader(self._limits, signature=True)
        with self._open() as file:
            while portion := file.read(_PORTION):
                yield from reader.feed(portion)
        reader.close()
        if not reader.ended:
            raise Truncated("the file has no END unit: it has been cut")

    def contents(self) -> Contents:
        """Look through the whole file: framing, checksums and headers, no motion and no picture.

        Raises BitstreamError subclasses; Unsupported when frame rate or side change on the way.
        """
        first: Sequence | None = None
        sequence: Sequence | None = None
        audio: AudioHeader | None = None
        span = _Span()
        for unit in self.units():
            if not isinstance(unit.type, UnitType):
                continue
            payload = parse_payload(unit, sequence)
            if isinstance(payload, Sequence):
                sequence, first = payload, first or payload
                _check_same(first, sequence)
            elif isinstance(payload, Audio):
                audio = audio or payload.header
            span.add(unit, payload)
        if first is None or span.following is None:
            raise Corrupt("there is no key frame in the file")
        if span.start is None:
            raise Corrupt("there is no frame in the file, only sources of frames")
        return Contents(first, span.end - span.start, audio)

    def _open(self) -> BinaryIO:
        try:
            return open(self._path, "rb")
        except OSError as error:
            raise type(error)(error.errno, f"cannot read {self._path}: {error.strerror}") from None


class _Span:
    """Indices of the first frame and after the last one, of all units so far; sources only are no frames."""

    def __init__(self) -> None:
        self.start: int | None = None
        self.end = 0
        self.following: int | None = None  # index of the next frame, known from the first key frame on

    def add(self, unit: Unit, payload: Payload) -> None:
        """The next unit."""
        if isinstance(payload, KeyFrame):
            self.following = payload.presentation_index
            count = 0 if KeyUse.of(unit.extension) is KeyUse.SOURCE_ONLY else 1
        elif isinstance(payload, Picture):
            self.following, count = payload.presentation_index, payload.picture_count
        else:
            count = payload.frame_count if isinstance(payload, Motion) else 0
        if count and self.following is not None:
            self.start = self.following if self.start is None else self.start
            self.end = self.following = self.following + count


def _check_same(first: Sequence, other: Sequence) -> None:
    if (first.side, first.frame_rate) != (other.side, other.frame_rate):
        change = f"{first.side} at {first.frame_rate} to {other.side} at {other.frame_rate}"
        raise Unsupported(f"side or frame rate change within the file, from {change}: a video file cannot hold that")
