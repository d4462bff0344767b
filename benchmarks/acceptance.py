"""The bars that default weights must pass on clips of people never seen, beside x264 at its lowest rate.

    python -m benchmarks.acceptance CLIPS... --perceptual-weights squeezenet1_0.npz -o acceptance.json

The first 250 frames of each clip are coded as they are (``--crop none``) and every byte of the file counts. x264 is
measured once and kept; nvc is measured anew in every run, unless --resume says that an interrupted one goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.rd import NVC, load_results, plan, run, write_json
from benchmarks.summary import Point, Table, tabulate

FRAMES = 250
X264_FLOOR = (("x264", "crf51"), ("x264-half-lanczos", "crf51"))
COLUMNS = ("kbps", "psnr", "sqp", "akd", "akd_m", "aed", "jit")


@dataclass(frozen=True)
class Bar:
    """A bound on a mean over clips."""

    name: str
    bound: float
    at_least: bool = False

    def passes(self, value: float | None) -> bool:
        """Whether a mean passes; what was not measured does not."""
        if value is None:
            return False
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


BARS = (
    Bar("kbps", 4.0),
    Bar("psnr", 24.0, at_least=True),
    Bar("sqp", 0.32),
    Bar("akd", 2.3),
    Bar("aed", 0.42),
    Bar("jit", 1.4),
)


def values_of(point: Point) -> dict[str, float | None]:
    """The columns of the table for one codec and point."""
    return {name: point.kbps if name == "kbps" else point.quality.get(name) for name in COLUMNS}


def judge(point: Point) -> dict[str, bool]:
    """Which bars a point passes."""
    values = values_of(point)
    return {bar.name: bar.passes(values[bar.name]) for bar in BARS}


def accept(
    clips: Sequence[Path],
    *,
    rates: Sequence[str],
    perceptual_weights: Path,
    results: Path,
    workers: int = 1,
    resume: bool = False,
) -> dict[str, Any]:
    """Measure and return the table as it goes to JSON."""
    options = {"frames": FRAMES, "perceptual_weights": perceptual_weights}
    wanted = set(X264_FLOOR)
    jobs = [
        job
        for job in plan(clips, [NVC, *[codec for codec, _ in X264_FLOOR]], rates=rates, **options)  # type: ignore[arg-type]
        if job.codec == NVC or (job.codec, job.point) in wanted
    ]
    run(jobs, results, workers=workers, redo=() if resume else (NVC,))
    names = {job.name for job in jobs}
    single = [r for r in load_results([results]) if f"{r['clip']}--{r['codec']}--{r['point']}" in names]
    return summarise(single, tabulate(single))


def summarise(results: Sequence[dict[str, Any]], table: Table) -> dict[str, Any]:
    """Means and verdicts by point, and nvc's figures clip by clip."""
    points = []
    for point in table.points:
        verdict = {"passes": judge(point)} if point.codec == NVC else {}
        points.append({"codec": point.codec, "point": point.point, "clips": point.clips, **values_of(point), **verdict})
    own = [r for r in results if r["status"] == "ok" and r["codec"] == NVC]
    clips = [
        {
            "clip": r["clip"],
            "point": r["point"],
            "frames": r["frames"],
            "bytes": r["bytes"],
            "bytes_by_unit": r["bytes_by_unit"],
            "kbps": r["kbps"],
            **{name: r["quality"].get(name) for name in COLUMNS[1:]},
        }
        for r in own
    ]
    return {
        "bars": {bar.name: str(bar) for bar in BARS},
        "frames": FRAMES,
        "means": points,
        "clips": clips,
        "left_out": table.left_out,
        "failed": table.failed,
        "machine": describe_machine(),
        "versions": describe_versions(),
    }


def as_text(summary: dict[str, Any]) -> str:
    """The table for a terminal: bars, means with a mark where a bar is missed, then nvc clip by clip."""
    lines = [_row("", list(COLUMNS)), _row("bar", [summary["bars"].get(name, "") for name in COLUMNS])]
    for point in summary["means"]:
        missed = {name for name, passed in point.get("passes", {}).items() if not passed}
        cells = [_cell(point[name]) + ("!" if name in missed else "") for name in COLUMNS]
        lines.append(_row(f"{point['codec']} {point['point']} (mean of {point['clips']})", cells))
    lines += [
        _row(f"  {clip['clip']} {clip['point']}", [_cell(clip[name]) for name in COLUMNS]) for clip in summary["clips"]
    ]
    lines += [f"left out: {clip}" for clip in summary["left_out"]] + [f"failed: {line}" for line in summary["failed"]]
    return "\n".join(lines)


def _row(head: str, cells: Sequence[str]) -> str:
    return f"{head[:44]:<44}" + "".join(f"{cell:>10}" for cell in cells)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 0 when some point of nvc passes every bar, 1 when none does."""
    parser = argparse.ArgumentParser(description="The bars that default weights must pass.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--perceptual-weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--rates", default="default", help="nvc's points, as for nvc-bench rd (default: default)")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/val"), help="folder of single results")
    parser.add_argument("-o", "--output", type=Path, help="write the table as JSON there")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="keep results of nvc from an interrupted run")
    options = parser.parse_args(arguments)
    summary = accept(
        options.clips,
        rates=options.rates.split(","),
        perceptual_weights=options.perceptual_weights,
        results=options.results,
        workers=options.workers,
        resume=options.resume,
    )
    print(as_text(summary))
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.output, summary)
    return 0 if any(all(point["passes"].values()) for point in summary["means"] if "passes" in point) else 1


if __name__ == "__main__":
    sys.exit(main())
