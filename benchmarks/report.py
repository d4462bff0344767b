"""The report: a pure function of result files. Curves, BD-rates, operating points, sheets, one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.curves import draw_curves
from benchmarks.rd import NVC, load_results, write_json
from benchmarks.sheets import draw_sheet, matched
from benchmarks.summary import Comparison, EqualQuality, Table, compare, measured, rate_at_equal_quality, tabulate

TITLE = "nvc: rate and quality"
_MOST_PLAYERS = 4


def write_report(folders: Sequence[str | Path], output: str | Path, *, videos: str | Path | None = None) -> Path:
    """Write curves.svg, curves.png, summary.json and report.html into `output`; returns the page's path.

    `videos` is the folder that a run kept its videos in: with it come frame sheets and players. Raises
    `BenchmarkError` where there is no result.
    """
    results = load_results(folders)
    target = Path(output)
    target.mkdir(parents=True, exist_ok=True)
    table = tabulate(results)
    comparisons = _comparisons(table)
    equal = _equal_qualities(table)
    draw_curves(table, results, target / "curves")
    write_json(target / "summary.json", _summary(table, comparisons, equal))
    sections = [
        ("What was measured", _introduction(table)),
        ("Curves", page.drawing(target / "curves.svg")),
        ("Operating points", operating_points(table)),
        ("Bits for the same quality", _equal_table(equal)),
        ("Bjontegaard rate difference of nvc", _comparison_table(comparisons)),
    ]
    if videos is not None:
        sections.append(("See for yourself", _pictures(results, table, Path(videos), target)))
    path = target / "report.html"
    path.write_text(page.page(TITLE, sections))
    return path


def _introduction(table: Table) -> str:
    lines = [
        f"Means over {len(table.clips)} clips. One key frame a clip; of conventional codecs the payload is counted, "
        "without container and encoder text; of nvc every byte of the file. Half-size codecs are enlarged after "
        "decoding."
    ]
    if table.left_out:
        lines.append(f"Left out, since not every point has them: {', '.join(table.left_out)}.")
    if table.failed:
        lines.append(f"{len(table.failed)} jobs failed: {'; '.join(table.failed)}.")
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def operating_points(table: Table) -> str:
    """HTML table of every point."""
    present = measured(table.points)
    rows = []
    for codec in table.codecs():
        for point in table.of(codec):
            cells = [f"{point.quality[m.name]:.3f}" if m.name in point.quality else "" for m in present]
            rows.append([codec, point.point, f"{point.kbps:.2f}", f"{point.bytes_per_frame:.1f}", *cells])
    header = ["codec", "point", "kbit/s", "bytes/frame", *[metric.name for metric in present]]
    return page.table(header, rows, emphasised=NVC)


def _comparisons(table: Table) -> list[Comparison]:
    if NVC not in table.codecs():
        return []
    anchors = [codec for codec in table.codecs() if codec != NVC]
    return [
        compare(table, anchor=anchor, test=NVC, metric=metric)
        for anchor in anchors
        for metric in measured(table.points)
    ]


def _equal_qualities(table: Table) -> list[EqualQuality]:
    anchors = [codec for codec in table.codecs() if codec != NVC]
    candidates = [
        rate_at_equal_quality(table, anchor=anchor, point=point, metric=metric)
        for point in (table.of(NVC) if NVC in table.codecs() else [])
        for anchor in anchors
        for metric in measured(table.points)
    ]
    return [found for found in candidates if found is not None]


def _comparison_table(comparisons: Sequence[Comparison]) -> str:
    def cell(comparison: Comparison) -> str:
        if comparison.bd_rate is None:
            return comparison.gap
        return f"{comparison.bd_rate:+.0f} % ({comparison.overlap:.0%})"

    names = list(dict.fromkeys(comparison.metric for comparison in comparisons))
    by_anchor: dict[str, dict[str, str]] = {}
    for comparison in comparisons:
        by_anchor.setdefault(comparison.anchor, {})[comparison.metric] = cell(comparison)
    rows = [[anchor, *[cells[name] for name in names]] for anchor, cells in by_anchor.items()]
    note = (
        "<p>Negative: nvc needs fewer bits. In brackets the share of both quality ranges that the curves have in "
        "common; where they have none, only the table above says something.</p>"
    )
    return note + page.table(["anchor", *names], rows)


def _equal_table(equal: Sequence[EqualQuality]) -> str:
    names = list(dict.fromkeys(item.metric for item in equal))
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for item in equal:
        text = f"{item.bound}{item.anchor_kbps:.1f} ({item.bound}{item.ratio:.1f}x)"
        lines.setdefault((f"nvc {item.point}, {item.test_kbps:.2f}", item.anchor), {})[item.metric] = text
    rows = [[point, anchor, *[cells.get(name, "") for name in names]] for (point, anchor), cells in lines.items()]
    note = (
        "<p>The rate in kbit/s at which each codec reaches nvc's quality, and how many times nvc's own rate that is. "
        "&lt;: even its lowest point is better; &gt;: even its highest point is worse.</p>"
    )
    return note + page.table(["nvc at kbit/s", "codec", *names], rows)


def _pictures(results: list[dict[str, Any]], table: Table, videos: Path, target: Path) -> str:
    """Sheets of all clips as files; sheets and players of the first few in the page."""
    html = ""
    for number, clip in enumerate(table.clips):
        shown = matched(results, clip, videos, codecs=[NVC, *[c for c in table.codecs() if c != NVC]])
        if len(shown) < 2:
            continue
        sheet = target / f"sheet-{clip}.png"
        draw_sheet(shown, sheet)
        if number >= _MOST_PLAYERS:
            continue
        html += page.player(shown, name=clip)
        html += page.picture(sheet, caption=" | ".join(item.title for item in shown))
    return html or "<p>The run kept no videos of these clips.</p>"


def _summary(table: Table, comparisons: Sequence[Comparison], equal: Sequence[EqualQuality]) -> dict[str, Any]:
    return {
        "clips": table.clips,
        "left_out": table.left_out,
        "failed": table.failed,
        "points": [asdict(point) for point in table.points],
        "bd_rate": [asdict(comparison) for comparison in comparisons],
        "equal_quality": [asdict(item) | {"ratio": item.ratio} for item in equal],
    }
