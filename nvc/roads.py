"""The parts of a video, and which of the two roads each takes: the network, or conventional pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from nvc.analysis import FramePlan
from nvc.key_placement import KeyReason


class Road(Enum):
    """How the frames of a part are sent."""

    NETWORK = "network"
    PICTURES = "pictures"


@dataclass(frozen=True)
class Part:
    """Frames ``start`` to ``end - 1``: one scene in one square, with a face or without. It begins with a key frame."""

    start: int
    end: int
    face: bool

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.end - self.start

    def sample(self, count: int) -> list[int]:
        """At most so many frames, spread evenly, none of them the first where there are others."""
        count = min(count, self.frames)
        return sorted({self.start + int((k + 0.6) * self.frames / count) for k in range(count)})


def parts_of(plans: Sequence[FramePlan]) -> list[Part]:
    """The parts of a whole video, in order. Raises ValueError unless the first frame is a key frame."""
    if not plans:
        return []
    if not plans[0].is_key:
        raise ValueError("a video begins with a key frame")
    starts = [p.index for p in plans if p.begins_scene or p.reason is KeyReason.INTERVAL]
    ends = [*starts[1:], len(plans)]
    return [Part(start, end, plans[start].face) for start, end in zip(starts, ends, strict=True)]
