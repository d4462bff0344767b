"""The road of the network: what key frames and motion cost at a place on the ladder, and how the frames look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from bitstream import Unit
from nvc import keyframe
from nvc.analysis import FramePlan
from nvc.colour import Rgb
from nvc.decoder import Decoder
from nvc.key_size import encode_fitting
from nvc.models.interface import CodecModel
from nvc.rate import Rung
from nvc.roads import Part
from nvc.unit_coder import KeyInput, StreamFacts, UnitCoder

_MOST_FINER = 16  # QP by which key pictures may be finer than the ladder says, where nothing else takes the bytes

KeyQps = dict[int, int]
"""QP of key pictures by the index of the frame."""


class NetworkRoad:
    """Parts of a video as key frames and motion. ``plans`` are those of the whole video."""

    def __init__(self, plans: Sequence[FramePlan], facts: StreamFacts, model: CodecModel, device: torch.device) -> None:
        self._plans = plans
        self._facts = facts
        self._model = model
        self._device = device
        self._pictures: dict[tuple[int, int], bytes] = {}
        self._motion: dict[tuple[object, ...], int] = {}

    def keys(self, parts: Sequence[Part], placement: int) -> list[KeyInput]:
        """The key frames of some parts in a placement."""
        plans = (plan for part in parts for plan in self._plans[part.start : part.end])
        return [plan.key for plan in plans if plan.key is not None and plan.is_key(placement)]

    def with_motion(self, plans: Sequence[FramePlan]) -> NetworkRoad:
        """The same road for other motion; key pictures that are coded already are kept."""
        road = NetworkRoad(plans, self._facts, self._model, self._device)
        road._pictures = self._pictures
        return road

    def picture(self, key: KeyInput, qp: int) -> bytes:
        """A key picture, coded once for every QP that is tried, at the side at which its bytes show most."""
        known = (key.index, qp)
        if known not in self._pictures:
            self._pictures[known] = encode_fitting(key.picture, qp=qp)
        return self._pictures[known]

    def picture_bytes(self, parts: Sequence[Part], placement: int, qp: int) -> int:
        """Bytes of the key pictures of some parts, all at one QP."""
        return sum(len(self.picture(key, qp)) + 1 for key in self.keys(parts, placement))  # and a longer unit_size

    def motion_bytes(self, parts: Sequence[Part], rung: Rung) -> int:
        """Bytes of everything but key pictures."""
        known = (tuple(parts), rung.placement, replace(rung.point, key_qp=0))
        if known not in self._motion:
            coder = UnitCoder(self._facts, rung.point, picture_coder=lambda key, qp: bytes(1))
            units = [u for part in parts for _, some in self.units(coder, part, rung.placement) for u in some]
            self._motion[known] = sum(len(unit.to_bytes()) for unit in [*units, *coder.flush()])
        return self._motion[known]

    def units(
        self,
        coder: UnitCoder,
        part: Part,
        placement: int,
        told: Callable[[int, str], None] = lambda index, reason: None,
    ) -> Iterator[tuple[int, list[Unit]]]:
        """Units of a part as they are ready, with the frame's index; ``told`` of every key frame and its reason."""
        for plan in self._plans[part.start : part.end]:
            reason = plan.reasons[placement]
            if plan.key is not None and reason is not None:
                told(plan.index, reason.value)
                yield plan.index, coder.key_frame(plan.key)
            else:
                yield plan.index, coder.motion(plan.motion)

    def shown(self, part: Part, rung: Rung, indices: Sequence[int]) -> list[Rgb]:
        """Frames as a decoder shows them, by rising index: a stream of just these is coded and decoded."""
        wanted = set(indices)
        facts = replace(self._facts, group=1, motion_rdo=0.0, error_resilient=False, live=False)
        sources: dict[int, KeyInput] = {}  # by their place in the short stream
        coder = UnitCoder(facts, rung.point, picture_coder=lambda key, qp: self.picture(sources[key.index], qp))
        units: list[Unit] = []
        places: list[bool] = []
        for plan in self._plans[part.start : part.end]:
            if plan.key is not None and plan.is_key(rung.placement):
                sources[len(places)] = plan.key
                units += coder.key_frame(replace(plan.key, index=len(places)))
            elif plan.index in wanted:
                units += coder.motion(plan.motion)
            else:
                continue
            places.append(plan.index in wanted)
        decoder = Decoder(model=self._model, device=str(self._device))
        frames = decoder.decode(b"".join(unit.to_bytes() for unit in [*units, *coder.flush()]))
        shown = [frame for frame, is_wanted in zip(frames, places, strict=True) if is_wanted]
        return [np.ascontiguousarray(frame.transpose(1, 2, 0)) for frame in shown]

    def key_qps(self, parts: Sequence[Part], rung: Rung, budget: float) -> tuple[KeyQps, int]:
        """QPs of single key pictures that use up ``budget`` bytes as far as they can, and the bytes that they take."""
        keys = self.keys(parts, rung.placement)
        qp = rung.point.key_qp
        while qp < keyframe.MAX_QP and self.picture_bytes(parts, rung.placement, qp) > budget:
            qp += 1
        least = max(keyframe.MIN_QP, rung.point.key_qp - _MOST_FINER)
        while qp > least and self.picture_bytes(parts, rung.placement, qp - 1) <= budget:
            qp -= 1
        size = self.picture_bytes(parts, rung.placement, qp)
        chosen = {key.index: qp for key in keys}
        for key in keys if qp > least else []:  # the rest goes to single pictures, each one QP finer
            more = len(self.picture(key, qp - 1)) - len(self.picture(key, qp))
            if size + more <= budget:
                size += more
                chosen[key.index] = qp - 1
        return chosen, size
