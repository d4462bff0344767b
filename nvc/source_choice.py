"""Which pictures of a video serve best as sources: analysis by synthesis over what the encoder can see ahead.

The first frame is seldom the best one to draw a person from: eyes may be shut, the head turned. A key frame need not
be shown itself, so any frame that the encoder has seen can serve. Candidates are tried on sampled frames, each drawn
from each; further sources are added while what they save is worth a key picture, and every stretch of frames is drawn
from the one that serves it best. Sources that the receiver still holds cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bitstream.limits import SOURCE_SLOTS
from nvc.analysis import FramePlan
from nvc.colour import Rgb
from nvc.key_input import KeyInput, Vector
from nvc.picture_coder import Preset
from nvc.roads import Part

Costs = NDArray[np.float64]

_LOOK_AHEAD = 12.0  # seconds within which sources are chosen together
_DOUBT = 4.0  # by which a further picture must save more where that is guessed from poses alone
_SWITCH = 0.02  # what a change of source must save, distance times seconds: people see that something changes


@dataclass(frozen=True, kw_only=True)
class SourceEffort:
    """How hard to look.

    Attributes:
        candidates, samples: seconds from one candidate and from one sampled frame to the next.
        drawn: candidates, the most promising by their pose, that are drawn from; 0 to go by poses alone.
    """

    candidates: float
    samples: float
    drawn: int


EFFORTS = {
    Preset.FAST: SourceEffort(candidates=0.25, samples=0.25, drawn=0),
    Preset.MEDIUM: SourceEffort(candidates=0.25, samples=0.6, drawn=6),
    Preset.SLOW: SourceEffort(candidates=0.25, samples=0.4, drawn=12),
}


@dataclass(frozen=True)
class Span:
    """Frames from ``start`` on are drawn from the picture of frame ``source``."""

    start: int
    source: int


class Comparison(Protocol):
    """Says how badly pictures serve as sources of frames that move by ``[7 + N]`` each: perceptual distances."""

    def guessed(self, sources: Sequence[Vector], frames: Sequence[Vector]) -> Costs:
        """By how the heads differ: ``[C, T]`` for C sources and T frames."""
        ...

    def drawn(self, key: KeyInput, frames: Sequence[Vector], originals: Sequence[Rgb]) -> Costs:
        """Of T frames, uint8 ``[S, S, 3]``, that are drawn from ``key``: ``[T]``."""
        ...

    def canonical(self, picture: Rgb) -> Vector:
        """A picture's keypoints, ``[K, 3]``."""
        ...


class SourceChooser:
    """Chooses the sources of one video. ``some``: pictures of the video by their index."""

    def __init__(
        self,
        plans: Sequence[FramePlan],
        some: Callable[[Iterable[int]], dict[int, Rgb]],
        comparison: Comparison,
        *,
        frame_rate: float,
        effort: SourceEffort,
        held: int = SOURCE_SLOTS,
    ) -> None:
        """Set up; ``held``: pictures that a receiver holds, 1 to 4."""
        self._plans = plans
        self._some = some
        self._comparison = comparison
        self._rate = frame_rate
        self._effort = effort
        self._held = held
        self._rows: dict[tuple[int, tuple[int, ...]], Costs] = {}
        self._keys: dict[int, KeyInput] = {}
        self._spans: dict[tuple[Part, float], tuple[Span, ...]] = {}

    def key(self, source: int) -> KeyInput:
        """The key frame that frame ``source`` would be."""
        if source not in self._keys:
            plan = self._plans[source]
            if plan.key is not None:
                self._keys[source] = plan.key
            else:
                picture = self._some([source])[source]
                motion = plan.motion if plan.motion is not None else np.zeros(0, np.float32)
                self._keys[source] = KeyInput(source, picture, self._comparison.canonical(picture), motion, plan.square)
        return self._keys[source]

    def spans(self, part: Part, saving: float) -> tuple[Span, ...]:
        """From what the frames of a part are drawn, if a key picture must save so much (distance times seconds)."""
        if (part, saving) not in self._spans:
            length = max(1, round(_LOOK_AHEAD * self._rate))
            count = -(-part.frames // length)
            edges = [part.start + part.frames * k // count for k in range(count + 1)]
            spans: list[Span] = []
            for start, end in zip(edges, edges[1:], strict=False):
                spans += self._window(start, end, _held(spans, self._held), saving)
            self._spans[part, saving] = _joined(spans)
        return self._spans[part, saving]

    def _window(self, start: int, end: int, held: list[int], saving: float) -> list[Span]:
        """The spans of a stretch of frames; ``held``: sources that the receiver has already."""
        samples = self._sampled(start, end, self._effort.samples)
        candidates = [c for c in self._sampled(start, end, self._effort.candidates) if c not in held]
        if not samples or not candidates:
            return [Span(start, held[-1] if held else start)]
        known = [*held, *candidates]
        seconds = (end - start) / len(samples) / self._rate
        costs = self._comparison.guessed(self._motion(known), self._motion(samples))
        if not self._effort.drawn:
            saving *= _DOUBT
        else:
            promising = choose(costs[len(held) :], held=0, room=self._effort.drawn, saving=0.0)
            known = [*held, *(candidates[k] for k in promising)]
            costs = np.stack([self._row(source, samples) for source in known])
        room = max(1, self._held - len(held))
        chosen = choose(seconds * costs, held=len(held), room=room, saving=saving)
        if self._held == 1:
            chosen = chosen[-1:]
        path = switched(seconds * costs[chosen])
        edges = [start, *((a + b + 1) // 2 for a, b in zip(samples, samples[1:], strict=False))]
        return [Span(edge, known[chosen[state]]) for edge, state in zip(edges, path, strict=True)]

    def _motion(self, indices: Iterable[int]) -> list[Vector]:
        return [m for m in (self._plans[index].motion for index in indices) if m is not None]

    def _sampled(self, start: int, end: int, seconds: float) -> list[int]:
        """Frames that move, about so far apart."""
        step = max(1.0, seconds * self._rate)
        count = max(1, round((end - start) / step))
        picked = {start + int((k + 0.5) * (end - start) / count) for k in range(count)}
        return sorted(index for index in picked if self._plans[index].motion is not None)

    def _row(self, source: int, samples: list[int]) -> Costs:
        """Distances of sampled frames if they are drawn from a source."""
        known = source, tuple(samples)
        if known not in self._rows:
            pictures = self._some(samples)
            originals = [pictures[index] for index in samples]
            self._rows[known] = self._comparison.drawn(self.key(source), self._motion(samples), originals)
        return self._rows[known]


def choose(costs: Costs, *, held: int, room: int, saving: float) -> list[int]:
    """Which of C sources to draw S frames from, given what each would cost: ``[C, S]``.

    The first ``held`` are there already; at most ``room`` others are added, each of which must save ``saving``, except
    the first one where none is held. Each is exchanged for a better one once all are known.
    """
    chosen = list(range(held)) if held else [int(costs.sum(1).argmin())]
    while len(chosen) - held < room and len(chosen) < len(costs):
        least = costs[chosen].min(0)
        gains = np.maximum(least - costs, 0).sum(1)
        best = int(gains.argmax())
        if gains[best] <= saving:
            break
        chosen.append(best)
    for place in range(held, len(chosen)):
        others = chosen[:place] + chosen[place + 1 :]
        rest = costs[others].min(0) if others else np.full(costs.shape[1], np.inf)
        totals = np.minimum(costs, rest).sum(1)
        totals[:held] = np.inf
        chosen[place] = int(totals.argmin())
    return sorted(set(chosen))


def switched(costs: Costs, penalty: float = _SWITCH) -> list[int]:
    """For each of S frames the row of ``costs`` [C, S] to take; a change of rows costs ``penalty``."""
    total = costs[:, 0].copy()
    before: list[NDArray[np.intp]] = []
    for column in costs.T[1:]:
        stay = total <= total.min() + penalty
        origin = np.where(stay, np.arange(len(total)), int(total.argmin()))
        total = np.where(stay, total, total.min() + penalty) + column
        before.append(origin)
    path = [int(total.argmin())]
    for origin in reversed(before):
        path.append(int(origin[path[-1]]))
    return path[::-1]


def _held(spans: Sequence[Span], most: int) -> list[int]:
    """The sources that a receiver holds after some spans and that need not make room for the next one."""
    sent: list[int] = []
    for span in spans:
        if span.source not in sent[-most:]:
            sent.append(span.source)
    return sent[-max(1, most - 1) :]


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans without those that go on with the source before."""
    return tuple(span for k, span in enumerate(spans) if not k or span.source != spans[k - 1].source)
