"""What encoding and decoding cost: bytes by unit type and by frame, seconds by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bitstream import Unit


@dataclass
class StageTimes:
    """Seconds by stage."""

    seconds_by_stage: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.seconds_by_stage[name] = self.seconds_by_stage.get(name, 0.0) + spent


@dataclass
class EncoderStatistics(StageTimes):
    """What an encoder did: bytes by unit type, key frames and why, bytes spent on each frame."""

    bytes_by_type: dict[str, int] = field(default_factory=dict)
    key_frames: list[tuple[int, str]] = field(default_factory=list)
    frame_bytes: list[int] = field(default_factory=list)

    def count(self, unit: Unit, *, frames: int, shares: Sequence[int] | None = None) -> None:
        """Count a unit that carries so many frames; ``shares``: bytes that each surely takes, else they share alike."""
        size = len(unit.to_bytes())
        name = getattr(unit.type, "name", str(unit.type))
        self.bytes_by_type[name] = self.bytes_by_type.get(name, 0) + size
        if frames:
            known = list(shares or [0] * frames)
            share, rest = divmod(size - sum(known), frames)
            self.frame_bytes += [known[k] + share + (k < rest) for k in range(frames)]


@dataclass
class DecoderStatistics(StageTimes):
    """What a decoder did: frames drawn, and how many of them stand in for lost ones."""

    frames: int = 0
    concealed: int = 0
