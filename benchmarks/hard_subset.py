"""The hard subset: clips with the largest head turns, drawn from the frame with the largest turn of all.

    python -m benchmarks.hard_subset CLIPS... --perceptual-weights squeezenet1_0.npz -o benchmarks/results/hard.json

Accuracy against the difference of pose between source and frame. The clip begins with its hardest frame, which is the
only key picture; every other frame is drawn from it. Poses are the codec's own estimates.
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

from benchmarks import streamed
from benchmarks.clips import Clip, read_clip
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.rd import write_json
from nvc.inference import load_model, to_network
from nvc.key_placement import turn_between
from nvc.metrics import FaceAnalyser, NoFaceFound, akd, perceptual
from nvc.metrics.backbones import Backbone, SqueezeNet10, load_tensors
from nvc.models import zoo
from nvc.rate import DEFAULT_QUALITY, coding_point

HARDEST, FRAMES, STEP = 4, 150, 5
BINS = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 90.0)  # degrees


def poses_of(clip: Clip, *, model: str) -> np.ndarray:
    """Pitch, yaw, roll in radians of every frame, float32 [T, 3]."""
    network = load_model(model, torch.device("cpu"))
    pictures = list(clip.frames.transpose(0, 2, 3, 1))
    with torch.inference_mode():
        batches = (
            to_network(pictures[start : start + 16], torch.device("cpu")) for start in range(0, len(pictures), 16)
        )
        return np.concatenate([network.estimate(batch).vector()[:, :3].float().numpy() for batch in batches])


def spread(poses: np.ndarray) -> float:
    """Variance of pitch and yaw together, in square degrees."""
    return float(np.degrees(poses[:, :2]).var(axis=0).sum())


def hardest_frame(poses: np.ndarray) -> int:
    """The frame that looks furthest from where the camera is."""
    ahead = np.zeros(3, np.float32)
    return int(np.argmax([turn_between(pose, ahead) for pose in poses]))


def measure_clip(
    clip: Clip, poses: np.ndarray, *, analyser: FaceAnalyser, backbone: Backbone, model: str
) -> list[dict[str, Any]]:
    """One row for every fifth frame."""
    source = hardest_frame(poses)
    order = np.concatenate([[source], np.arange(len(poses))])
    reordered = replace(clip, frames=np.ascontiguousarray(clip.frames[order]))
    coded = streamed.encode(reordered, point=coding_point(DEFAULT_QUALITY), policy=streamed.ONLY_THE_FIRST, model=model)
    decoded = streamed.decode(reordered, coded, model=model).frames[1:]
    rows = []
    for index in range(0, len(poses), STEP):
        pair = clip.frames[index : index + 1], decoded[index : index + 1]
        try:
            distance = akd(*pair, analyser=analyser)
        except NoFaceFound:
            continue
        turn = turn_between(poses[index], poses[source])
        rows.append({"clip": clip.name, "degrees": turn, "akd": distance, "sqp": perceptual(*pair, backbone=backbone)})
    return rows


def by_difference(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means in bins of pose difference; a bin without frames is left out."""
    found = []
    for low, high in zip(BINS, BINS[1:], strict=False):
        own = [row for row in rows if low <= row["degrees"] < high]
        if own:
            values = {name: sum(row[name] for row in own) / len(own) for name in ("degrees", "akd", "sqp")}
            found.append({"from": low, "to": high, "frames": len(own), **values})
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Choose, measure, print, write."""
    parser = argparse.ArgumentParser(description="Accuracy against pose difference.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--perceptual-weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--hardest", type=int, default=HARDEST, help="so many clips (default: 4)")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    options = parser.parse_args(arguments)
    clips = [read_clip(path, limit=options.frames) for path in options.clips]
    poses = [poses_of(clip, model=options.model) for clip in clips]
    order = sorted(range(len(clips)), key=lambda index: -spread(poses[index]))[: options.hardest]
    analyser, backbone = FaceAnalyser(), SqueezeNet10(load_tensors(options.perceptual_weights))
    rows = [
        row
        for i in order
        for row in measure_clip(clips[i], poses[i], model=options.model, analyser=analyser, backbone=backbone)
    ]
    chosen = {clips[index].name: spread(poses[index]) for index in order}
    result = {"frames": options.frames, "variance_of_pose": chosen, "by_difference": by_difference(rows), "rows": rows}
    for row in result["by_difference"]:
        print(
            f"{row['from']:g} to {row['to']:g} degrees, {row['frames']} frames: "
            f"akd {row['akd']:.2f}, sqp {row['sqp']:.3f}"
        )
    write_json(options.output, result | {"machine": describe_machine(), "versions": describe_versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
