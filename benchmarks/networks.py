"""What drawing a frame costs, by network and by way of drawing it, and what each way does to the picture.

``python -m benchmarks.networks -o networks.json`` times all subjects in turns in one process, round after round, so
that whatever else the machine does meets them alike: ratios are medians over the rounds. ``--profile`` also says where
the time goes, for the model as it is and as it is drawn. Whole pipelines, with files, are `benchmarks.speed`'s.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clips import read_clip
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.network_costs import HEADS, PROFILED, Scene, floor, profile, scene_of
from nvc.cuda_drawing import BatchDrawer
from nvc.demo import make_clip
from nvc.drawing import Drawer, FastDrawer, ManyDrawer, PlainDrawer, Precision
from nvc.models import zoo
from nvc.models.folding import fold_batch_norm
from nvc.models.interface import CodecModel
from nvc.models.layers import channels_last
from nvc.models.paper_blocks import fix_spectral_norm
from nvc.pose import HeadMotion

PAPER = "paper-256"
_STREAMS = (1, 4, 16, 64)


@dataclass
class Subject:
    """One way to draw: called with a number of heads, it draws them and gives uint8 [B, 3, S, S]."""

    name: str
    draw: Callable[[int], np.ndarray]
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    psnr: float | None = None


def drawing(drawer: Drawer, scene: Scene, device: torch.device) -> Callable[[int], np.ndarray]:
    """The subject's function for a drawer."""
    still, moving = (HeadMotion.from_vector(m.vector().to(device)) for m in (scene.still, scene.moving))
    with torch.inference_mode():
        source = drawer.prepare(scene.picture, scene.x_c.to(device), still)

    def draw(count: int) -> np.ndarray:
        with torch.inference_mode():
            return np.stack(list(drawer.draw(source, moving[:count])))

    return draw


def paper_model() -> CodecModel:
    """The published network's sizes with random weights, laid out for inference as `zoo.load` does."""
    torch.manual_seed(0)
    model = zoo.build(PAPER).eval().requires_grad_(False)
    fix_spectral_norm(model)
    fold_batch_norm(model)
    channels_last(model)
    return model


def onnx_drawing(model: CodecModel, scene: Scene, threads: int) -> Callable[[int], np.ndarray]:
    """The exported per-frame decoder in onnxruntime."""
    from nvc.export import OnnxCodec, export

    with tempfile.TemporaryDirectory() as folder:
        export(model, Path(folder))
        codec = OnnxCodec(Path(folder), threads=threads)
    source = codec.appearance(scene.picture.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255))
    still, moving = scene.still.vector().numpy(), scene.moving.vector().numpy()

    def draw(count: int) -> np.ndarray:
        drawn = np.stack(list(codec.render(source, scene.x_c.numpy(), still, moving[:count])))
        return (drawn * 255).round().clip(0, 255).astype(np.uint8)

    return draw


def subjects(model: CodecModel, clip: np.ndarray, *, device: torch.device, threads: int, paper: bool) -> list[Subject]:
    """Everything that is measured, the model as it is first."""
    scene = scene_of(model, clip)
    moved = model.to(device)
    plain = drawing(PlainDrawer(moved, device), scene, device)
    found = [Subject("lite-256, float32, as it is", plain)]
    if device.type == "cpu":
        for precision in (Precision.FLOAT32, Precision.BFLOAT16):
            drawer = FastDrawer(model, precision=precision, workers=1)  # type: ignore[arg-type]
            found.append(Subject(f"lite-256, {precision.value}, drawn fast", drawing(drawer, scene, device)))
        with suppress(ImportError):
            found.append(Subject("lite-256, float32, onnxruntime", onnx_drawing(model, scene, threads)))
    else:
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            batches = BatchDrawer(moved, device, dtype=dtype)
            name = str(dtype).removeprefix("torch.")
            found.append(Subject(f"lite-256, {name}, graph", drawing(batches, scene, device)))
    for subject in found[1:]:
        subject.psnr = _psnr(subject.draw(HEADS), plain(HEADS))
    if paper:
        big = paper_model()
        paper_scene = scene_of(big, clip)
        paper_drawer = PlainDrawer(big.to(device), device)
        found.append(Subject(f"{PAPER}, float32, as it is", drawing(paper_drawer, paper_scene, device)))
    return found


def time_in_turns(found: Sequence[Subject], *, rounds: int, slow: float = 0.5) -> None:
    """Time each subject once a round; three heads, or one where a head takes longer than ``slow`` seconds."""
    heads = {}
    for subject in found:
        began = time.perf_counter()
        subject.draw(1)
        heads[subject.name] = 1 if time.perf_counter() - began > slow else 3
    for _ in range(rounds):
        for subject in found:
            count = heads[subject.name]
            began, worked = time.perf_counter(), time.process_time()
            subject.draw(count)
            subject.seconds.append((time.perf_counter() - began) / count)
            subject.cpu_seconds.append((time.process_time() - worked) / count)


def streams_of(drawer: ManyDrawer, scene: Scene, device: torch.device, *, rounds: int) -> list[dict[str, float]]:
    """Frames a second of one drawer for 1 to 64 streams, one frame of each at a time."""
    x_c, still, moving = scene.x_c.to(device), scene.still.vector().to(device), scene.moving.vector().to(device)
    rows = []
    for count in _STREAMS:
        with torch.inference_mode():
            sources = [drawer.prepare(scene.picture, x_c, HeadMotion.from_vector(still)) for _ in range(count)]
            heads = [HeadMotion.from_vector(moving[k % HEADS : k % HEADS + 1]) for k in range(count)]
            requests = list(zip(sources, heads, strict=True))
            drawer.draw_many(requests)
            seconds = []
            for _ in range(rounds):
                began = time.perf_counter()
                drawer.draw_many(requests)
                seconds.append(time.perf_counter() - began)
        rows.append({"streams": count, "fps": count / statistics.median(seconds)})
    return rows


def measure(
    clip: np.ndarray, *, device: str, threads: int, rounds: int, paper: bool, profiled: bool, streams: bool
) -> dict[str, Any]:
    """Everything. ``clip``: uint8 [T, 3, 256, 256]."""
    torch.set_num_threads(threads)
    place, model = torch.device(device), zoo.load(zoo.DEFAULT_MODEL)
    floors = {zoo.DEFAULT_MODEL: floor(model, clip)}
    load = os.getloadavg()[0]
    found = subjects(model, clip, device=place, threads=threads, paper=paper)
    time_in_turns(found, rounds=rounds)
    rows = []
    for subject in found:
        ratios = [own / base for own, base in zip(_spent(subject, place), _spent(found[0], place), strict=True)]
        rows.append(
            {
                "subject": subject.name,
                "ms_median": 1000 * statistics.median(subject.seconds),
                "cpu_ms_median": 1000 * statistics.median(subject.cpu_seconds),
                "ms_best": 1000 * min(subject.seconds),
                "times_the_first": statistics.median(ratios),
                "psnr_to_the_first": subject.psnr,
            }
        )
    result: dict[str, Any] = {
        "device": device,
        "threads": threads,
        "rounds": rounds,
        "rows": rows,
        "floor": floors,
        "model_id": model.model_id.hex(),
    }
    if paper:
        fast, big = found[2] if place.type == "cpu" else found[1], found[-1]
        ratios = [b / a for a, b in zip(_spent(fast, place), _spent(big, place), strict=True)]
        result["paper_to_lite"] = statistics.median(ratios)
        floors[PAPER] = floor(paper_model(), clip)
    if profiled and place.type == "cpu":
        result["profile"] = {subject.name: profile(subject.draw) for subject in (found[0], found[2])}
    if streams:
        cores = describe_machine()["cores"]
        drawer = FastDrawer(model, workers=int(cores)) if place.type == "cpu" else BatchDrawer(model.to(place), place)  # type: ignore[arg-type]
        result["streams"] = streams_of(drawer, scene_of(model.to("cpu"), clip), place, rounds=min(rounds, 5))
    machine = describe_machine() | {"load_average_before": load}
    return result | {"machine": machine, "versions": describe_versions()}


def _spent(subject: Subject, device: torch.device) -> list[float]:
    """What ratios are made of: time of this process, which holds on a busy machine; on a GPU the time that passed."""
    return subject.cpu_seconds if device.type == "cpu" else subject.seconds


def as_text(result: dict[str, Any]) -> str:
    """Tables for a terminal."""
    lines = [f"{'':<34}{'ms':>9}{'best':>9}{'CPU ms':>9}{'ratio':>8}{'dB':>8}"]
    for row in result["rows"]:
        decibels = "" if row["psnr_to_the_first"] is None else f"{row['psnr_to_the_first']:.1f}"
        times = f"{row['ms_median']:>9.2f}{row['ms_best']:>9.2f}{row['cpu_ms_median']:>9.2f}"
        times += f"{row['times_the_first']:>8.2f}"
        lines.append(f"{row['subject']:<34}{times}{decibels:>8}")
    if "paper_to_lite" in result:
        lines.append(f"{PAPER} takes {result['paper_to_lite']:.1f} times as long as the default way to draw")
    for row in result.get("streams", ()):
        lines.append(f"{row['streams']:3} streams: {row['fps']:8.1f} frames a second together")
    for name, rows in result.get("profile", {}).items():
        lines.append(f"\n{name}: where {PROFILED} frames spent their time, ms a frame")
        lines += [f"  {row['operator']:<44}{row['ms']:>9.3f}{row['calls']:>6} calls" for row in rows]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="benchmarks.networks", description="What drawing a frame costs.")
    parser.add_argument("--clip", type=Path, help="a 256 x 256 video file (default: the demo's clip)")
    parser.add_argument("-o", "--output", type=Path, help="write JSON there")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, help="of each layer (default: 1)")
    parser.add_argument("--rounds", type=int, default=9, help="turns, of which the median counts (default: 9)")
    parser.add_argument("--no-paper", action="store_true", help=f"leave out {PAPER}, which takes seconds a frame")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    parser.add_argument("--streams", action="store_true", help="frames a second for 1 to 64 streams")
    options = parser.parse_args(arguments)
    clip = make_clip(seconds=1.2) if options.clip is None else read_clip(options.clip, limit=60).frames
    result = measure(
        clip,
        device=options.device,
        threads=options.threads,
        rounds=options.rounds,
        paper=not options.no_paper,
        profiled=options.profile,
        streams=options.streams,
    )
    print(as_text(result))
    if options.output is not None:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return 100.0 if error == 0 else float(10 * np.log10(255**2 / error))


if __name__ == "__main__":
    sys.exit(main())
