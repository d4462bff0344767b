"""Pictures and motion to units: quantises, keeps the coder's state in step with the receiver's, and groups frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

import bitstream
from bitstream import (
    POSE_COUNT,
    ExpressionTransform,
    KeyFrame,
    KeyUse,
    LimitExceeded,
    Metadata,
    MotionCrc,
    MotionEncoder,
    Picture,
    Resync,
    Sequence,
    Unit,
    UnitType,
)
from bitstream.motion_rdo import OVERLAP
from nvc import keyframe
from nvc.colour import KEY_PICTURE
from nvc.crop import Square
from nvc.key_input import KeyInput, Vector
from nvc.key_size import coded_size
from nvc.motion_choice import DEFAULT_RDO, MotionChoice
from nvc.rate import CodingPoint
from nvc.source_slots import SourceSlots
from nvc.statistics import EncoderStatistics


@dataclass(frozen=True, kw_only=True)
class StreamFacts:
    """What every SEQUENCE of a stream says, whatever is coded.

    ``mean_keypoints``: float ``[K, 3]`` half-sides; ``basis``: ``[N, K, 3]``, what expression does to them; ``group``:
    frames a MOTION unit, 1..64; ``live``: the SEQUENCE is repeated before every key frame, so that receivers can join
    there, and no frame waits for later ones; ``motion_rdo``: how much motion may be missed to save a bit, 0 for none
    (:mod:`nvc.motion_choice`).
    """

    side: int
    model_id: bytes
    mean_keypoints: NDArray[np.float32]
    basis: NDArray[np.float32]
    expression_count: int
    expression_transform: ExpressionTransform
    frame_rate: Fraction
    source_width: int
    source_height: int
    group: int = 1
    error_resilient: bool = False
    motion_crc: bool = True
    synthetic: bool = False
    live: bool = True
    sources: int = 1  # key pictures that the receiver holds, 1 to 4
    mixed_sources: bool = True  # motion is drawn from all of them, not from the one that is said
    motion_rdo: float = DEFAULT_RDO

    @property
    def look_ahead(self) -> int:
        """Frames after a unit's last one that its integers are chosen with."""
        return 0 if self.live or self.error_resilient or not self.motion_rdo else OVERLAP


class UnitCoder:
    """Key frames and motion in, units out. The first call must be :meth:`key_frame`."""

    def __init__(
        self,
        facts: StreamFacts,
        point: CodingPoint,
        *,
        metadata: Metadata | None = None,
        statistics: EncoderStatistics | None = None,
        picture_coder: Callable[[KeyInput, int], bytes] = lambda key, qp: keyframe.encode_picture(key.picture, qp=qp),
    ) -> None:
        self._facts = facts
        self._point = point
        self._metadata = metadata
        self.statistics = statistics or EncoderStatistics()
        self._picture_coder = picture_coder
        self._sequence: Sequence | None = None
        self._motion: MotionEncoder | None = None
        self._slots = self._new_slots()
        self._choice: MotionChoice | None = None
        self._steps = np.zeros(0)
        self._last: NDArray[np.float64] | None = None
        self._pending: list[NDArray[np.float64]] = []
        self._held: list[bool] = []
        self._next_index = self._key_index = self._marked_index = 0
        self._count = point.carried(facts.expression_count)

    def key_frame(self, key: KeyInput) -> list[Unit]:
        """Pending motion, then the key frame, with a SEQUENCE before it where one is due."""
        units, sequence = self._begin(key.index, key.square)
        return [*units, self._start(self._key_unit(key, sequence), KeyUse.DRAWN if key.shown else KeyUse.SOURCE_ONLY)]

    @property
    def slot(self) -> int:
        """The slot that motion is drawn from now."""
        return self._slots.current

    def draw_from(self, slot: int) -> list[Unit]:
        """Pending motion; what follows is drawn from another picture that the receiver holds."""
        units = self.flush()
        self._slots.draw_from(slot)
        return units

    def _new_slots(self) -> SourceSlots:
        return SourceSlots(self._facts.sources, mixed=self._facts.mixed_sources)

    def start_pictures(self, first: bytes, *, index: int, side: int, square: Square) -> list[Unit]:
        """Pending motion, then a key frame that is shown as decoded; :meth:`more_pictures` go on from it.

        ``first``: the first picture of an H.264 stream, ``side``: its pixels a side, ``square``: what it shows.
        """
        units, sequence = self._begin(index, square)
        self._slots = self._new_slots()  # nothing is drawn from a picture whose head is not known
        key = KeyFrame(
            presentation_index=index,
            coded_width=side,
            coded_height=side,
            canonical=(0,) * (3 * sequence.keypoint_count),
            pose=(0,) * POSE_COUNT,
            expression=(0,) * sequence.expression_count,
            picture=first,
        )
        return [*units, self._start(key, KeyUse.SHOWN_AS_DECODED)]

    def more_pictures(self, coded: list[bytes]) -> list[Unit]:
        """The pictures that follow in decoding order, as many a unit as motion has frames."""
        units, group = self.flush(), self._facts.group
        for part in (coded[at : at + group] for at in range(0, len(coded), group)):
            unit = Picture(presentation_index=self._next_index, picture_count=len(part), picture=b"".join(part))
            self._next_index += len(part)
            units.append(bitstream.make_unit(unit))
            self.statistics.count(units[-1], frames=len(part), shares=[len(data) for data in part])
        return units

    def _begin(self, index: int, square: Square) -> tuple[list[Unit], Sequence]:
        """What goes before a key frame, and the SEQUENCE that holds for it."""
        units = self.flush()
        self._next_index = self._key_index = index
        units += self._mark()
        if self._metadata is not None:
            units.append(self._counted(bitstream.make_unit(self._metadata)))
            self._metadata = None
        sequence = self._sequence_for(square)
        if sequence != self._sequence or self._facts.live:
            units.append(self._counted(bitstream.make_unit(sequence)))
        if sequence != self._sequence:
            self._sequence, self._motion = sequence, MotionEncoder(sequence)
            self._steps = bitstream.frame_steps(sequence)
            self._choice = self._choice_for(sequence)
        return units, sequence

    def _start(self, key: KeyFrame, use: KeyUse) -> Unit:
        """A key frame's unit; motion goes on from it."""
        self._motion_encoder().start(key)
        self._motion_choice().start(key)
        self._last = bitstream.dequantise(np.array(key.values), self._steps).astype(np.float64)
        frames = 0 if use is KeyUse.SOURCE_ONLY else 1
        self._next_index += frames
        return self._counted(Unit(UnitType.KEYFRAME, key.to_payload(), extension=use or None), frames=frames)

    def _key_unit(self, key: KeyInput, sequence: Sequence) -> KeyFrame:
        integers = bitstream.quantise(key.motion, self._steps)
        offsets = key.canonical - self._facts.mean_keypoints
        canonical = bitstream.quantise(offsets.reshape(-1), bitstream.canonical_step(sequence))
        with self.statistics.stage("key pictures"):
            picture = self._picture_coder(key, self._point.key_qp if key.qp is None else key.qp)
        width, height = coded_size(picture) or key.picture.shape[1::-1]
        return KeyFrame(
            presentation_index=key.index,
            source_slot=self._slots.place(new_scene=key.new_scene),
            coded_width=width,
            coded_height=height,
            canonical=tuple(canonical.tolist()),
            pose=tuple(integers[:POSE_COUNT].tolist()),
            expression=tuple(integers[POSE_COUNT:].tolist()),
            picture=picture,
        )

    def motion(self, vector: Vector | None) -> list[Unit]:
        """The next frame's motion ``[7 + N]``, or None to hold the last one; units as soon as a group is full."""
        if self._last is None:
            raise ValueError("motion before any key frame")
        if vector is not None:
            self._last = np.asarray(vector, dtype=np.float64)
        self._pending.append(self._last)
        self._held.append(vector is None)
        return self._group() if len(self._pending) >= self._facts.group + self._facts.look_ahead else []

    def flush(self) -> list[Unit]:
        """Units for the motion that has not been coded yet."""
        units: list[Unit] = []
        while self._pending:
            units += self._group()
        return units

    def _group(self) -> list[Unit]:
        """The next unit's worth of motion, with a mark before it where one is due."""
        frames = self._integers()
        due = self._next_index - self._marked_index >= self._facts.frame_rate
        units = [*(self._mark() if due else []), *self._code(frames)]
        self._next_index += len(frames)
        return units

    def _integers(self) -> NDArray[np.int32]:
        """What to send of the frames that wait, as many as a unit takes: ``[T, 7 + N]``."""
        size = min(self._facts.group, len(self._pending))
        wanted, held = np.stack(self._pending), self._held[:size]
        del self._pending[:size], self._held[:size]
        weighs_bytes = self._facts.group == 1 and self._count == self._facts.expression_count
        encoder = self._motion_encoder() if weighs_bytes else None
        with self.statistics.stage("motion decisions"):
            return self._motion_choice().choose(wanted, keep=size, held=held, encoder=encoder)

    def _mark(self) -> list[Unit]:
        """A RESYNC unit in resilient streams: where a reader can go on after damage, if it holds the right picture."""
        self._marked_index = self._next_index
        if not self._facts.error_resilient:
            return []
        mark = Resync(self._next_index, self._next_index - self._key_index)
        return [self._counted(bitstream.make_unit(mark))]

    def _code(self, frames: NDArray[np.int32]) -> list[Unit]:
        """One MOTION unit, or more where one would be too long."""
        try:
            with self.statistics.stage("entropy coding"):
                payload = self._motion_encoder().encode(frames, [self._count] * len(frames), sources=self._slots.named)
        except LimitExceeded:
            if len(frames) == 1:
                raise
            half = len(frames) // 2
            return self._code(frames[:half]) + self._code(frames[half:])
        return [self._counted(Unit(UnitType.MOTION, payload, crc=self._facts.motion_crc), frames=len(frames))]

    def _counted(self, unit: Unit, *, frames: int = 0) -> Unit:
        self.statistics.count(unit, frames=frames)
        return unit

    def _motion_encoder(self) -> MotionEncoder:
        if self._motion is None:
            raise ValueError("motion before any key frame")
        return self._motion

    def _motion_choice(self) -> MotionChoice:
        if self._choice is None:
            raise ValueError("motion before any key frame")
        return self._choice

    def _choice_for(self, sequence: Sequence) -> MotionChoice:
        facts = self._facts
        return MotionChoice(
            sequence,
            mean_keypoints=facts.mean_keypoints,
            basis=facts.basis,
            rdo=facts.motion_rdo,
            carried=self._count,
            ahead=(facts.group - 1) / 2 + facts.look_ahead,
        )

    def _sequence_for(self, square: Square) -> Sequence:
        facts, point = self._facts, self._point
        return Sequence(
            side=facts.side,
            source_width=facts.source_width,
            source_height=facts.source_height,
            crop_x=square.x,
            crop_y=square.y,
            crop_side=square.side,
            frame_rate_numerator=facts.frame_rate.numerator,
            frame_rate_denominator=facts.frame_rate.denominator,
            colour_primaries=int(KEY_PICTURE.matrix),
            transfer_characteristics=int(KEY_PICTURE.matrix),
            matrix_coefficients=int(KEY_PICTURE.matrix),
            full_range=KEY_PICTURE.full_range,
            model_id=facts.model_id,
            keypoint_count=len(facts.mean_keypoints),
            expression_count=facts.expression_count,
            expression_transform=facts.expression_transform,
            pose_quantiser=point.pose_quantiser,
            expression_quantiser=point.expression_quantiser,
            canonical_quantiser=point.canonical_quantiser,
            motion_group=facts.group,
            error_resilient=facts.error_resilient,
            motion_crc=MotionCrc.CRC16 if facts.motion_crc else MotionCrc.NONE,
            synthetic=facts.synthetic,
            level=bitstream.smallest_level(facts.side, float(facts.frame_rate)),
        )
