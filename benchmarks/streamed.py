"""nvc as a stream of units, under settings that a file encoder does not offer: for figures about single choices."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

import nvc
from benchmarks.clips import Clip
from bitstream import Unit, UnitType
from nvc.key_placement import KeyPolicy
from nvc.models import zoo
from nvc.rate import CodingPoint

GROUP = 64
ONLY_THE_FIRST = KeyPolicy(turn=math.inf, shift=math.inf, zoom=math.inf, cut_spacing=10**9)
"""One key frame, whatever the head does."""


@dataclass(frozen=True)
class Streamed:
    """Units of a clip and the bytes of each type."""

    units: list[Unit]
    frames: int

    @property
    def bytes_by_unit(self) -> dict[str, int]:
        """Bytes with headers and checksums."""
        sizes: dict[str, int] = {}
        for unit in self.units:
            name = UnitType(unit.type).name.lower()
            sizes[name] = sizes.get(name, 0) + len(unit.to_bytes())
        return sizes

    @property
    def size(self) -> int:
        """Bytes of all units."""
        return sum(self.bytes_by_unit.values())

    @property
    def motion_bytes_per_frame(self) -> float:
        """Bytes of motion for each frame that is drawn from a key picture."""
        keys = sum(unit.type == UnitType.KEYFRAME for unit in self.units)
        return self.bytes_by_unit.get("motion", 0) / max(self.frames - keys, 1)


def encode(clip: Clip, *, point: CodingPoint, policy: KeyPolicy, model: str = zoo.DEFAULT_MODEL) -> Streamed:
    """Code a square clip in groups of 64 frames."""
    side = clip.frames.shape[2]
    encoder = nvc.Encoder(
        width=side,
        height=side,
        frame_rate=clip.frame_rate,
        model=model,
        point=point,
        key_policy=policy,
        group_size=GROUP,
    )
    units = [unit for frame in clip.frames for unit in encoder.encode(frame)]
    return Streamed([*units, *encoder.flush()], len(clip.frames))


def decode(clip: Clip, streamed: Streamed, *, model: str | None = None) -> Clip:
    """The clip as a receiver sees it. Raises `RuntimeError` when frames go missing."""
    decoder = nvc.Decoder(model=model)
    shown = [frame for unit in streamed.units for frame in decoder.decode(unit.to_bytes())]
    if len(shown) != len(clip.frames):
        raise RuntimeError(f"{len(clip.frames)} frames in, {len(shown)} frames out")
    return replace(clip, frames=np.stack([np.asarray(frame) for frame in shown]))
