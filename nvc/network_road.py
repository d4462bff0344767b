"""The road of the network: what key frames and motion cost at a place on the ladder, and how the frames look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from bitstream import Unit
from nvc import keyframe
from nvc.analysis import FramePlan
from nvc.colour import Rgb
from nvc.decoder import Decoder
from nvc.key_placement import KeyReason
from nvc.key_size import encode_fitting
from nvc.models.interface import CodecModel
from nvc.rate import Rung
from nvc.roads import Part
from nvc.source_choice import SourceChooser
from nvc.unit_coder import KeyInput, StreamFacts, UnitCoder

_MOST_FINER = 16  # QP by which key pictures may be finer than the ladder says, where nothing else takes the bytes

KeyQps = dict[int, int]
"""QP of key pictures by the index of the frame that they show."""


class NetworkRoad:
    """Parts of a video as key frames and motion. ``plans`` are those of the whole video."""

    def __init__(
        self,
        plans: Sequence[FramePlan],
        facts: StreamFacts,
        model: CodecModel,
        device: torch.device,
        chooser: SourceChooser,
    ) -> None:
        self._plans = plans
        self._facts = facts
        self._model = model
        self._device = device
        self._chooser = chooser
        self._pictures: dict[tuple[int, int], bytes] = {}
        self._motion: dict[tuple[object, ...], int] = {}

    def changes(self, part: Part, rung: Rung) -> list[KeyInput]:
        """Where the frames of a part begin to be drawn from another picture, by rising index, with the QPs of a rung.

        One that the receiver holds still is among them; :meth:`keys` leaves it out.
        """
        found = []
        for span in self._chooser.spans(part, rung.saving):
            change = replace(
                self._chooser.key(span.source),
                index=span.start,
                frame=span.source,
                shown=span.source == span.start,
                new_scene=span.start == part.start,
                qp=rung.point.key_qp,
            )
            found.append(change)
        return found

    def keys(self, parts: Sequence[Part], rung: Rung) -> list[KeyInput]:
        """The key frames that some parts are sent with."""
        return [key for part in parts for key, held in self._in_order(part, rung) if not held]

    def _in_order(self, part: Part, rung: Rung) -> Iterator[tuple[KeyInput, bool]]:
        """The changes of a part, each with whether the receiver holds the picture still."""
        sent: list[int] = []
        for key in self.changes(part, rung):
            held = key.pictured in sent[-self._facts.sources :]
            if not held:
                sent.append(key.pictured)
            yield key, held

    def with_motion(self, plans: Sequence[FramePlan]) -> NetworkRoad:
        """The same road for other motion; key pictures that are coded or chosen already are kept."""
        road = NetworkRoad(plans, self._facts, self._model, self._device, self._chooser)
        road._pictures = self._pictures
        return road

    def picture(self, key: KeyInput, qp: int) -> bytes:
        """A key picture, coded once for every QP that is tried, at the side at which its bytes show most."""
        known = (key.pictured, qp)
        if known not in self._pictures:
            self._pictures[known] = encode_fitting(key.picture, qp=qp)
        return self._pictures[known]

    def picture_bytes(self, parts: Sequence[Part], rung: Rung) -> int:
        """Bytes of the key pictures of some parts."""
        return sum(len(self._coded(key)) + 1 for key in self.keys(parts, rung))  # and a longer unit_size

    def _coded(self, key: KeyInput) -> bytes:
        return self.picture(key, self._qp(key))

    @staticmethod
    def _qp(key: KeyInput) -> int:
        return keyframe.MAX_QP if key.qp is None else key.qp

    def motion_bytes(self, parts: Sequence[Part], rung: Rung) -> int:
        """Bytes of everything but key pictures."""
        known = (tuple(parts), rung.saving, replace(rung.point, key_qp=0))
        if known not in self._motion:
            coder = UnitCoder(self._facts, rung.point, picture_coder=lambda key, qp: bytes(1))
            units = [u for part in parts for _, some in self.units(coder, part, rung) for u in some]
            self._motion[known] = sum(len(unit.to_bytes()) for unit in [*units, *coder.flush()])
        return self._motion[known]

    def units(
        self,
        coder: UnitCoder,
        part: Part,
        rung: Rung,
        told: Callable[[int, str], None] = lambda index, reason: None,
        key_qps: Mapping[int, int] | None = None,
    ) -> Iterator[tuple[int, list[Unit]]]:
        """Units of a part as they are ready, with the frame's index; ``told`` of every key frame and its reason."""
        changes = {key.index: (key, held) for key, held in self._in_order(part, rung)}
        slots: dict[int, int] = {}
        for plan in self._plans[part.start : part.end]:
            units: list[Unit] = []
            key, held = changes.get(plan.index, (None, False))
            if key is not None and held:
                units += coder.draw_from(slots[key.pictured])
            elif key is not None:
                told(plan.index, (plan.reason or KeyReason.SOURCE).value)
                units += coder.key_frame(replace(key, qp=(key_qps or {}).get(key.pictured, key.qp)))
                slots[key.pictured] = coder.slot
            if key is None or held or not key.shown:
                units += coder.motion(plan.moving)
            yield plan.index, units

    def shown(self, part: Part, rung: Rung, indices: Sequence[int]) -> list[Rgb]:
        """Frames as a decoder shows them, by rising index: a stream of just these is coded and decoded."""
        facts = replace(self._facts, group=1, motion_rdo=0.0, error_resilient=False, live=False)
        coder = UnitCoder(facts, rung.point, picture_coder=self.picture)
        changes = self.changes(part, rung)
        units: list[Unit] = []
        last: KeyInput | None = None
        for place, index in enumerate(sorted(indices)):
            source = [key for key in changes if key.index <= index][-1]
            if source is not last:  # a new scene, so that nothing is mixed with frames that are left out here
                units += coder.key_frame(replace(source, index=place, shown=False, new_scene=True))
                last = source
            units += coder.motion(self._plans[index].moving)
        decoder = Decoder(model=self._model, device=str(self._device))
        frames = decoder.decode(b"".join(unit.to_bytes() for unit in [*units, *coder.flush()]))
        return [np.ascontiguousarray(frame.transpose(1, 2, 0)) for frame in frames]

    def key_qps(self, parts: Sequence[Part], rung: Rung, budget: float) -> tuple[KeyQps, int]:
        """QPs of single key pictures that use up ``budget`` bytes as far as they can, and the bytes that they take."""

        def at(qp: int) -> Rung:
            return replace(rung, point=replace(rung.point, key_qp=qp))

        qp = rung.point.key_qp
        while qp < keyframe.MAX_QP and self.picture_bytes(parts, at(qp)) > budget:
            qp += 1
        least = max(keyframe.MIN_QP, rung.point.key_qp - _MOST_FINER)
        while qp > least and self.picture_bytes(parts, at(qp - 1)) <= budget:
            qp -= 1
        keys, finer = self.keys(parts, at(qp)), self.keys(parts, at(max(least, qp - 1)))
        size = sum(len(self._coded(key)) + 1 for key in keys)
        chosen = {key.pictured: self._qp(key) for key in keys}
        for key, better in zip(keys, finer, strict=True):  # the rest goes to single pictures, each one QP finer
            more = len(self._coded(better)) - len(self._coded(key))
            if size + more <= budget:
                size += more
                chosen[key.pictured] = self._qp(better)
        return chosen, size
