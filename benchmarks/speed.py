"""Speed: frames a second, first-frame delay, load time and peak memory; by device and number of threads.

Every measurement runs in a process of its own, so that its peak memory and its thread count are its own. nvc is
measured frame by frame through `Encoder` and `Decoder`, as a live call uses them, and through files, with everything
that costs: H.264, colour, disk. Milliseconds of all cores together (``cpu_ms``) hold on a busy machine too.
Conventional encoders run in the same session, one thread each. A preset without shipped weights, such as
``paper-256``, is timed with random ones and on few frames: its speed is the same, and it may take seconds a frame.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import nvc
from benchmarks import anchors
from benchmarks.anchors import ANCHORS
from benchmarks.clips import Clip, read_clip, write_lossless
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.pool import run_all
from benchmarks.rd import BenchmarkError, write_json
from nvc.models import zoo

_LIVE = ("encode_fps", "decode_fps", "estimate_ms", "first_frame_ms", "load_seconds", "start_seconds", "peak_megabytes")
_FILES = ("encode_file_fps", "decode_file_fps", "encode_file_cpu_ms", "decode_file_cpu_ms")
_STAGE = " ms/frame"
_COLUMNS = (*_LIVE, *_FILES)
CONVENTIONAL = (("x264", 51), ("x264-ld", 51), ("x265", 51), ("vp9", 63), ("av1", 63), ("av1-ld", 63))
FRAMES_WITHOUT_WEIGHTS = 4


@dataclass(frozen=True, kw_only=True)
class SpeedJob:
    """One thing to time."""

    clip: str
    frames: int
    codec: str  # a model's name, or a name in ANCHORS
    crf: int | None = None  # for an anchor
    device: str = "cpu"
    threads: int = 1
    repeats: int = 3
    weights: str | None = None  # a file, where the model's are not shipped


def measure_speed(
    clip: str | Path,
    *,
    frames: int = 100,
    models: Sequence[str] = (zoo.DEFAULT_MODEL,),
    threads: Sequence[int] = (1, 2),
    devices: Sequence[str] = ("cpu",),
    repeats: int = 3,
    conventional: bool = True,
) -> dict[str, Any]:
    """Time everything, one job after another. Raises `BenchmarkError` when a job fails."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = _jobs(str(clip), frames, models, threads, devices, repeats, Path(folder))
        if conventional:
            jobs += [SpeedJob(clip=str(clip), frames=frames, repeats=repeats, codec=n, crf=c) for n, c in CONVENTIONAL]
        return _run_all(jobs)


def _jobs(
    clip: str,
    frames: int,
    models: Sequence[str],
    threads: Sequence[int],
    devices: Sequence[str],
    repeats: int,
    folder: Path,
) -> list[SpeedJob]:
    """nvc's jobs; random weights of presets that have none go into a folder."""
    jobs = []
    for model in models:
        few = model in zoo.presets() and model not in zoo.shipped()
        if few:
            zoo.save(zoo.build(model), folder / f"{model}.safetensors")
        for device in devices:
            for count in threads:
                jobs.append(
                    SpeedJob(
                        clip=clip,
                        frames=min(frames, FRAMES_WITHOUT_WEIGHTS) if few else frames,
                        codec=model,
                        device=device,
                        threads=count,
                        repeats=1 if few else repeats,
                        weights=str(folder / f"{model}.safetensors") if few else None,
                    )
                )
    return jobs


def _run_all(jobs: Sequence[SpeedJob]) -> dict[str, Any]:
    rows = []
    load = os.getloadavg()[0]  # whoever reads the figures wants to know what else the machine did
    for job in jobs:  # one pool a job: a fresh process, whose peak memory is this job's
        for outcome in run_all([job], run_job):
            if outcome.error is not None:
                raise BenchmarkError(f"{job.codec} on {job.device}: {outcome.error}")
            rows.append(outcome.value)
    machine = describe_machine() | {"load_average_before": load}
    return {"clip": Path(jobs[0].clip).stem, "rows": rows, "machine": machine, "versions": describe_versions()}


def run_job(job: SpeedJob) -> dict[str, Any]:
    """Time one codec in this process; medians over the repeats."""
    torch.set_num_threads(job.threads)
    clip = read_clip(job.clip, limit=job.frames)
    # Once unmeasured where it is nvc: the first run allocates, and compiles on CUDA.
    run = _time_anchor if job.crf is not None else _time_nvc
    runs = [run(clip, job) for _ in range(job.repeats + (job.crf is None))][-job.repeats :]
    start = {} if job.crf is not None else {"start_seconds": _time_start(job)}
    medians = {name: statistics.median(values[name] for values in runs) for name in runs[0]}
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    request = {name: value for name, value in asdict(job).items() if name not in ("clip", "weights")}
    return {**request, "frames": len(clip.frames), **medians, **start, "peak_megabytes": megabytes}


def _time_anchor(clip: Clip, job: SpeedJob) -> dict[str, float]:
    coded = anchors.code(clip, ANCHORS[job.codec], job.crf or 0)
    count = len(clip.frames)
    return {
        "encode_fps": count / coded.encode_seconds,
        "decode_fps": count / coded.decode_seconds,
        "first_frame_ms": anchors.first_frame_seconds(clip, ANCHORS[job.codec], job.crf or 0) * 1000,
    }


def _time_start(job: SpeedJob) -> float:
    """Seconds from the start of Python until a decoder is ready, median."""
    ready = f"import nvc; nvc.Decoder(model={job.weights or job.codec!r}, device={job.device!r})"
    seconds = []
    for _ in range(job.repeats):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", ready], check=True, cwd=Path(__file__).resolve().parent.parent)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _time_nvc(clip: Clip, job: SpeedJob) -> dict[str, float]:
    start = time.perf_counter()
    height, width = clip.frames.shape[2:]
    model = job.weights or job.codec
    encoder = nvc.Encoder(
        width=width, height=height, frame_rate=clip.frame_rate, model=model, device=job.device, group_size=1
    )
    decoder = nvc.Decoder(model=model, device=job.device)
    loaded = time.perf_counter()
    packets = [b"".join(unit.to_bytes() for unit in encoder.encode(frame)) for frame in clip.frames]
    packets.append(b"".join(unit.to_bytes() for unit in encoder.flush()))
    encoded = time.perf_counter()
    first, shown = 0.0, 0
    for packet in packets:
        shown += len(decoder.decode(packet))
        if shown and not first:
            first = time.perf_counter() - encoded
    decoded = time.perf_counter()
    if shown != len(clip.frames):
        raise RuntimeError(f"{len(clip.frames)} frames in, {shown} frames out")
    result = {
        "load_seconds": loaded - start,
        "encode_fps": shown / (encoded - loaded),
        "decode_fps": shown / (decoded - encoded),
        "first_frame_ms": first * 1000,
    }
    estimation = encoder.statistics.seconds_by_stage["motion estimation"]
    result["estimate_ms"] = 1000 * estimation / shown
    for road, stages in (("encode", encoder.statistics), ("decode", decoder.statistics)):
        for name, seconds in stages.seconds_by_stage.items():
            result[f"{road} {name} ms/frame"] = seconds * 1000 / shown
    return result | _time_files(clip, job)


def _time_files(clip: Clip, job: SpeedJob) -> dict[str, float]:
    """The same through files: reading, colour, coding, writing."""
    with tempfile.TemporaryDirectory() as name:
        source, coded, result = (Path(name) / file for file in ("source.mkv", "coded.nvc", "decoded.mp4"))
        write_lossless(clip, source)
        how: dict[str, Any] = {"model": job.weights or job.codec, "device": job.device}
        start, started = time.perf_counter(), time.process_time()
        nvc.encode_file(source, coded, crop="none", preset="fast", **how)  # other presets draw while they encode
        encoded, coding = time.perf_counter(), time.process_time()
        nvc.decode_file(coded, result, **how)
        decoded, drawing = time.perf_counter(), time.process_time()
    count = len(clip.frames)
    return {
        "encode_file_fps": count / (encoded - start),
        "decode_file_fps": count / (decoded - encoded),
        "encode_file_cpu_ms": 1000 * (coding - started) / count,
        "decode_file_cpu_ms": 1000 * (drawing - coding) / count,
    }


def as_text(result: dict[str, Any]) -> str:
    """Tables for a terminal: totals, then nvc's stages in milliseconds a frame."""
    rows = result["rows"]
    stages = list(dict.fromkeys(name for row in rows for name in row if name.endswith(_STAGE)))
    lines = [f"{'':<28}" + "".join(f"{name:>19}" for name in _COLUMNS)]
    lines += [_head(row) + "".join(_cell(row, name) for name in _COLUMNS) for row in rows]
    own = [row for row in rows if any(name in row for name in stages)]
    if own:
        lines += ["", f"{'ms a frame, by stage':<28}" + "".join(f"{_head(row).strip():>24}" for row in own)]
        lines += [f"{name.removesuffix(_STAGE):<28}" + "".join(_cell(row, name, 24) for row in own) for name in stages]
    return "\n".join(lines)


def _head(row: dict[str, Any]) -> str:
    name = f"{row['codec']} {row['device']} x{row['threads']}"
    return f"{name:<28}"


def _cell(row: dict[str, Any], name: str, width: int = 19) -> str:
    return f"{row[name]:>{width}.2f}" if name in row else f"{'-':>{width}}"


def save(result: dict[str, Any], path: str | Path) -> None:
    """Write the result as JSON."""
    write_json(Path(path), result)
