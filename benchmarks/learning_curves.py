"""Learning curves from a training run's ``log.jsonl``: a small copy to keep, and a figure that is a function of it.

python -m benchmarks.learning_curves RUN/log.jsonl               # copy and figure
python -m benchmarks.learning_curves --draw                      # the figure again, from the copy alone
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.learning_validation import validate_checkpoints

Row = dict[str, Any]
MOST_ROWS = 150  # of the copy: a figure is no wider than that
_POSITION = ("step", "seconds", "side")
_NOT_LOSSES = {*_POSITION, "learning_rate", "norm", "draw_s", "step_s", "total"}
_PANELS: dict[str, tuple[str, ...]] = {
    "losses on pictures, as weighted": ("pixel", "perceptual", "copied"),
    "losses on motion, as weighted": ("keypoint", "steady", "canonical", "position"),
    "adversarial losses, as weighted": ("adversarial", "matching", "feature_matching", "critic"),
}
_VALIDATION: dict[str, tuple[str, ...]] = {
    "validation: PSNR, dB": ("val_labels_psnr", "val_codec_psnr"),
    "validation: perceptual distance": ("val_labels_perceptual", "val_codec_perceptual"),
    "validation: motion": ("val_keypoint_px", "val_change_px", "val_angle_deg"),
}


def read_log(path: Path) -> list[Row]:
    """Rows of a ``log.jsonl``; a last line that a crash cut off is left out."""
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def without_repeats(rows: Iterable[Row]) -> list[Row]:
    """Rows in order of step: where a run was resumed from an earlier checkpoint, what it had done since is dropped."""
    kept: list[Row] = []
    for row in rows:
        again = not is_validation(row)
        while kept and (kept[-1]["step"] > row["step"] or (again and _same(kept[-1], row))):
            kept.pop()
        kept.append(row)
    return kept


def _same(old: Row, new: Row) -> bool:
    return bool(old["step"] == new["step"]) and not is_validation(old)


def is_validation(row: Row) -> bool:
    """Whether a row holds figures on the validation set."""
    return any(name.startswith("val_") for name in row)


def compact(rows: Iterable[Row], *, most: int = MOST_ROWS) -> list[Row]:
    """At most about ``most`` rows of training, each the mean of as many neighbours, and all rows of validation.

    Rows are joined only where they have the same losses and picture side, so that stages stay apart.
    """
    whole = without_repeats(rows)
    training = [row for row in whole if not is_validation(row)]
    size = max(1, -(-len(training) // most))
    out: list[Row] = []
    group: list[Row] = []
    for row in training:
        if group and (len(group) == size or group[0].keys() != row.keys() or group[0]["side"] != row["side"]):
            out.append(_mean(group))
            group = []
        group.append(row)
    out += [_mean(group)] if group else []
    return sorted([*out, *(row for row in whole if is_validation(row))], key=lambda row: row["step"])


def _mean(group: Sequence[Row]) -> Row:
    last = {name: group[-1][name] for name in _POSITION if name in group[-1]}
    names = [name for name in group[0] if name not in _POSITION]
    return last | {name: float(f"{sum(row[name] for row in group) / len(group):.4g}") for name in names}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write ``path`` with suffixes .svg and .png: losses and validation against hours of steps."""
    names = {name for row in rows for name in row} - _NOT_LOSSES
    panels = {title: wanted for title, wanted in (_PANELS | _VALIDATION).items() if names & set(wanted)}
    columns = min(3, max(1, len(panels)))
    lines = max(1, -(-len(panels) // columns))
    with matplotlib.rc_context({"svg.hashsalt": "nvc", "svg.fonttype": "none"}):
        figure, grid = plt.subplots(lines, columns, figsize=(5 * columns, 3.4 * lines), squeeze=False)
        for axes, (title, wanted) in zip(grid.flat, panels.items(), strict=False):
            _draw_panel(axes, rows, [name for name in wanted if name in names], logarithmic=title in _PANELS)
            axes.set_title(title, fontsize=10)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(path.with_suffix(".png"), dpi=100)
        plt.close(figure)


def _draw_panel(axes: Axes, rows: Sequence[Row], names: Sequence[str], *, logarithmic: bool) -> None:
    kind = [row for row in rows if is_validation(row) is not logarithmic]
    hours = [row["seconds"] / 3600 for row in kind]
    for name in names:
        values = [row.get(name, math.nan) for row in kind]  # a gap where a stage has no such loss
        axes.plot(hours, values, "-" if logarithmic else "o-", label=name, linewidth=1.2, markersize=3)
    for change in _changes_of_side(rows):
        axes.axvline(change, color="#999999", linestyle=":", linewidth=0.8)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_xlabel("hours of steps")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)


def _changes_of_side(rows: Sequence[Row]) -> list[float]:
    sided = [row for row in rows if "side" in row]
    return [new["seconds"] / 3600 for old, new in zip(sided, sided[1:], strict=False) if old["side"] != new["side"]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning_curves", description=__doc__)
    parser.add_argument("log", nargs="?", type=Path, help="log.jsonl of a run")
    parser.add_argument("--copy", type=Path, default=Path("benchmarks/results/learning.jsonl"))
    parser.add_argument("--figure", type=Path, default=Path("docs/learning_curves"))
    parser.add_argument("--draw", action="store_true", help="only draw, from the copy")
    parser.add_argument("--checkpoints", nargs="*", type=Path, default=[], help="to validate")
    parser.add_argument("--preset", default="lite-256", help="what they are checkpoints of (default lite-256)")
    parser.add_argument("--every", type=int, default=120, help="one validation frame in this many (default 120)")
    for name in ("train", "val", "face", "perceptual_weights"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, help="as of nvc-train, for --checkpoints")
    args = parser.parse_args(argv)
    if not args.draw:
        if args.log is None:
            parser.error("a log.jsonl, or --draw, is needed")
        rows = compact(read_log(args.log))
        if args.checkpoints:
            rows = _validated(rows, args)
        args.copy.parent.mkdir(parents=True, exist_ok=True)
        args.copy.write_text("".join(json.dumps(row) + "\n" for row in rows))
    draw(read_log(args.copy), args.figure)
    return 0


def _validated(rows: list[Row], args: argparse.Namespace) -> list[Row]:
    """The rows with figures of checkpoints in place of the log's own validation; earlier ones stay in the copy."""
    names = ("train", "val", "face", "perceptual_weights")
    if missing := [name for name in names if getattr(args, name) is None]:
        raise SystemExit(f"--checkpoints needs --{missing[0].replace('_', '-')}")
    given = {name: getattr(args, name) for name in names}
    found = validate_checkpoints(args.checkpoints, preset=args.preset, every=args.every, **given)
    new = {row["checkpoint"] for row in found}
    earlier = read_log(args.copy) if args.copy.exists() else []
    found += [row for row in earlier if row.get("checkpoint", None) not in {None, *new}]
    training = [row for row in rows if not is_validation(row)]
    return sorted([*training, *found], key=lambda row: row["step"])


if __name__ == "__main__":
    sys.exit(main())
