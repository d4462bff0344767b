"""The network's road over a clip in memory: analysed once, then sized and drawn at any place on the ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.clips import Clip
from nvc.analysis import Analyser
from nvc.crop import Square
from nvc.encoder import MAX_BATCH, MAX_GROUP, stream_facts
from nvc.key_placement import KeyPolicy
from nvc.models.interface import CodecModel
from nvc.network_road import NetworkRoad
from nvc.rate import PLACEMENTS, Placement, Rung
from nvc.roads import Part


@dataclass(frozen=True)
class Probe:
    """One clip on its way through the network."""

    clip: Clip
    road: NetworkRoad
    part: Part

    def kbps(self, rung: Rung) -> float:
        """Rate of the whole clip at a rung."""
        pictures = self.road.picture_bytes([self.part], rung.placement, rung.point.key_qp)
        return self.clip.kbps(pictures + self.road.motion_bytes([self.part], rung))

    def shown(self, rung: Rung, indices: Sequence[int]) -> np.ndarray:
        """Frames as a decoder shows them, uint8 [T, 3, S, S]."""
        return np.stack(self.road.shown(self.part, rung, list(indices))).transpose(0, 3, 1, 2)

    def originals(self, indices: Sequence[int]) -> np.ndarray:
        """The same frames of the clip."""
        return self.clip.frames[list(indices)]


def probe(clip: Clip, model: CodecModel, placements: Sequence[Placement] = PLACEMENTS) -> Probe:
    """Analyse a square clip of the model's side."""
    side = clip.frames.shape[-1]
    square, device = Square(0, 0, side), torch.device("cpu")
    usual = KeyPolicy.for_rate(float(clip.frame_rate))
    policies = [placement.policy(usual, float(clip.frame_rate)) for placement in placements]
    analyser = Analyser(model, device=device, policy=policies[0], others=policies[1:], batch=MAX_BATCH)
    plans = []
    for frame in clip.frames:
        plans += analyser.push(np.ascontiguousarray(frame.transpose(1, 2, 0)), square=square)
    plans += analyser.flush()
    facts = stream_facts(
        model,
        source_size=(side, side),
        frame_rate=clip.frame_rate,
        group_size=MAX_GROUP,
        error_resilient=False,
        synthetic=False,
        live=False,
    )
    return Probe(clip, NetworkRoad(plans, facts, model, device), Part(0, len(plans), True))
