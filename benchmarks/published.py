"""README's curves and docs/benchmarks.md, from the committed results and nothing else.

    python -m benchmarks.published

Reads benchmarks/results/val; writes docs/rate-quality.svg and .png, docs/benchmarks.md and README's block.
tests/test_published.py holds README to those results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.anchors import ANCHORS, Enlarge
from benchmarks.curves import draw_curves
from benchmarks.headline import OWN, QUALITIES, by_clip, cheapest, crossings, equal_qualities, headline
from benchmarks.rd import load_results
from benchmarks.readme_picture import README, ROOT, with_block
from benchmarks.summary import METRICS, EqualQuality, Table, compare, measured, tabulate
from benchmarks.tables import (
    Listing,
    clip_table,
    comparison_table,
    crossing_table,
    headline_table,
    introduction,
    operating_points,
)

RESULTS = ROOT / "benchmarks" / "results" / "val"
PAGE = ROOT / "docs" / "benchmarks.md"
CURVES = ROOT / "docs" / "rate-quality"
START, END = "<!-- rates: written by benchmarks/published.py -->\n", "<!-- end of rates -->"
FAMILIES = {"x264": "x264", "x265": "x265", "vp9": "VP9", "av1": "AV1", "av1-ld": "AV1, low delay"}
SHOWN = ("nvc", "x264", "x264-half-lanczos", "x265", "vp9", "av1", "av1-half-lanczos", "av1-ld")
PSNR = next(metric for metric in METRICS if metric.name == "psnr")


def main() -> None:
    """Write everything."""
    results = load_results([RESULTS])
    table = tabulate(results)
    codecs = [name for name in SHOWN if name in table.codecs()]
    shown = Table([p for p in table.points if p.codec in codecs], table.clips, [], [])
    draw_curves(shown, results, CURVES, metrics=QUALITIES, single_clips=False)
    PAGE.write_text(document(results))
    README.write_text(with_block(README.read_text(), block(table) + "\n", start=START, end=END))
    print(block(table))


def block(table: Table) -> str:
    """README's figure and table: what others pay for nvc's quality."""
    equal = headline(table)
    points = [point for point in table.of(OWN) if any(item.point == point.point for item in equal)]
    names = [name for name in FAMILIES if any(_family(item.anchor) == name for item in equal)]
    lines = [
        "![Curves of rate and quality](docs/rate-quality.svg)",
        "",
        f"Means over {len(table.clips)} clips of people that the model has never seen; less is better in each panel. "
        "How many times nvc's bits other codecs need for the same perceptual distance / landmark distance / identity "
        "distance, each at full or half size, whichever is cheaper (<: at most, since even the lowest rate it has is "
        "better; >: at least, since its best measured point is worse):",
        "",
        "| nvc at | " + " | ".join(FAMILIES[name] for name in names) + " |",
        "| --- |" + " --- |" * len(names),
    ]
    preset = {point.point: f", preset {point.point.split('-')[1]}" if "-" in point.point else "" for point in points}
    for point in points:
        cells = [_ratios([i for i in equal if i.point == point.point and _family(i.anchor) == name]) for name in names]
        lines.append(f"| {point.kbps:.2f} kbit/s{preset[point.point]} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _losses(table), ""])


def _losses(table: Table) -> str:
    """The plain word about pixels and high rates."""
    found = [crossing for crossing in crossings(table) if crossing.metric.name == PSNR.name]
    more = "[docs/benchmarks.md](docs/benchmarks.md) has all figures, clip by clip too."
    if not found or found[0].rival is None:
        return more
    best, rival = found[0], found[0].rival
    return (
        f"nvc loses on pixels: its best PSNR here is {best.best:.1f} dB, at {best.best_kbps:.1f} kbit/s, which "
        f"{rival.anchor} has from {rival.bound}{rival.anchor_kbps:.1f} kbit/s on; and whoever can pay the rates of the "
        f"other curves gets a truer picture from them. {more}"
    )


def _family(codec: str) -> str:
    return codec.split("-half")[0]


def _ratios(items: Sequence[EqualQuality]) -> str:
    """The cheapest member of a family in each quality."""
    cells = []
    for name in QUALITIES:
        best = next(iter(cheapest([item for item in items if item.metric == name]).values()), None)
        cells.append(f"{best.bound}{best.ratio:.1f}x" if best else "-")
    return " / ".join(cells)


def document(results: Sequence[dict[str, Any]]) -> str:
    """docs/benchmarks.md."""
    table = tabulate(results)
    equal, head = equal_qualities(table), headline(table)
    anchors = [codec for codec in table.codecs() if codec != OWN]
    compared = [compare(table, anchor=a, test=OWN, metric=m) for a in anchors for m in measured(table.points)]
    points = list(dict.fromkeys(item.point for item in head))
    sections = [
        ("Bits for nvc's quality", headline_table(head, table.of(OWN))),
        ("Where nvc loses", crossing_table(crossings(table), equal)),
        ("Bjontegaard rate difference of nvc", comparison_table(compared)),
        ("How the other codecs are run", anchor_table()),
        ("Operating points", operating_points(table)),
    ]
    if points:
        middle = by_clip(results, table, point=points[len(points) // 2])
        sections.insert(2, ("Clip by clip", clip_table(middle)))
    body = "\n".join(f"## {heading}\n\n{markdown(listing)}" for heading, listing in sections)
    return f"# Rate and quality\n\n{_PREFACE}\n{markdown(introduction(table))}\n{body}"


def anchor_table() -> Listing:
    """How the other codecs are run, from the code that runs them."""
    rows = []
    for anchor in ANCHORS.values():
        if anchor.enlarge is None:
            half = ANCHORS[f"{anchor.name}-half-{Enlarge.LANCZOS.value}"].points
            options = " ".join(f"{name}={value}" for name, value in anchor.options.items())
            points, halves = (", ".join(map(str, some)) for some in (anchor.points, half))
            rows.append([anchor.name, anchor.encoder, f"`{options}`", points, halves])
    notes = [
        "FFmpeg's encoders through PyAV, one thread, one pass at constant quality, 4:2:0, one key frame. At half size "
        "the source is shrunk by area averaging; `-half-bicubic` and `-half-lanczos` name the filter that enlarges it "
        "again. The last point of each is the coarsest that the encoder has. Counted are the packets, without the text "
        "that x264 and x265 write about themselves and without AV1's temporal delimiters; no container."
    ]
    return Listing(notes, ["name", "encoder", "options", "crf", "crf at half size"], rows)


_PREFACE = """Written by `python -m benchmarks.published` from the JSON files in `benchmarks/results/val`: one for each
clip, codec and point, with the exact encoder options, versions and machine. To make them anew:

```sh
nvc-bench rd CLIPS... --codecs all --rates 2,3,4 --perceptual-weights squeezenet1_0.npz --workers 2 -o results
nvc-bench report results
```

[benchmarking.md](benchmarking.md) has the options.

![Curves](rate-quality.svg)
"""


def markdown(listing: Listing) -> str:
    """Sentences and a table."""
    lines = [line.replace("<", "&lt;") + "\n" for line in listing.notes]
    if listing.rows:
        lines += [_row(listing.header), _row(["---"] * len(listing.header)), *[_row(row) for row in listing.rows]]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("<", "&lt;") for cell in cells) + " |"


if __name__ == "__main__":
    main()
