"""Which settings of the network are worth having: the ladder of `nvc.rate` and what lies around it, on clips.

    python -m benchmarks.ladder CLIPS... --perceptual-weights squeezenet1_0.npz -o benchmarks/results/ladder.json

Every rung, and every rung with one knob turned (key QP, quantisers, number of coefficients, what a further key picture
must save), is sized over whole clips and drawn at sampled frames. The table says which settings lie on the upper convex
hull of quality over the logarithm of the rate, and how far below it each rung is.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clips import read_clip
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.network_probe import probe
from benchmarks.rd import write_json
from nvc.inference import load_model
from nvc.metrics.backbones import SqueezeNet10, load_tensors
from nvc.metrics.perceptual import perceptual
from nvc.models import zoo
from nvc.rate import LADDER, Rung

_KNOBS: tuple[dict[str, int], ...] = (
    {"key_qp": -3},
    {"key_qp": 3},
    {"expression_quantiser": -2, "pose_quantiser": -2},
    {"expression_quantiser": 2, "pose_quantiser": 2},
    {"expression_count": 12},
)
_SAVINGS = (math.inf, 0.3, 0.2, 0.1, 0.05)


def candidates(rungs: Sequence[int]) -> Iterator[tuple[str, Rung]]:
    """Rungs by number, and their neighbours, each with a name."""
    for number in rungs:
        rung = LADDER[number]
        yield f"{number}", rung
        for knob in _KNOBS:
            changes = {n: v if n == "expression_count" else getattr(rung.point, n) + v for n, v in knob.items()}
            text = " ".join(f"{n}={v}" for n, v in changes.items())
            if changes.get("key_qp", 0) <= 51 and rung.point.expression_count != changes.get("expression_count", -1):
                yield f"{number} {text}", replace(rung, point=replace(rung.point, **changes))
        for saving in _SAVINGS:
            if saving != rung.saving:
                yield f"{number} saving={saving:g}", replace(rung, saving=saving)


def hull(points: Sequence[tuple[float, float]]) -> set[int]:
    """Which points (rate, quality) lie on the upper convex hull over the logarithm of the rate."""
    order = sorted(range(len(points)), key=lambda k: (points[k][0], -points[k][1]))
    kept: list[int] = []
    for k in order:
        if kept and points[k][1] <= max(points[j][1] for j in kept):
            continue
        while len(kept) > 1 and _slope(points[kept[-2]], points[kept[-1]]) <= _slope(points[kept[-1]], points[k]):
            kept.pop()
        kept.append(k)
    return set(kept)


def _slope(a: tuple[float, float], b: tuple[float, float]) -> float:
    return (b[1] - a[1]) / max(1e-9, math.log(b[0] / a[0]))


def measure(clips: Sequence[Path], options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a setting, means over clips."""
    model = load_model(options.model or zoo.DEFAULT_MODEL, torch.device("cpu"))
    backbone = SqueezeNet10(load_tensors(options.perceptual_weights))
    found: dict[str, list[tuple[float, float, float]]] = {}
    settings = dict(candidates(options.rungs))
    for path in clips:
        clip = read_clip(path, limit=options.frames)
        probed = probe(clip, model)
        indices = list(range(options.step // 2, len(clip.frames), options.step))
        for name, rung in settings.items():
            original, shown = probed.originals(indices), probed.shown(rung, indices)
            error = ((original.astype(np.float32) - shown) ** 2).mean((1, 2, 3))
            psnr = float((10 * np.log10(255**2 / np.maximum(error, 0.065))).mean())
            sqp = float(perceptual(original, shown, backbone=backbone))
            found.setdefault(name, []).append((probed.kbps(rung), psnr, sqp))
            print(f"{path.stem[:12]} {name}: {found[name][-1]}", flush=True)
    rows = []
    for name, values in found.items():
        kbps, psnr, sqp = np.mean(values, axis=0)
        rung = settings[name]
        saving = rung.saving if math.isfinite(rung.saving) else None
        row = {"name": name, "saving": saving, **asdict(rung.point), "clips": len(values)}
        rows.append({**row, "kbps": round(kbps, 3), "psnr": round(psnr, 3), "sqp": round(sqp, 4)})
    for name, sign in (("psnr", 1), ("sqp", -1)):
        best = hull([(row["kbps"], sign * row[name]) for row in rows])
        for k, row in enumerate(rows):
            row[f"on_{name}_hull"] = k in best
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Settings of the network on and around the ladder.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--perceptual-weights", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--rungs", type=lambda text: [int(v) for v in text.split(",")], default=list(range(len(LADDER)))
    )
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--step", type=int, default=20)
    parser.add_argument("--model")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = measure(options.clips, options)
    head = {"frames": options.frames, "step": options.step, "clips": [clip.stem for clip in options.clips]}
    write_json(options.output, {**head, "rows": rows, "machine": describe_machine(), "versions": describe_versions()})
    for row in sorted(rows, key=lambda r: r["kbps"]):
        marks = "".join(mark for mark, name in (("P", "psnr"), ("S", "sqp")) if row[f"on_{name}_hull"])
        print(f"{row['name']:<44}{row['kbps']:8.2f}{row['psnr']:8.2f}{row['sqp']:8.3f}  {marks}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
