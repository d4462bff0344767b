"""The network's road over a clip in memory: analysed once, then sized and drawn at any place on the ladder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import torch

from benchmarks.clips import Clip
from bitstream.limits import SOURCE_SLOTS
from nvc.analysis import Analyser
from nvc.crop import Square
from nvc.encoder import MAX_BATCH, MAX_GROUP, stream_facts
from nvc.key_placement import KeyPolicy
from nvc.models.interface import CodecModel
from nvc.network_road import NetworkRoad
from nvc.picture_coder import Preset
from nvc.rate import Rung, Tune
from nvc.roads import Part
from nvc.source_choice import SourceChooser
from nvc.source_comparison import source_chooser
from nvc.unit_coder import UnitCoder


@dataclass(frozen=True)
class Probe:
    """One clip on its way through the network."""

    clip: Clip
    road: NetworkRoad
    part: Part
    coder: Callable[[Rung], UnitCoder]
    drawn_from: Callable[[SourceChooser], NetworkRoad]
    chooser: SourceChooser

    def kbps(self, rung: Rung) -> float:
        """Rate of the whole clip at a rung."""
        return self.clip.kbps(self.road.picture_bytes([self.part], rung) + self.road.motion_bytes([self.part], rung))

    def coded(self, rung: Rung, *, road: NetworkRoad | None = None) -> bytes:
        """The whole clip as units, without a file around them."""
        coder = self.coder(rung)
        units = [unit for _, some in (road or self.road).units(coder, self.part, rung) for unit in some]
        return b"".join(unit.to_bytes() for unit in [*units, *coder.flush()])

    def shown(self, rung: Rung, indices: Sequence[int]) -> np.ndarray:
        """Frames as a decoder shows them, uint8 [T, 3, S, S]."""
        return np.stack(self.road.shown(self.part, rung, list(indices))).transpose(0, 3, 1, 2)

    def originals(self, indices: Sequence[int]) -> np.ndarray:
        """The same frames of the clip."""
        return self.clip.frames[list(indices)]


def probe(clip: Clip, model: CodecModel, *, tune: Tune = Tune.PERCEPTUAL, preset: Preset = Preset.MEDIUM) -> Probe:
    """Analyse a square clip of the model's side."""
    side = clip.frames.shape[-1]
    square, device = Square(0, 0, side), torch.device("cpu")
    policy = replace(KeyPolicy.for_rate(float(clip.frame_rate)), turn=inf, shift=inf, zoom=inf)
    analyser = Analyser(model, device=device, policy=policy, batch=MAX_BATCH)
    pictures = [np.ascontiguousarray(frame.transpose(1, 2, 0)) for frame in clip.frames]
    plans = [plan for picture in pictures for plan in analyser.push(picture, square=square)] + analyser.flush()
    facts = stream_facts(
        model,
        source_size=(side, side),
        frame_rate=clip.frame_rate,
        group_size=MAX_GROUP,
        error_resilient=False,
        synthetic=False,
        live=False,
        sources=SOURCE_SLOTS,
    )
    facts = replace(facts, mixed_sources=False)
    chooser = source_chooser(
        plans,
        lambda indices: {index: pictures[index] for index in indices},
        model,
        device=device,
        tune=tune,
        preset=preset,
        frame_rate=float(clip.frame_rate),
        held=SOURCE_SLOTS,
    )

    def coder(rung: Rung) -> UnitCoder:
        return UnitCoder(facts, rung.point, picture_coder=road.picture)

    def drawn_from(other: SourceChooser) -> NetworkRoad:
        return NetworkRoad(plans, facts, model, device, other)

    road = drawn_from(chooser)
    return Probe(clip, road, Part(0, len(plans), True), coder, drawn_from, chooser)
