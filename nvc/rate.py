"""Rate control: from a quality or a bitrate to the QP of key pictures, quantisers and number of coefficients.

A quality is a rung of a ladder; `benchmarks/ladder.py` measures the rungs and what lies around them. A bitrate is met
in two passes: the video is analysed once, then the ladder is searched for the highest place whose units fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from nvc.key_placement import KeyPolicy

MIN_QUALITY, MAX_QUALITY, DEFAULT_QUALITY = 0, 9, 5


class Tune(Enum):
    """What the encoder works for."""

    PERCEPTUAL = "perceptual"
    PSNR = "psnr"


@dataclass(frozen=True)
class CodingPoint:
    """One point of the ladder.

    Attributes:
        key_qp: H.264 QP of key pictures, 0 to 51, higher is coarser.
        pose_quantiser, expression_quantiser, canonical_quantiser: indices of the normative step table,
            step(q) = 2^(q / 4 - 14), 0 to 63.
        expression_count: how many expression coefficients a motion frame carries; None for all.
    """

    key_qp: int
    pose_quantiser: int
    expression_quantiser: int
    canonical_quantiser: int = 28
    expression_count: int | None = None

    def __post_init__(self) -> None:
        most = {"key_qp": 51, "pose_quantiser": 63, "expression_quantiser": 63, "canonical_quantiser": 63}
        for name, limit in most.items():
            if not 0 <= getattr(self, name) <= limit:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 to {limit}")
        if self.expression_count is not None and self.expression_count < 0:
            raise ValueError(f"expression_count is {self.expression_count}; it must not be negative")

    def carried(self, expression_count: int) -> int:
        """How many of a stream's ``expression_count`` coefficients are sent."""
        return expression_count if self.expression_count is None else min(self.expression_count, expression_count)


@dataclass(frozen=True)
class Rung:
    """A place on the ladder: how key pictures and motion are coded, and which of the key frame placements is used.

    ``crf`` is what conventional pictures are coded at beside it.
    """

    point: CodingPoint
    placement: int
    crf: float


@dataclass(frozen=True)
class Placement:
    """How often key frames come, against the usual bounds: ``factor`` times as near, and after so many seconds."""

    factor: float = 1.0
    clock: float | None = None

    def policy(self, usual: KeyPolicy, frame_rate: float) -> KeyPolicy:
        """The bounds of this placement; a clock that the user asked for holds too."""
        denser = usual.denser(self.factor)
        if self.clock is None:
            return denser
        frames = max(1, round(self.clock * frame_rate))
        return replace(denser, interval=frames if usual.interval is None else min(frames, usual.interval))


PLACEMENTS = (
    Placement(),
    Placement(0.7),
    Placement(1.25, 2.5),
    Placement(1.5, 1.2),
    Placement(2.0, 0.6),
)
"""Placements of key frames by their number."""

LADDER = (
    Rung(CodingPoint(47, 32, 32, expression_count=12), 1, 50),
    Rung(CodingPoint(45, 31, 31, expression_count=16), 1, 48),
    Rung(CodingPoint(43, 30, 30, expression_count=20), 1, 46),
    Rung(CodingPoint(41, 29, 29, expression_count=24), 1, 44),
    Rung(CodingPoint(40, 29, 29), 0, 43),
    Rung(CodingPoint(38, 28, 28), 0, 41),
    Rung(CodingPoint(35, 27, 27), 0, 38),
    Rung(CodingPoint(32, 26, 26), 0, 35),
    Rung(CodingPoint(28, 24, 24), 0, 32),
    Rung(CodingPoint(26, 23, 23), 2, 28),
    Rung(CodingPoint(24, 22, 22), 3, 24),
)
"""Quality levels 0 to 9, and one rung above them that only a bitrate reaches: few key frames, and fine ones."""

_PSNR_LADDER = (
    Rung(CodingPoint(47, 32, 32, expression_count=12), 1, 50),
    Rung(CodingPoint(46, 31, 31, expression_count=16), 0, 48),
    Rung(CodingPoint(45, 30, 30, expression_count=20), 0, 46),
    Rung(CodingPoint(44, 29, 29, expression_count=24), 2, 44),
    Rung(CodingPoint(42, 29, 29), 2, 43),
    Rung(CodingPoint(41, 28, 28), 2, 41),
    Rung(CodingPoint(40, 27, 27), 3, 38),
    Rung(CodingPoint(38, 26, 26), 3, 35),
    Rung(CodingPoint(37, 25, 25), 4, 32),
    Rung(CodingPoint(34, 24, 24), 4, 28),
    Rung(CodingPoint(28, 22, 22), 4, 24),
)

LADDERS = {Tune.PERCEPTUAL: LADDER, Tune.PSNR: _PSNR_LADDER}
"""At the same rate more and coarser key frames have the better PSNR, fewer and finer ones look better."""

QUALITIES = tuple(rung.point for rung in LADDER[: MAX_QUALITY + 1])
"""Coding points of the quality levels."""


def rung_of(quality: int, *, tune: Tune = Tune.PERCEPTUAL) -> Rung:
    """The rung of a quality level. Raises ValueError: not 0 to 9."""
    coding_point(quality)
    return LADDERS[tune][quality]


def coding_point(quality: int) -> CodingPoint:
    """The coding point of a quality level.

    Raises:
        ValueError: not 0 to 9.
    """
    if isinstance(quality, bool) or quality not in range(MIN_QUALITY, MAX_QUALITY + 1):
        raise ValueError(f"quality is {quality}; it must be {MIN_QUALITY} to {MAX_QUALITY}")
    return QUALITIES[quality]


@dataclass(frozen=True)
class Solution:
    """A rung for a budget: how many bytes it takes, and whether that is within what was asked for."""

    rung: Rung
    size: int
    fits: bool


def solve(
    budget: float, cost: Callable[[Rung], int], *, expression_count: int, ladder: Sequence[Rung] = LADDER
) -> Solution:
    """The highest place on the ladder whose ``cost`` (bytes) is at most ``budget`` bytes.

    The rungs are searched first, then the way from the best one to the next. Where even the lowest rung costs more,
    that one is given with ``fits`` False. ``cost`` is called at most eight times.
    """
    low, high = 0, len(ladder) - 1
    best = Solution(ladder[0], cost(ladder[0]), fits=True)
    if best.size > budget:
        return replace(best, fits=False)
    above: int | None = None  # cost of the rung above the best
    while low < high:
        middle = (low + high + 1) // 2
        size = cost(ladder[middle])
        if size <= budget:
            low, best = middle, Solution(ladder[middle], size, fits=True)
        else:
            high, above = middle - 1, size
    if above is None or above <= best.size:
        return best
    for share in (1.0, 0.6):  # sizes grow like powers, nearly; where they do not, a smaller step fits
        part = share * math.log(budget / best.size) / math.log(above / best.size)
        between = between_rungs(ladder[low], ladder[low + 1], part, expression_count)
        size = best.size if between.point == ladder[low].point else cost(between)
        if size <= budget:
            return Solution(between, size, fits=True) if size > best.size else best
    return best


def between_rungs(low: Rung, high: Rung, part: float, expression_count: int) -> Rung:
    """A place on the way from one rung (``part`` 0) to the next (1), with the placement of the lower one."""

    def mixed(a: float, b: float) -> int:
        return round(a + part * (b - a))

    a, b = low.point, high.point
    point = CodingPoint(
        mixed(a.key_qp, b.key_qp),
        mixed(a.pose_quantiser, b.pose_quantiser),
        mixed(a.expression_quantiser, b.expression_quantiser),
        mixed(a.canonical_quantiser, b.canonical_quantiser),
        mixed(a.carried(expression_count), b.carried(expression_count)),
    )
    return Rung(point, low.placement, low.crf + part * (high.crf - low.crf))
