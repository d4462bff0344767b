"""Rate control: from a quality or a bitrate to the QP of key pictures, quantisers and number of coefficients.

A quality is a place on one ladder. A bitrate is met in two passes: the video is analysed once, then the ladder is
searched for the best place whose units fit, and what is left is spent knob by knob.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

MIN_QUALITY, MAX_QUALITY, DEFAULT_QUALITY = 0, 9, 5
_STEPS_BETWEEN = 4


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


QUALITIES: tuple[CodingPoint, ...] = (
    CodingPoint(47, 32, 32, expression_count=12),
    CodingPoint(45, 31, 31, expression_count=16),
    CodingPoint(43, 30, 30, expression_count=20),
    CodingPoint(41, 29, 29, expression_count=24),
    CodingPoint(40, 29, 29),
    CodingPoint(38, 28, 28),
    CodingPoint(35, 27, 27),
    CodingPoint(32, 26, 26),
    CodingPoint(28, 24, 24),
    CodingPoint(24, 22, 22),
)
"""Coding points of the quality levels 0 to 9."""

_FINEST = CodingPoint(8, 14, 14, canonical_quantiser=18)


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
    """A coding point for a bitrate: how many bytes it takes, and whether that is within what was asked for."""

    point: CodingPoint
    size: int
    fits: bool


def solve(budget: float, cost: Callable[[CodingPoint], int], *, expression_count: int) -> Solution:
    """The best point whose ``cost`` (bytes of the whole video) is at most ``budget`` bytes.

    Args:
        budget: bytes.
        cost: bytes that a point takes; called about twenty times.
        expression_count: coefficients that the model has.

    Returns:
        The point; the lowest of the ladder, with ``fits`` False, when not even that is within the budget.
    """
    ladder = _fine_ladder(expression_count)
    low, high = 0, len(ladder) - 1
    best = Solution(ladder[0], cost(ladder[0]), fits=True)
    if best.size > budget:
        return replace(best, fits=False)
    while low < high:
        middle = (low + high + 1) // 2
        size = cost(ladder[middle])
        if size <= budget:
            low, best = middle, Solution(ladder[middle], size, fits=True)
        else:
            high = middle - 1
    return _spend_rest(best, budget, cost)


def _spend_rest(best: Solution, budget: float, cost: Callable[[CodingPoint], int]) -> Solution:
    """Refine single knobs in turn, each as long as it fits: the ladder alone leaves a few percent unused."""
    knobs = ["key_qp", "expression_quantiser", "pose_quantiser"]
    while knobs:
        for knob in list(knobs):
            value = getattr(best.point, knob) - 1
            if value < getattr(_FINEST, knob):
                knobs.remove(knob)
                continue
            finer = replace(best.point, **{knob: value})
            size = cost(finer)
            if size > budget:
                knobs.remove(knob)
            else:
                best = Solution(finer, size, fits=True)
    return best


def _fine_ladder(expression_count: int) -> list[CodingPoint]:
    """The ladder with steps between its points, up to the finest."""
    points: list[CodingPoint] = []
    for low, high in zip(QUALITIES, [*QUALITIES[1:], _FINEST], strict=True):
        for k in range(_STEPS_BETWEEN):
            points.append(_between(low, high, k / _STEPS_BETWEEN, expression_count))
    points.append(_FINEST)
    return [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]


def _between(low: CodingPoint, high: CodingPoint, part: float, expression_count: int) -> CodingPoint:
    def mixed(a: int, b: int) -> int:
        return round(a + part * (b - a))

    return CodingPoint(
        mixed(low.key_qp, high.key_qp),
        mixed(low.pose_quantiser, high.pose_quantiser),
        mixed(low.expression_quantiser, high.expression_quantiser),
        mixed(low.canonical_quantiser, high.canonical_quantiser),
        mixed(low.carried(expression_count), high.carried(expression_count)),
    )
