"""The answer in a few lines: what others pay for nvc's quality, and where nvc loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.summary import EqualQuality, Metric, Table, measured, rate_at_equal_quality, tabulate

OWN = "nvc"
POINTS = ("2k", "3k", "4k")
"""The rates that the headline is about; where a run has none of them, it is about all points of nvc."""
QUALITIES = ("sqp", "akd", "aed")
"""What a viewer of a face sees: texture, expression and pose, identity."""


@dataclass(frozen=True)
class Crossing:
    """Up to where nvc pays: its best quality on one metric, and the cheapest other codec that matches it."""

    metric: Metric
    best: float
    best_kbps: float
    rival: EqualQuality | None  # None where there is no other codec


def equal_qualities(table: Table, *, points: Sequence[str] = ()) -> list[EqualQuality]:
    """The rate of every other codec at the quality of every point of nvc, or of those named."""
    anchors = [codec for codec in table.codecs() if codec != OWN]
    candidates = [
        rate_at_equal_quality(table, anchor=anchor, point=point, metric=metric)
        for point in table.of(OWN)
        if not points or point.point in points
        for anchor in anchors
        for metric in measured(table.points)
    ]
    return [found for found in candidates if found is not None]


def headline(table: Table) -> list[EqualQuality]:
    """Equal qualities at 2, 3 and 4 kbit/s in the three qualities that matter."""
    own = [point.point for point in table.of(OWN)]
    # A rate at another preset ("3k-fast") stands in for one that was not measured at the usual one.
    wanted = [rate if rate in own else next((p for p in own if p.startswith(f"{rate}-")), None) for rate in POINTS]
    points = [point for point in wanted if point is not None] or own
    return [item for item in equal_qualities(table, points=points) if item.metric in QUALITIES]


def cheapest(equal: Sequence[EqualQuality]) -> dict[tuple[str, str], EqualQuality]:
    """By (point of nvc, metric): the codec that reaches the quality for the fewest bits, or may do so.

    One whose points end before the quality is reached (>) would reach it somewhere above; where that may be below
    what the others need, its bound is all that can be claimed.
    """
    best: dict[tuple[str, str], EqualQuality] = {}
    for item in equal:
        known = best.get((item.point, item.metric))
        if known is None or _rank(item) < _rank(known):
            best[item.point, item.metric] = item
    return best


def _rank(item: EqualQuality) -> tuple[float, bool]:
    return item.anchor_kbps, item.bound != ">"


def crossings(table: Table) -> list[Crossing]:
    """For each metric nvc's best quality, and who reaches it for how little."""
    found = []
    for metric in measured(table.of(OWN)):
        sign = 1 if metric.higher_is_better else -1
        own = [point for point in table.of(OWN) if metric.name in point.quality]
        best = max(own, key=lambda point: (sign * point.quality[metric.name], -point.kbps))
        at_best = [item for item in equal_qualities(table, points=[best.point]) if item.metric == metric.name]
        rival = cheapest(at_best).get((best.point, metric.name))
        found.append(Crossing(metric, best.quality[metric.name], best.kbps, rival))
    return found


def by_clip(results: Sequence[dict[str, Any]], table: Table, *, point: str) -> dict[str, dict[str, EqualQuality]]:
    """Clip by clip and metric by metric, the cheapest other codec at the quality of one point of nvc."""
    found: dict[str, dict[str, EqualQuality]] = {}
    for clip in table.clips:
        single = tabulate([result for result in results if result["clip"] == clip])
        best = cheapest(equal_qualities(single, points=[point]))
        found[clip] = {metric: item for (_, metric), item in best.items() if metric in QUALITIES}
    return found


def as_text(item: EqualQuality) -> str:
    """Rate and ratio: ``9.1 (3.0x)``, with < or > where the codec's points end first."""
    return f"{item.bound}{item.anchor_kbps:.1f} ({item.bound}{item.ratio:.1f}x)"
