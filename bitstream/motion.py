"""MOTION payloads: motion integers to bytes and back, with the state that lives between key frames.

The rules of one frame are in :mod:`bitstream.motionmodel`, the header of the run in :class:`bitstream.syntax.Motion`.
State is started by a key frame and kept from unit to unit; with ``error_resilient`` every unit starts from the key
frame again. A frame is 7 + N integers: pitch, yaw, roll, tx, ty, tz, log2 scale, then N expression integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence as Values

import numpy as np
import numpy.typing as npt

from bitstream.errors import Corrupt, InvalidField, LimitExceeded
from bitstream.limits import MAX_MOTION_BYTES, MAX_MOTION_FRAMES, MAX_VALUE, MIN_VALUE
from bitstream.motionmodel import MotionModel
from bitstream.pictures import KeyFrame
from bitstream.rangecoder import BIT_TOTAL, PRECISION, FrequencyTable, RangeDecoder, RangeEncoder
from bitstream.sequence import Sequence
from bitstream.syntax import Motion, Truncation

Frames = npt.NDArray[np.int32]
_BIT_COST = [math.inf] + [-math.log2(p / BIT_TOTAL) for p in range(1, BIT_TOTAL)]


class BitCounter:
    """A SymbolCoder that writes nothing and adds up the ideal code length, in bits."""

    label = ""

    def __init__(self) -> None:
        self.bits = 0.0

    def symbol(self, table: FrequencyTable, symbol: int = 0) -> int:
        self.bits += PRECISION - math.log2(table.frequencies[symbol])
        return symbol

    def bit(self, p: int, bit: int = 0) -> int:
        self.bits += _BIT_COST[p if bit else BIT_TOTAL - p]
        return bit

    def bypass(self, bits: int, value: int = 0) -> int:
        self.bits += bits
        return value


class _MotionCoder:
    """What encoder and decoder have in common: key frames, sources, and the model's life."""

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self._model: MotionModel | None = None
        self._start: MotionModel | None = None
        self._slots: set[int] = set()
        self._latest: tuple[int, ...] = ()
        self.sources: tuple[int, ...] = ()  #: slots that the last unit refers to

    def start(self, key: KeyFrame) -> None:
        """Begin again from a key frame; which becomes a source in its slot. Raises InvalidField if it does not fit."""
        key.check(self.sequence)
        self._start = MotionModel(self.sequence, key.values)
        self._model = self._start.clone()
        self._slots.add(key.source_slot)
        self.sources = self._latest = (key.source_slot,)

    def _begin_unit(self) -> tuple[MotionModel, tuple[int, ...]]:
        """A copy of the state to work on, and the sources that hold if the unit names none."""
        if self._model is None or self._start is None:
            raise Corrupt("MOTION before any KEYFRAME")
        if self.sequence.error_resilient:
            return self._start.clone(), self._latest
        return self._model.clone(), self.sources

    def _check_sources(self, sources: tuple[int, ...]) -> None:
        missing = set(sources) - self._slots
        if missing:
            raise Corrupt(f"MOTION refers to source slots {sorted(missing)}, which hold no key picture")

    def prediction(self) -> Frames:
        """What the next frame would be if nothing were sent about it [7 + N]."""
        return np.array(self._begin_unit()[0].prediction(), dtype=np.int32)


class MotionEncoder(_MotionCoder):
    """Motion integers to MOTION payloads. Total: any integers in range are coded exactly."""

    def encode(
        self, frames: npt.ArrayLike, counts: Values[int] | None = None, *, sources: Values[int] | None = None
    ) -> bytes:
        """The payload for ``frames``, integers [T, 7 + N] from -32768 to 32767, 1 <= T <= 64.

        ``counts``: how many expression integers each frame carries [T] (default all); the others are not sent and the
        decoder holds them at the prediction. ``sources``: slots of key pictures referred to (default: as before).
        Raises InvalidField for bad arguments, LimitExceeded when the payload would be longer than 4095 bytes (then
        nothing has changed: encode fewer frames), Corrupt before any key frame.
        """
        payload, self._model, self.sources = self._encode(frames, counts, sources)
        return payload

    def trial(self, frames: npt.ArrayLike, counts: Values[int] | None = None) -> bytes:
        """What :meth:`encode` would give, but the state does not change."""
        return self._encode(frames, counts, None)[0]

    def _encode(
        self, frames: npt.ArrayLike, counts: Values[int] | None, sources: Values[int] | None
    ) -> tuple[bytes, MotionModel, tuple[int, ...]]:
        values, numbers = self._check(frames, counts)
        model, usual_sources = self._begin_unit()
        named = usual_sources if sources is None else tuple(sorted(set(sources)))
        self._check_sources(named)
        header = _make_header(self.sequence, numbers, None if named == usual_sources else named)
        coder = RangeEncoder()
        header.code_header(coder, self.sequence)
        for frame, count in zip(values, numbers, strict=True):
            if header.truncation is Truncation.FRAME:
                model.code_count(coder, count)
            model.code_frame(coder, count, frame)
        payload = coder.finish()
        if len(payload) > MAX_MOTION_BYTES:
            raise LimitExceeded(f"MOTION of {len(payload)} bytes, allowed {MAX_MOTION_BYTES}: encode fewer frames")
        return payload, model, named

    def cost(self, frame: Values[int], count: int | None = None) -> float:
        """Ideal code length in bits of one frame coded next, without its unit's header. The state does not change."""
        counter = BitCounter()
        number = self.sequence.expression_count if count is None else count
        self._begin_unit()[0].code_frame(counter, number, [int(v) for v in frame])
        return counter.bits

    def _check(self, frames: npt.ArrayLike, counts: Values[int] | None) -> tuple[list[list[int]], list[int]]:
        array = np.asarray(frames)
        length, most = self.sequence.frame_values, self.sequence.expression_count
        if array.ndim != 2 or not 1 <= len(array) <= MAX_MOTION_FRAMES or array.shape[1] != length:
            raise InvalidField(f"frames of shape {array.shape}, must be [1..{MAX_MOTION_FRAMES}, {length}]")
        if array.dtype.kind not in "iu" or array.min() < MIN_VALUE or array.max() > MAX_VALUE:
            raise InvalidField(f"motion integers must be integers from {MIN_VALUE} to {MAX_VALUE}")
        numbers = [most] * len(array) if counts is None else [int(count) for count in counts]
        if len(numbers) != len(array) or not all(0 <= count <= most for count in numbers):
            raise InvalidField(f"counts must be {len(array)} numbers from 0 to {most}")
        return array.tolist(), numbers


class MotionDecoder(_MotionCoder):
    """MOTION payloads to motion integers; the exact inverse of MotionEncoder."""

    def __init__(self, sequence: Sequence, *, coder: Callable[[bytes], RangeDecoder] = RangeDecoder) -> None:
        """``coder`` makes the reader of a payload; tools give one that watches."""
        super().__init__(sequence)
        self._coder = coder
        self.counts: tuple[int, ...] = ()  #: expression integers that each frame of the last unit carried

    def decode(self, payload: bytes) -> Frames:
        """Frames of a MOTION payload: int32 [T, 7 + N], coefficients not sent are held at the prediction.

        Raises Corrupt, Unsupported, LimitExceeded; the state is then as it was before.
        """
        if len(payload) > MAX_MOTION_BYTES:
            raise LimitExceeded(f"MOTION of {len(payload)} bytes, allowed {MAX_MOTION_BYTES}")
        model, usual_sources = self._begin_unit()
        coder = self._coder(payload)
        header = Motion(frame_count=1).code_header(coder, self.sequence)
        if header.sources == usual_sources:
            raise Corrupt("MOTION names the sources that it would have anyway")
        sources = usual_sources if header.sources is None else header.sources
        self._check_sources(sources)
        counts = [self.sequence.expression_count if header.count is None else header.count] * header.frame_count
        frames = []
        for t in range(header.frame_count):
            if header.truncation is Truncation.FRAME:
                counts[t] = model.code_count(coder)
            frames.append(model.code_frame(coder, counts[t]))
        coder.finish()
        if header != _make_header(self.sequence, counts, header.sources):
            raise Corrupt("MOTION states its coefficient counts in another way than the shortest")
        self._model, self.sources, self.counts = model, sources, tuple(counts)
        return np.array(frames, dtype=np.int32)


def _make_header(sequence: Sequence, counts: Values[int], sources: tuple[int, ...] | None) -> Motion:
    """The one header for these counts and sources (None: unchanged)."""
    truncation, count = Truncation.FRAME, None
    if len(set(counts)) == 1:
        full = counts[0] == sequence.expression_count
        truncation, count = (Truncation.NONE, None) if full else (Truncation.UNIT, counts[0])
    return Motion(frame_count=len(counts), sources=sources, truncation=truncation, count=count)
