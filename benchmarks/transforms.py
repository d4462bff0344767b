"""Which expression transform is worth its bytes: the second seed paper's figure with this codec's motion coder.

One command trains both variants of the lite model side by side (one thread each, the same wall time), codes the
validation clips at several levels of dropout, and writes JSON and the figure::

    python -m benchmarks.transforms --train PACK --val PACK --face face.npz --perceptual-weights W.npz --minutes 25

Runs are resumed from ``--runs``; ``--minutes 0`` only measures, ``--draw`` only draws what the JSON holds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.transform_coding import GROUP, QUANTISER
from benchmarks.transform_figure import draw_figure
from benchmarks.transform_measure import measure
from benchmarks.transform_training import train
from benchmarks.transform_variants import Variant


def build_parser() -> argparse.ArgumentParser:
    """Options of the comparison."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transforms", description=__doc__)
    parser.add_argument("--train", type=Path, help="training pack made by nvc-prepare")
    parser.add_argument("--val", type=Path, help="pack of other people")
    parser.add_argument("--face", type=Path, help=".npz with the mean face")
    parser.add_argument("--perceptual-weights", type=Path, help="weights of the perceptual backbone")
    parser.add_argument("--runs", type=Path, default=Path("runs/transforms"), help="folder of checkpoints")
    parser.add_argument("--minutes", type=float, default=25, help="of training for each variant (default 25)")
    parser.add_argument("--steps", type=int, default=1_000_000, help="end training here at the latest")
    parser.add_argument("--frames", type=int, default=125, help="frames of each clip that are coded (default 125)")
    parser.add_argument("--every", type=int, default=10, help="one frame in this many is drawn and measured")
    parser.add_argument("-o", "--out", type=Path, default=Path("benchmarks/results/transforms.json"))
    parser.add_argument("--figure", type=Path, default=Path("docs/transforms"), help="suffixes .svg and .png are added")
    parser.add_argument("--draw", action="store_true", help="only draw the figure from the JSON")
    parser.add_argument("--only", choices=[v.value for v in Variant], help=argparse.SUPPRESS)
    parser.add_argument("--stage", choices=["train", "measure"], help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    args = build_parser().parse_args(argv)
    if args.stage is not None:
        _one(args)
        return 0
    if not args.draw:
        given = [args.train, args.val, args.face, args.perceptual_weights]
        if any(path is None for path in given):
            print("--train, --val, --face and --perceptual-weights are needed to measure", file=sys.stderr)
            return 2
        if args.minutes > 0 and not _both(args, "train"):
            return 1
        if not _both(args, "measure"):
            return 1
        _join(args)
    draw_figure(json.loads(args.out.read_text()), args.figure)
    return 0


def _both(args: argparse.Namespace, stage: str) -> bool:
    """Run a stage for both variants at once, each in a process of one thread."""
    options = ["--train", args.train, "--val", args.val, "--face", args.face]
    options += ["--perceptual-weights", args.perceptual_weights, "--runs", args.runs, "--minutes", args.minutes]
    options += ["--steps", args.steps, "--frames", args.frames, "--every", args.every, "--stage", stage]
    command = [sys.executable, "-m", "benchmarks.transforms", *map(str, options)]
    workers = [subprocess.Popen([*command, "--only", variant.value]) for variant in Variant]
    return all([worker.wait() == 0 for worker in workers])


def _one(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    variant = Variant(args.only)
    folder = args.runs / variant.value
    if args.stage == "train":
        train(
            variant,
            pack=args.train,
            face=args.face,
            perceptual_weights=args.perceptual_weights,
            out=folder,
            minutes=args.minutes,
            steps=args.steps,
        )
        return
    found = measure(variant, folder, val=args.val, frames=args.frames, every=args.every)
    (folder / "measured.json").write_text(json.dumps(found))


def _join(args: argparse.Namespace) -> None:
    found = {v.value: json.loads((args.runs / v.value / "measured.json").read_text()) for v in Variant}
    result: dict[str, Any] = {
        "frames": args.frames,
        "every": args.every,
        "quantiser": QUANTISER,
        "group": GROUP,
        "training": {name: part["training"] for name, part in found.items()},
        "still": found[Variant.PRIOR.value]["still"],
        "points": [point for part in found.values() for point in part["points"]],
        "machine": describe_machine(),
        "versions": describe_versions(),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
