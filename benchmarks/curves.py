"""Rate-quality curves as SVG and PNG: rate on a log axis, one panel a metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.summary import Metric, Table, measured, tabulate

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")  # told apart by most eyes
_NVC_COLOUR = "#000000"
_BY_CLIP = ("sqp", "akd", "aed", "psnr")
_STYLES = {"": ("-", "o"), "-half-bicubic": ("--", "s"), "-half-lanczos": (":", "^")}


def draw_curves(
    table: Table,
    results: Sequence[dict[str, Any]],
    path: str | Path,
    *,
    metrics: Sequence[str] = (),
    single_clips: bool = True,
) -> None:
    """Write `path` with suffixes .svg and .png: thick lines are means over clips, thin ones single clips of nvc.

    `metrics` names what is drawn (default: everything measured); `single_clips` off leaves the thin lines out.
    """
    drawn = [metric for metric in measured(table.points) if not metrics or metric.name in metrics]
    columns = 3
    rows = max(-(-len(drawn) // columns), 1)
    figure, grid = plt.subplots(rows, columns, figsize=(5 * columns, 3.6 * rows + 0.4), squeeze=False)
    for axes, metric in zip(grid.flat, drawn, strict=False):
        _draw_metric(axes, table, results if single_clips else [], metric)
    for axes in grid.flat[len(drawn) :]:
        axes.set_visible(False)
    _finish(figure, grid, path, codecs=len(table.codecs()))


def draw_clips(table: Table, results: Sequence[dict[str, Any]], path: str | Path) -> None:
    """One row a clip, one column a metric that matters: `path` with suffixes .svg and .png."""
    metrics = [metric for metric in measured(table.points) if metric.name in _BY_CLIP]
    rows, columns = max(len(table.clips), 1), max(len(metrics), 1)
    figure, grid = plt.subplots(rows, columns, figsize=(4 * columns, 2.5 * rows + 0.8), squeeze=False)
    whole = {(point.codec, point.point) for point in table.points}
    for axes_of_clip, clip in zip(grid, table.clips, strict=False):
        single = tabulate([r for r in results if r["clip"] == clip and (r["codec"], r["point"]) in whole])
        for axes, metric in zip(axes_of_clip, metrics, strict=False):
            _draw_codecs(axes, single, metric, table.codecs())
            _scale(axes)
            axes.set_title(f"{clip[:28]}: {metric.name}", fontsize=9)
    _finish(figure, grid, path, codecs=len(table.codecs()))


def _draw_metric(axes: Axes, table: Table, results: Sequence[dict[str, Any]], metric: Metric) -> None:
    _draw_codecs(axes, table, metric, table.codecs())
    for number, clip in enumerate(table.clips):
        own = [r for r in results if r["status"] == "ok" and r["codec"] == "nvc" and r["clip"] == clip]
        own = sorted((r for r in own if r["quality"].get(metric.name) is not None), key=lambda r: r["kbps"])
        values = [r["quality"][metric.name] for r in own]
        label = "nvc, single clips" if number == 0 and values else None
        axes.plot([r["kbps"] for r in own], values, color=_NVC_COLOUR, lw=0.5, alpha=0.35, marker=".", label=label)
    _scale(axes)
    axes.set_xlabel("kbit/s")
    axes.set_title(f"{metric.label} ({'higher' if metric.higher_is_better else 'lower'} is better)", fontsize=10)


def _draw_codecs(axes: Axes, table: Table, metric: Metric, codecs: list[str]) -> None:
    for codec in table.codecs():
        points = [point for point in table.of(codec) if metric.name in point.quality]
        colour, (style, marker) = _look(codec, codecs)
        heavy = 2.4 if codec == "nvc" else 1.4
        axes.plot(
            [point.kbps for point in points],
            [point.quality[metric.name] for point in points],
            color=colour,
            linestyle=style,
            linewidth=heavy,
            marker=marker,
            markersize=heavy + 2,
            label=codec,
        )


def _scale(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="both", alpha=0.25)


def _finish(figure: Figure, grid: np.ndarray, path: str | Path, *, codecs: int) -> None:
    handles, labels = grid.flat[0].get_legend_handles_labels()
    columns = min(4 if codecs > 8 else 6, max(codecs, 1))
    inches = 0.25 * -(-codecs // columns) + 0.15
    figure.legend(handles, labels, loc="lower center", ncols=columns, frameon=False)
    figure.tight_layout(rect=(0, inches / figure.get_figheight(), 1, 1))
    save(figure, path)


def save(figure: Figure, path: str | Path) -> None:
    """Write `path` with suffixes .svg and .png and close the figure.

    No date and fixed ids: the same JSON gives the same files.
    """
    target = Path(path)
    with matplotlib.rc_context({"svg.hashsalt": "nvc", "svg.fonttype": "none"}):
        figure.savefig(target.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(target.with_suffix(".png"), dpi=110, metadata={"Software": None})
    plt.close(figure)


def _look(codec: str, codecs: list[str]) -> tuple[str, tuple[str, str]]:
    """One colour a codec family, one line style and marker a size."""
    suffix = next((ending for ending in _STYLES if ending and codec.endswith(ending)), "")
    families = list(dict.fromkeys(name.split("-half")[0] for name in codecs if name != "nvc"))
    if codec == "nvc":
        return _NVC_COLOUR, _STYLES[""]
    return _COLOURS[families.index(codec.removesuffix(suffix)) % len(_COLOURS)], _STYLES[suffix]
