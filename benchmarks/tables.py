"""The report's tables and sentences: what was measured, the headline, where nvc loses, everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.headline import OWN, QUALITIES, Crossing, as_text, cheapest
from benchmarks.summary import METRICS, Comparison, EqualQuality, Point, Table, measured

_LABELS = {metric.name: metric.label for metric in METRICS}


@dataclass(frozen=True)
class Listing:
    """Sentences, then perhaps a table of texts; rows whose first cell is `emphasised` stand out."""

    notes: list[str]
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    emphasised: str | None = None


def introduction(table: Table) -> Listing:
    """What was measured and what had to be left out."""
    lines = [
        f"Means over {len(table.clips)} clips. One key frame a clip; of conventional codecs the payload is counted, "
        "without container and encoder text; of nvc every byte of the file. Half-size codecs are coded at half width "
        "and height and enlarged after decoding; -ld is low delay (no frame waits for a later one).",
        "sqp is the distance of unit-length SqueezeNet features; akd and akd_m the mean distance of 68 and of the 20 "
        "mouth landmarks in pixels; aed the distance of identity vectors (0.6: another person); jit the acceleration "
        "of landmarks over the source's.",
    ]
    if table.left_out:
        lines.append(f"Left out, since too few points have them: {', '.join(table.left_out)}.")
    if table.incomplete:
        lines.append(f"Points left out, since they lack a clip: {', '.join(table.incomplete)}.")
    if table.failed:
        lines.append(f"{len(table.failed)} jobs failed: {'; '.join(table.failed)}.")
    return Listing(lines)


def operating_points(table: Table) -> Listing:
    """Every point of every codec."""
    present = measured(table.points)
    rows = []
    for codec in table.codecs():
        for point in table.of(codec):
            cells = [f"{point.quality[m.name]:.3f}" if m.name in point.quality else "" for m in present]
            rows.append([codec, point.point, f"{point.kbps:.2f}", f"{point.bytes_per_frame:.1f}", *cells])
    header = ["codec", "point", "kbit/s", "bytes/frame", *[metric.name for metric in present]]
    return Listing([], header, rows, OWN)


def headline_table(equal: Sequence[EqualQuality], own: Sequence[Point]) -> Listing:
    """Rows are codecs by what they cost, columns nvc's points in each of the qualities that matter."""
    if not equal:
        return Listing(["The run holds no point of nvc beside another codec."])
    points = [point for point in own if any(item.point == point.point for item in equal)]
    columns = [(point, name) for name in QUALITIES for point in points]
    cells: dict[str, dict[tuple[str, str], EqualQuality]] = {}
    for item in equal:
        cells.setdefault(item.anchor, {})[item.point, item.metric] = item
    order = sorted(cells, key=lambda anchor: sum(item.ratio for item in cells[anchor].values()))
    rows = [["nvc's own", *[f"{p.quality[n]:.3f}" if n in p.quality else "" for p, n in columns]]]
    for anchor in order:
        found = [cells[anchor].get((point.point, name)) for point, name in columns]
        rows.append([anchor, *[as_text(item) if item else "" for item in found]])
    notes = [
        "The rate in kbit/s, all bytes counted, at which each codec reaches the quality that nvc has at the rate "
        "in the column's head, and in brackets how many times nvc's rate that is. <: even its lowest point is "
        "better, so it would need at most this; >: even its best measured point is worse."
    ]
    header = ["codec", *[f"{name} at {point.kbps:.2f}" for point, name in columns]]
    return Listing([*notes, _summary_line(equal)], header, rows, "nvc's own")


def _summary_line(equal: Sequence[EqualQuality]) -> str:
    parts = [
        f"{name} at {item.test_kbps:.2f} kbit/s: {item.anchor}, {as_text(item)}"
        for (_, name), item in cheapest(equal).items()
    ]
    return f"The cheapest other codec each time: {'; '.join(parts)}."


def crossing_table(crossings: Sequence[Crossing], equal: Sequence[EqualQuality]) -> Listing:
    """Up to where nvc pays, metric by metric."""
    rows = []
    for crossing in crossings:
        row = [_LABELS[crossing.metric.name], f"{crossing.best:.3f}", f"{crossing.best_kbps:.2f}"]
        rival = crossing.rival
        if rival is None:
            rows.append([*row, "", "", ""])
            continue
        if rival.ratio <= 1:
            verdict = "unknown, for its points end there" if rival.bound == ">" else "nvc loses"
        else:
            verdict = "unknown below the other's lowest rate" if rival.bound == "<" else "nvc needs fewer bits"
        rows.append([*row, rival.anchor, as_text(rival), verdict])
    lost = [
        f"{_LABELS[item.metric]} at {item.test_kbps:.2f} kbit/s "
        f"({item.anchor} needs {item.bound}{item.anchor_kbps:.1f})"
        for item in cheapest(equal).values()
        if item.ratio <= 1 and item.bound != ">"
    ]
    notes = [
        f"Points of nvc whose quality another codec has for no more bits: {'; '.join(lost) or 'none'}.",
        "Below, nvc's best quality on each metric among the points measured, and the codec that reaches it for the "
        "fewest bits. Who can pay more than that rate gets a truer picture from a conventional codec.",
    ]
    header = ["metric", "nvc's best", "at kbit/s", "cheapest other", "its rate", "so"]
    return Listing(notes, header, rows)


def clip_table(found: dict[str, dict[str, EqualQuality]]) -> Listing:
    """Clip by clip the cheapest other codec, so that a mean hides nothing."""
    rows = []
    for clip, items in found.items():
        rate = next((f"{item.test_kbps:.2f}" for item in items.values()), "")
        rows.append([clip, rate, *[f"{items[n].anchor} {as_text(items[n])}" if n in items else "" for n in QUALITIES]])
    lost = [clip for clip, items in found.items() for item in items.values() if item.ratio <= 1 and item.bound != ">"]
    names = ", ".join(f"{clip} ({lost.count(clip)} of {len(QUALITIES)})" for clip in dict.fromkeys(lost))
    notes = [f"Clips on which some other codec needs no more bits than nvc: {names or 'none'}."]
    return Listing(notes, ["clip", "nvc kbit/s", *QUALITIES], rows)


def comparison_table(comparisons: Sequence[Comparison]) -> Listing:
    """Bjontegaard rate differences with their overlap."""

    def cell(comparison: Comparison) -> str:
        if comparison.bd_rate is None:
            return comparison.gap
        return f"{comparison.bd_rate:+.0f} % ({comparison.overlap:.0%})"

    names = list(dict.fromkeys(comparison.metric for comparison in comparisons))
    by_anchor: dict[str, dict[str, str]] = {}
    for comparison in comparisons:
        by_anchor.setdefault(comparison.anchor, {})[comparison.metric] = cell(comparison)
    rows = [[anchor, *[cells[name] for name in names]] for anchor, cells in by_anchor.items()]
    notes = [
        "Negative: nvc needs fewer bits. In brackets the share of both quality ranges that the curves have in "
        "common; where they have none, only rates at equal quality say something. A small share is a weak figure."
    ]
    return Listing(notes, ["anchor", *names], rows)


def equal_table(equal: Sequence[EqualQuality]) -> Listing:
    """Every metric and every point of nvc."""
    names = list(dict.fromkeys(item.metric for item in equal))
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for item in equal:
        lines.setdefault((f"nvc {item.point}, {item.test_kbps:.2f}", item.anchor), {})[item.metric] = as_text(item)
    rows = [[point, anchor, *[cells.get(name, "") for name in names]] for (point, anchor), cells in lines.items()]
    return Listing([], ["nvc at kbit/s", "codec", *names], rows)
