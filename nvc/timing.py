"""Constant frame rates: which rate a file has, and which of its frames fills which slot of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

Frame = TypeVar("Frame")

MAX_FRAME_RATE = 60
FALLBACK_RATE = Fraction(25)
_STANDARD = (
    *(Fraction(n) for n in (5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 30, 48, 50, 60)),
    *(Fraction(n * 1000, 1001) for n in (15, 24, 30, 60)),
    Fraction(25, 2),
)
_STANDARD_TOLERANCE = Fraction(1, 50)
_MAX_NUMERATOR = 1 << 28
# A frame belongs to slot i when it is nearer to it than to any other; less than half leaves room for ties.
_REGULAR = Fraction(9, 20)
# Timestamps of some containers are rounded to milliseconds: so late may a frame be and still fill its slot.
_LATE = Fraction(1, 10)


@dataclass(frozen=True)
class Timing:
    """Constant frame rate of a file's output.

    ``frame_rate`` in 1/s; ``regular``: every frame has a slot of its own at that rate, none is dropped or repeated;
    ``timed``: presentation times can be trusted at all.
    """

    frame_rate: Fraction
    regular: bool
    timed: bool = True


def timing_of(times: Sequence[Fraction | None], hints: Iterable[Fraction | None]) -> Timing:
    """Choose a rate for frames shown at ``times`` (s, in any order; None where unknown).

    ``hints`` are rates that the container claims, the most trusted first. A rate is regular when the frames fall into
    consecutive slots of it; otherwise the rate is that of the shortest usual distance, so that few frames are lost.
    """
    claimed = [rate for rate in hints if rate and 1 <= rate <= 1000]
    known = sorted(time for time in times if time is not None)
    rising = all(a < b for a, b in zip(known, known[1:], strict=False))
    if len(known) < len(times) or not rising or len(known) < 2:
        rate = _bounded(claimed[0] if claimed else FALLBACK_RATE)
        return Timing(rate, regular=not claimed or rate == claimed[0], timed=False)
    measured = (len(known) - 1) / (known[-1] - known[0])
    for rate in (*claimed, _standard(measured), measured):
        if _is_regular(known, rate):
            bounded = _bounded(rate)
            return Timing(bounded, regular=bounded == rate)
    distances = sorted(b - a for a, b in zip(known, known[1:], strict=False))
    return Timing(_bounded(_standard(1 / distances[len(distances) // 10])), regular=False)


def resample(frames: Iterable[tuple[Fraction | None, Frame]], timing: Timing) -> Iterator[Frame]:
    """Frames at ``timing.frame_rate`` from pairs of presentation time (s) and frame, in display order.

    Slot ``k`` at ``start + k / rate`` shows the last frame that began by then; ``start`` is the first frame's time.
    Untimed frames follow each other one slot apart.
    """
    start: Fraction | None = None
    held: list[Frame] = []  # at most one: the newest frame, not yet shown
    next_slot = 0
    for time, frame in frames:
        if start is None and time is not None:
            start = time
        slot = next_slot + len(held)
        if timing.timed and time is not None and start is not None:
            slot = _slot((time - start) * timing.frame_rate, timing.regular)
        while held and next_slot < slot:
            yield held[0]
            next_slot += 1
        held = [frame]
    yield from held


def _slot(position: Fraction, regular: bool) -> int:
    if regular:
        return round(position)
    return -((_LATE - position) // 1)  # the first slot at or after the frame, give or take _LATE


def _is_regular(times: list[Fraction], rate: Fraction) -> bool:
    return all(abs((time - times[0]) * rate - i) < _REGULAR for i, time in enumerate(times))


def _standard(rate: Fraction) -> Fraction:
    nearest = min(_STANDARD, key=lambda standard: abs(standard - rate))
    return nearest if abs(nearest - rate) <= nearest * _STANDARD_TOLERANCE else rate


def _bounded(rate: Fraction) -> Fraction:
    """At most MAX_FRAME_RATE by taking every n-th frame, and a numerator that the bitstream can hold."""
    rate = rate / -(-rate // MAX_FRAME_RATE)
    return rate if rate.numerator < _MAX_NUMERATOR else rate.limit_denominator(1 << 20)
