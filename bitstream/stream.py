"""The order of units: from units to frames with presentation indices, strictly, or carrying on after damage.

:class:`StreamDecoder` holds what one unit must know of those before it: the SEQUENCE in force, the source slots, the
motion state, the next presentation index. It is all of Part A that is not inside one unit. The rules, in short:

* a SEQUENCE with the payload of the one in force is a repeat and changes nothing; another one empties the source slots
  and wants a KEYFRAME before any MOTION or PICTURE;
* KEYFRAME and PICTURE say their presentation index, never one below the next; MOTION frames take the next ones; a
  KEYFRAME that is a source only leaves its index to the frame after it;
* an index that is skipped shows the frame before it again; at most 1024 between two frames;
* at most four KEYFRAMEs that are sources only come between two frames.

:func:`read_damaged` reads what can be read of a damaged file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from bitstream.ancillary import Audio, Resync
from bitstream.errors import BitstreamError, Corrupt, LimitExceeded
from bitstream.limits import MAX_PRESENTATION_INDEX, MAX_SOURCES_ONLY, Limits
from bitstream.motion import MotionDecoder
from bitstream.pictures import KeyFrame, KeyUse, Picture
from bitstream.rangecoder import RangeDecoder
from bitstream.sequence import Sequence
from bitstream.syntax import Motion, Payload, parse_payload
from bitstream.units import Unit, UnitReader, UnitType, find_resync

MAX_SKIPPED_FRAMES = 1024  # indices that KEYFRAMEs and PICTUREs may leave out between two frames
MAX_CONCEALED_FRAMES = 64  # lost frames in a row that get integers of their own; the rest repeats the last of them
HOLD_FRAMES = 5  # of these, so many repeat the last frame before they turn towards the key frame
MAX_RESTARTS = 1024  # searches for a RESYNC in one damaged file, so that no file takes quadratic time
_FIRST_PORTION = 1024  # bytes given to a reader at once, doubled each time


class FrameKind(IntEnum):
    """Which unit a frame came from; CONCEALED: none, it was lost."""

    KEYFRAME = 1
    MOTION = 2
    PICTURE = 3
    CONCEALED = 15


@dataclass(frozen=True)
class Frame:
    """One output frame as Part A knows it.

    ``values``: 7 + N motion integers (pose, expression); ``sources``: slots of the key pictures it is drawn from. Both
    empty for a PICTURE, and for a concealed frame that can only show the frame before it again.
    """

    presentation_index: int
    kind: FrameKind
    values: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()


def conceal(last: tuple[int, ...], key: tuple[int, ...], run: int) -> tuple[int, ...]:
    """Integers of the ``run``-th lost frame in a row (from 1): hold five frames, then an eighth of the way to the key.

    ``last``: integers of the frame before, ``key``: those of the key frame. The way is rounded up, so it ends there.
    """
    if run <= HOLD_FRAMES:
        return last
    return tuple(v - (v - k + 7 >> 3) if v > k else v + (k - v + 7 >> 3) for v, k in zip(last, key, strict=True))


class StreamDecoder:
    """Units in, frames of Part A out. One for every stream; strict unless :meth:`damage` has been called.

    ``model_id``: 16 bytes of the model at hand, or None to take any. ``coder`` makes the reader of a MOTION payload;
    tools give one that watches. After an error the state is as before the unit.
    """

    def __init__(
        self,
        *,
        model_id: bytes | None = None,
        limits: Limits | None = None,
        coder: Callable[[bytes], RangeDecoder] = RangeDecoder,
    ) -> None:
        self._model_id = model_id
        self._coder = coder
        self._limits = limits or Limits()
        self._motion: MotionDecoder | None = None
        self._audio = self._motion_lost = self._picture_lost = False
        self._last: Frame | None = None
        self._drawable = False  # whether the last frame is one of the SEQUENCE in force
        self._run = 0  # of concealed frames up to the last one
        self._left_out = self._sources_only = 0  # indices, key frames: since the last frame or damage
        self.sequence: Sequence | None = None  #: in force
        self.slots: dict[int, KeyFrame] = {}  #: key frames held as sources
        self.key: KeyFrame | None = None  #: the last key frame
        self.payload: Payload | None = None  #: fields of the last unit
        self.next_index = 0  #: of the frame that follows

    def decode(self, unit: Unit) -> list[Frame]:
        """Frames that this unit gives. Raises BitstreamError subclasses."""
        if self._motion_lost and unit.type is UnitType.MOTION:
            return []
        payload = parse_payload(unit, self.sequence)
        frames: list[Frame] = []
        if isinstance(payload, Sequence):
            self._start_sequence(payload)
        elif isinstance(payload, KeyFrame):
            frames = self._key_frame(payload, KeyUse.of(unit.extension))
        elif isinstance(payload, Motion):
            frames = self._motion_frames(payload)
        elif isinstance(payload, Picture):
            frames = self._picture(payload)
        elif isinstance(payload, Audio):
            self._check_audio(payload)
        elif isinstance(payload, Resync):
            frames = self._resync(payload)
        self.payload = payload
        for frame in frames:
            self._note(frame)
        return frames

    def _note(self, frame: Frame) -> None:
        """Remember a frame that goes out. A concealed one ends no count: :meth:`damage` has."""
        if frame.kind is FrameKind.CONCEALED:
            self._run += 1
        else:
            self._run = self._left_out = self._sources_only = 0
        self._last, self._drawable = frame, self.key is not None
        self.next_index = max(self.next_index, frame.presentation_index + 1)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many expression integers each frame of the last MOTION unit carried."""
        return () if self._motion is None else self._motion.counts

    def damage(self) -> None:
        """Say that units may have been lost here: nothing is drawn from MOTION or PICTURE until it is sure again."""
        self._motion_lost = self._picture_lost = True
        self._left_out = self._sources_only = 0

    def _start_sequence(self, sequence: Sequence) -> None:
        if sequence == self.sequence:
            return
        if self._model_id is not None:
            sequence.check_model(self._model_id)
        if sequence.side**2 > self._limits.max_pixels:
            raise LimitExceeded(f"side {sequence.side}, allowed are {self._limits.max_pixels} pixels")
        self.sequence, self._motion = sequence, MotionDecoder(sequence, coder=self._coder)
        self.slots, self.key, self._drawable, self._sources_only = {}, None, False, 0

    def _key_frame(self, key: KeyFrame, use: KeyUse) -> list[Frame]:
        if use is KeyUse.SOURCE_ONLY and self._sources_only == MAX_SOURCES_ONLY:
            raise Corrupt(f"more than {MAX_SOURCES_ONLY} KEYFRAMEs that are sources only without a frame between them")
        gap = self._skip_to(key.presentation_index)
        if self._motion_lost and self.sequence is not None:  # a key frame may be lost: what the slots hold is unsure
            self._motion, self.slots = MotionDecoder(self.sequence, coder=self._coder), {}
        if self._motion is not None:  # parse_payload has refused a KEYFRAME without a SEQUENCE
            self._motion.start(key)
        self.slots[key.source_slot], self.key = key, key
        self._motion_lost = self._picture_lost = False
        self.next_index = key.presentation_index
        if use is KeyUse.SOURCE_ONLY:
            self._sources_only += 1
            return gap
        return [*gap, Frame(key.presentation_index, FrameKind.KEYFRAME, key.values, (key.source_slot,))]

    def _motion_frames(self, header: Motion) -> list[Frame]:
        if self._motion is None or self.key is None:
            raise Corrupt("MOTION before any KEYFRAME")
        first = self.next_index
        if first + header.frame_count - 1 > MAX_PRESENTATION_INDEX:
            raise Corrupt(f"MOTION goes beyond presentation index {MAX_PRESENTATION_INDEX}")
        rows = self._motion.decode(header.coded).tolist()
        sources = self._motion.sources
        return [Frame(first + t, FrameKind.MOTION, tuple(row), sources) for t, row in enumerate(rows)]

    def _picture(self, picture: Picture) -> list[Frame]:
        if self._picture_lost:  # the picture that it refers to is not there
            gap = self._skip_to(picture.last_index + 1)
            self.next_index = picture.last_index + 1
            return gap
        if self.key is None:
            raise Corrupt("PICTURE before any KEYFRAME")
        gap = self._skip_to(picture.presentation_index)
        shown = range(picture.presentation_index, picture.last_index + 1)
        return [*gap, *(Frame(index, FrameKind.PICTURE) for index in shown)]

    def _check_audio(self, audio: Audio) -> None:
        if audio.header is None and not self._audio:
            raise Corrupt("AUDIO without a header before the first one")
        self._audio = True

    def _resync(self, mark: Resync) -> list[Frame]:
        key_index = mark.presentation_index - mark.key_distance
        same_key = self.key is not None and key_index == self.key.presentation_index
        if self._motion_lost:
            gap = self._skip_to(mark.presentation_index)
            self._motion_lost = not (same_key and self.sequence is not None and self.sequence.error_resilient)
        elif self._last is not None and mark.presentation_index != self.next_index:
            raise Corrupt(f"RESYNC says frame {mark.presentation_index} follows, it is frame {self.next_index}")
        elif mark.key_distance and not same_key:
            raise Corrupt(f"RESYNC says that key frame {key_index} is needed, it is not the last one")
        else:
            gap = []
        self.next_index = mark.presentation_index
        return gap

    def _skip_to(self, index: int) -> list[Frame]:
        """Check that ``index`` is not in the past; the frames concealed before it when units were lost."""
        if index < self.next_index:
            raise Corrupt(f"presentation index {index}, must be at least {self.next_index}")
        if self._last is None:
            return []
        skipped = index - self.next_index
        if not (self._motion_lost or self._picture_lost):
            skipped += self._left_out
            if skipped > MAX_SKIPPED_FRAMES:
                raise Corrupt(f"presentation index {index} leaves out {skipped} frames, allowed {MAX_SKIPPED_FRAMES}")
            self._left_out = skipped
            return []
        held = self._drawable and set(self._last.sources) <= set(self.slots)
        values, sources = (self._last.values, self._last.sources) if held else ((), ())
        frames = []
        for k in range(min(skipped, MAX_CONCEALED_FRAMES)):
            if values and self.key is not None:
                values = conceal(values, self.key.values, self._run + k + 1)
            frames.append(Frame(self.next_index + k, FrameKind.CONCEALED, values, sources))
        return frames


def read_damaged(data: bytes, *, model_id: bytes | None = None, limits: Limits | None = None) -> list[Frame]:
    """Frames of a file that may be damaged anywhere. After damage, reading goes on at the next RESYNC.

    Lost frames are concealed as soon as it is known how many they were; reading stops for good at the 1025th damage of
    the framing. Raises Unsupported, LimitExceeded and ModelMismatch for an undamaged unit that this decoder cannot
    take; never Corrupt or Truncated.
    """
    decoder = StreamDecoder(model_id=model_id, limits=limits)
    frames: list[Frame] = []
    start: int | None = 0
    for _ in range(MAX_RESTARTS + 1):
        if start is None:
            break
        reader = UnitReader(limits, signature=False if start else None)
        for unit in _until_damage(reader, data, start):
            try:
                frames += decoder.decode(unit)
            except Corrupt:
                decoder.damage()
        if reader.ended:
            break
        decoder.damage()
        start = find_resync(data, start + reader.offset + 1, limits)
    return frames


def _until_damage(reader: UnitReader, data: bytes, start: int) -> Iterator[Unit]:
    """Units from byte ``start`` on, until the framing breaks or the data ends; reads little further than that."""
    portion = _FIRST_PORTION
    while start < len(data):
        try:
            yield from reader.feed(data[start : start + portion])
        except BitstreamError:
            return
        start += portion
        portion *= 2
