"""The report: a pure function of result files. Curves, BD-rates, operating points, sheets, one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import page, tables
from benchmarks.curves import draw_clips, draw_curves
from benchmarks.headline import OWN, by_clip, cheapest, crossings, equal_qualities, headline
from benchmarks.rd import load_results, write_json
from benchmarks.sheets import draw_sheet, matched
from benchmarks.summary import Comparison, EqualQuality, Table, compare, measured, tabulate

TITLE = "nvc: rate and quality"
_MOST_PLAYERS = 4


def write_report(folders: Sequence[str | Path], output: str | Path, *, videos: str | Path | None = None) -> Path:
    """Write curves, clips (SVG and PNG), summary.json and report.html into `output`; returns the page's path.

    `videos` is the folder that a run kept its videos in: with it come frame sheets and players. Raises
    `BenchmarkError` where there is no result.
    """
    results = load_results(folders)
    target = Path(output)
    target.mkdir(parents=True, exist_ok=True)
    table = tabulate(results)
    comparisons, equal = _comparisons(table), equal_qualities(table)
    head = headline(table)
    draw_curves(table, results, target / "curves")
    draw_clips(table, results, target / "clips")
    write_json(target / "summary.json", _summary(table, comparisons, equal))
    sections = [
        ("Bits for nvc's quality", page.listing(tables.headline_table(head, table.of(OWN)))),
        ("Curves", page.drawing(target / "curves.svg")),
        ("Where nvc loses", page.listing(tables.crossing_table(crossings(table), equal))),
        ("Clip by clip", _clips(results, table, head) + page.drawing(target / "clips.svg")),
    ]
    if videos is not None:
        sections.append(("See for yourself", _pictures(results, table, Path(videos), target)))
    sections += [
        ("What was measured", page.listing(tables.introduction(table))),
        ("Bjontegaard rate difference of nvc", page.listing(tables.comparison_table(comparisons))),
        ("Operating points", page.listing(tables.operating_points(table))),
        ("Bits for the same quality, every metric", page.listing(tables.equal_table(equal))),
    ]
    path = target / "report.html"
    path.write_text(page.page(TITLE, sections))
    return path


def _clips(results: Sequence[dict[str, Any]], table: Table, head: Sequence[EqualQuality]) -> str:
    """The middle one of the headline's points, clip by clip."""
    points = list(dict.fromkeys(item.point for item in head))
    if not points:
        return ""
    return page.listing(tables.clip_table(by_clip(results, table, point=points[len(points) // 2])))


def _comparisons(table: Table) -> list[Comparison]:
    if OWN not in table.codecs():
        return []
    anchors = [codec for codec in table.codecs() if codec != OWN]
    return [
        compare(table, anchor=anchor, test=OWN, metric=metric)
        for anchor in anchors
        for metric in measured(table.points)
    ]


def _pictures(results: list[dict[str, Any]], table: Table, videos: Path, target: Path) -> str:
    """Sheets of all clips as files; sheets and players of the first few in the page."""
    html, players = "", 0
    for clip in table.clips:
        shown = matched(results, clip, videos, codecs=[OWN, *[c for c in table.codecs() if c != OWN]])
        if len(shown) < 2:
            continue
        sheet = target / f"sheet-{clip}.png"
        draw_sheet(shown, sheet)
        players += 1
        if players > _MOST_PLAYERS:
            continue
        html += page.player(shown, name=clip)
        html += page.picture(sheet, caption=" | ".join(item.title for item in shown))
    return html or page.paragraphs(["The run kept no videos of these clips."])


def _summary(table: Table, comparisons: Sequence[Comparison], equal: Sequence[EqualQuality]) -> dict[str, Any]:
    def lines(items: Sequence[EqualQuality]) -> list[dict[str, Any]]:
        return [asdict(item) | {"ratio": item.ratio} for item in items]

    return {
        "clips": table.clips,
        "left_out": table.left_out,
        "incomplete": table.incomplete,
        "failed": table.failed,
        "points": [asdict(point) for point in table.points],
        "bd_rate": [asdict(comparison) for comparison in comparisons],
        "equal_quality": lines(equal),
        "cheapest": lines(list(cheapest(equal).values())),
    }
