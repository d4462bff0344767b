"""Rate control: from a quality or a bitrate to the QP of key pictures, quantisers and number of coefficients.

A quality is a rung of a ladder; `benchmarks/ladder.py` measures the rungs and what lies around them. A bitrate is met
in two passes: the video is analysed once, then the ladder is searched for the highest place whose units fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

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
    """A place on the ladder.

    Attributes:
        point: how key pictures and motion are coded.
        saving: what a further key picture must save: perceptual distance times seconds, summed over the frames that
            are drawn from it. Infinite for one key picture a scene.
        crf: what conventional pictures are coded at beside it.
    """

    point: CodingPoint
    saving: float
    crf: float


LADDER = (
    Rung(CodingPoint(45, 29, 29, expression_count=16), math.inf, 50),
    Rung(CodingPoint(43, 28, 28, expression_count=20), math.inf, 48),
    Rung(CodingPoint(41, 27, 27), math.inf, 46),
    Rung(CodingPoint(38, 26, 26), math.inf, 44),
    Rung(CodingPoint(36, 24, 24), math.inf, 43),
    Rung(CodingPoint(34, 21, 22), 0.3, 41),
    Rung(CodingPoint(31, 21, 22), 0.25, 38),
    Rung(CodingPoint(28, 21, 22), 0.2, 35),
    Rung(CodingPoint(26, 21, 21), 0.2, 32),
    Rung(CodingPoint(24, 20, 20), 0.2, 28),
    Rung(CodingPoint(22, 19, 19), 0.2, 24),
)
"""Quality levels 0 to 9, and one rung above them that only a bitrate reaches: few key frames, and fine ones."""

_PSNR_LADDER = (
    Rung(CodingPoint(46, 30, 30, expression_count=16), math.inf, 50),
    Rung(CodingPoint(45, 29, 29, expression_count=20), math.inf, 48),
    Rung(CodingPoint(44, 28, 28), 0.5, 46),
    Rung(CodingPoint(43, 27, 27), 0.25, 44),
    Rung(CodingPoint(42, 26, 26), 0.2, 43),
    Rung(CodingPoint(41, 26, 26), 0.15, 41),
    Rung(CodingPoint(40, 25, 25), 0.1, 38),
    Rung(CodingPoint(38, 24, 24), 0.06, 35),
    Rung(CodingPoint(36, 24, 24), 0.04, 32),
    Rung(CodingPoint(33, 23, 23), 0.03, 28),
    Rung(CodingPoint(28, 22, 22), 0.03, 24),
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
    """A place on the way from one rung (``part`` 0) to the next (1), with as many key frames as the lower one."""

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
    return Rung(point, low.saving, low.crf + part * (high.crf - low.crf))
