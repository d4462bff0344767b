"""Does the encoder see what people see? Its own distance beside one of image-recognition features.

    python -m benchmarks.judge CLIPS... --perceptual-weights squeezenet1_0.npz -o benchmarks/results/judge.json

Sampled frames of the network at some rungs and of x264 at some rates, at full and half size, are compared with both
distances. What counts is that they agree across the two roads, because rate control chooses between those.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import anchors
from benchmarks.anchors import ANCHORS
from benchmarks.clips import read_clip
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.network_probe import probe
from benchmarks.rd import write_json
from nvc.inference import load_model
from nvc.judging import Judge
from nvc.metrics.backbones import SqueezeNet10, load_tensors
from nvc.metrics.perceptual import perceptual
from nvc.models import zoo
from nvc.rate import LADDER, Tune

_RUNGS = (3, 5, 8)
_CRFS = (("x264", 33), ("x264", 37), ("x264", 41), ("x264", 46), ("x264-half-lanczos", 36))


def measure(clips: Sequence[Path], options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a clip and coding."""
    model = load_model(options.model or zoo.DEFAULT_MODEL, torch.device("cpu"))
    judge = Judge(model, device=torch.device("cpu"), tune=Tune.PERCEPTUAL)
    backbone = SqueezeNet10(load_tensors(options.perceptual_weights))
    rows: list[dict[str, Any]] = []
    for path in clips:
        clip = read_clip(path, limit=options.frames)
        indices = list(range(options.step // 2, len(clip.frames), options.step))
        probed = probe(clip, model)
        codings = [(f"rung {n}", probed.kbps(LADDER[n]), probed.shown(LADDER[n], indices)) for n in _RUNGS]
        for name, crf in _CRFS:
            anchor = replace(ANCHORS[name], options={**ANCHORS[name].options, "preset": "medium"})
            coded = anchors.code(clip, anchor, crf)
            codings.append((f"{name} {crf}", clip.kbps(coded.size), coded.clip.frames[indices]))
        original = clip.frames[indices]
        for name, kbps, shown in codings:
            pair = [[np.ascontiguousarray(p.transpose(1, 2, 0)) for p in frames] for frames in (original, shown)]
            own = float(judge.distances(*pair).mean())
            sqp = float(perceptual(original, shown, backbone=backbone))
            row = {"clip": path.stem, "coding": name, "kbps": round(kbps, 2)}
            rows.append({**row, "sqp": round(sqp, 4), "own": round(own, 4)})
            print(rows[-1], flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="The encoder's perceptual distance beside a trained one.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--perceptual-weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--step", type=int, default=30)
    parser.add_argument("--model")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = measure(options.clips, options)
    own, sqp = (np.log([row[name] for row in rows]) for name in ("own", "sqp"))
    network = np.array([row["coding"].startswith("rung") for row in rows])
    ratio = own - sqp
    summary = {
        "correlation_of_logarithms": round(float(np.corrcoef(own, sqp)[0, 1]), 4),
        "bias_of_network_percent": round(100 * float(np.exp(ratio[network].mean() - ratio[~network].mean()) - 1), 2),
    }
    around = {"machine": describe_machine(), "versions": describe_versions()}
    write_json(options.output, {**summary, "frames": options.frames, "step": options.step, "rows": rows, **around})
    print(summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
