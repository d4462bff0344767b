"""From single results to figures over clips: operating points, BD-rates, rates at equal quality."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Metric:
    """How one measurement is read and shown."""

    name: str
    label: str
    higher_is_better: bool


METRICS = (
    Metric("sqp", "perceptual distance (SqueezeNet)", False),
    Metric("akd", "landmark distance, px", False),
    Metric("akd_m", "mouth landmark distance, px", False),
    Metric("aed", "identity distance", False),
    Metric("jit", "jitter (1 = source)", False),
    Metric("flicker", "flicker, levels", False),
    Metric("lpips", "LPIPS", False),
    Metric("dists", "DISTS", False),
    Metric("vmaf", "VMAF", True),
    Metric("psnr", "PSNR, dB", True),
    Metric("ssim", "SSIM", True),
    Metric("ms_ssim", "MS-SSIM", True),
)


@dataclass(frozen=True)
class Point:
    """Means over clips of one codec at one point. A metric is absent where no clip has it."""

    codec: str
    point: str
    kbps: float
    bytes_per_frame: float
    quality: dict[str, float]
    clips: int


def measured(points: Sequence[Point]) -> list[Metric]:
    """The metrics that some point has."""
    return [metric for metric in METRICS if any(metric.name in point.quality for point in points)]


@dataclass(frozen=True)
class Table:
    """Points over the same clips, so that means compare; and what had to be left out."""

    points: list[Point]
    clips: list[str]
    left_out: list[str]
    failed: list[str]
    incomplete: list[str] = field(default_factory=list)  # points that lack some clip

    def codecs(self) -> list[str]:
        """Codecs in the order of their first point."""
        return list(dict.fromkeys(point.codec for point in self.points))

    def of(self, codec: str) -> list[Point]:
        """Points of one codec by rising rate."""
        return sorted((point for point in self.points if point.codec == codec), key=lambda point: point.kbps)


def tabulate(results: Sequence[dict[str, Any]]) -> Table:
    """Means over clips, the same clips for every point.

    A clip that half of the points or more lack is left out of all; a point that lacks any other clip is left out as
    a whole. Both are named.
    """
    good = [result for result in results if result["status"] == "ok"]
    failed = [f"{r['clip']} {r['codec']} {r['point']}: {r['error']}" for r in results if r["status"] != "ok"]
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for result in good:
        groups[result["codec"], result["point"]][result["clip"]] = result
    seen = sorted({result["clip"] for result in results})
    shared = [clip for clip in seen if 2 * sum(clip in group for group in groups.values()) > len(groups)]
    whole = {name: group for name, group in groups.items() if shared and all(clip in group for clip in shared)}
    points = [_mean_point(codec, point, [group[clip] for clip in shared]) for (codec, point), group in whole.items()]
    points.sort(key=lambda point: (point.codec, point.kbps))
    left_out = [clip for clip in seen if clip not in shared]
    incomplete = sorted(f"{codec} {point}" for codec, point in groups if shared and (codec, point) not in whole)
    return Table(points, shared, left_out, failed, incomplete)


def _mean_point(codec: str, point: str, results: list[dict[str, Any]]) -> Point:
    def mean(values: list[float]) -> float:
        return math.fsum(values) / len(values) if values else math.nan

    quality = {}
    for metric in METRICS:
        values = [r["quality"][metric.name] for r in results if r["quality"].get(metric.name) is not None]
        if values:
            quality[metric.name] = mean(values)
    rate, size = mean([r["kbps"] for r in results]), mean([r["bytes_per_frame"] for r in results])
    return Point(codec, point, rate, size, quality, len(results))


@dataclass(frozen=True)
class Comparison:
    """Two curves: the Bjontegaard rate difference, and over how much of the quality range they were compared."""

    anchor: str
    test: str
    metric: str
    bd_rate: float | None  # percent; negative: the test codec needs fewer bits. None where it has no meaning
    overlap: float  # share of the union of both quality ranges
    gap: str = ""  # why there is no figure


def compare(table: Table, *, anchor: str, test: str, metric: Metric) -> Comparison:
    """Bjontegaard rate of `test` against `anchor` by monotone cubic (PCHIP) interpolation of log rate over quality.

    Points that cost more and are no better are left out, since a curve must rise.
    """
    curves = [_rising(table.of(codec), metric) for codec in (anchor, test)]
    if any(len(curve) < 2 for curve in curves):
        return Comparison(anchor, test, metric.name, None, 0.0, "too few points")
    overlap = _overlap([quality for _, quality in curves[0]], [quality for _, quality in curves[1]])
    if overlap <= 0:
        return Comparison(anchor, test, metric.name, None, 0.0, "no overlap")
    import matplotlib

    matplotlib.use("Agg")  # the package below draws too, and would look for a display
    from bjontegaard import bd_rate

    (rates1, qualities1), (rates2, qualities2) = (tuple(map(np.array, zip(*curve, strict=True))) for curve in curves)
    value = bd_rate(
        rates1, qualities1, rates2, qualities2, method="pchip", require_matching_points=False, min_overlap=0
    )
    return Comparison(anchor, test, metric.name, float(value), overlap)


@dataclass(frozen=True)
class EqualQuality:
    """The rate at which an anchor reaches the quality of one point of the codec under test."""

    anchor: str
    test: str
    point: str
    metric: str
    test_kbps: float
    anchor_kbps: float
    bound: str  # "" for an interpolated rate, "<" or ">" where the anchor's points end first

    @property
    def ratio(self) -> float:
        """How many times the bits the anchor needs (at most or at least, by `bound`)."""
        return self.anchor_kbps / self.test_kbps


def rate_at_equal_quality(table: Table, *, anchor: str, point: Point, metric: Metric) -> EqualQuality | None:
    """Log-linear interpolation along the anchor's points; None where either lacks the metric."""
    curve = _rising(table.of(anchor), metric)
    if not curve or metric.name not in point.quality:
        return None
    wanted = _score(point, metric)
    rates, qualities = [rate for rate, _ in curve], [quality for _, quality in curve]
    if wanted < qualities[0]:
        rate, bound = rates[0], "<"
    elif wanted > qualities[-1]:
        rate, bound = rates[-1], ">"
    else:
        rate, bound = float(np.exp(np.interp(wanted, qualities, np.log(rates)))), ""
    return EqualQuality(anchor, point.codec, point.point, metric.name, point.kbps, rate, bound)


def _score(point: Point, metric: Metric) -> float:
    """Quality with a sign that makes more better."""
    return point.quality[metric.name] * (1 if metric.higher_is_better else -1)


def _rising(points: list[Point], metric: Metric) -> list[tuple[float, float]]:
    """(rate, score) of the points that are better than every cheaper one."""
    curve: list[tuple[float, float]] = []
    for point in points:
        if metric.name in point.quality and (not curve or _score(point, metric) > curve[-1][1]):
            curve.append((point.kbps, _score(point, metric)))
    return curve


def _overlap(first: list[float], second: list[float]) -> float:
    low, high = max(min(first), min(second)), min(max(first), max(second))
    whole = max(max(first), max(second)) - min(min(first), min(second))
    return max(high - low, 0.0) / whole if whole > 0 else 0.0
