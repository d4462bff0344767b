"""Rate and distortion: every (clip, codec, point) is a job of its own and leaves one JSON file.

A run resumes: what is there, was asked for in the same words and went well is not done again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmarks import anchors
from benchmarks.anchors import ANCHORS, Coded
from benchmarks.clips import Clip, read_clip, write_playable
from benchmarks.extra_metrics import ExtraMetrics
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.pool import DEFAULT_TIMEOUT, Executor, run_all
from benchmarks.remember import RememberingAnalyser, RememberingBackbone
from nvc.metrics import measure
from nvc.metrics.backbones import SqueezeNet10, load_tensors

SCHEMA = 1
NVC = "nvc"
GROUPS = {"anchors": list(ANCHORS), "all": [NVC, *ANCHORS]}
"""Names that stand for several codecs."""
QUICK_FRAMES, QUICK_POINTS = 25, 2
NOTHING_MORE = ExtraMetrics()


class BenchmarkError(ValueError):
    """A benchmark that cannot be run as asked."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One point to measure. The fields are what makes two results comparable, so they stand in the JSON."""

    clip: str  # path
    codec: str  # "nvc" or a name in ANCHORS
    point: str  # "3k", "q5", "default"; "crf51" for an anchor
    frames: int | None  # the first so many; None is all
    perceptual_weights: str | None = None  # SqueezeNet 1.0, for sqp
    faces: bool = True
    videos: str | None = None  # folder for playable files of original and decoded clip
    model: str | None = None  # of nvc: a name or weights file; None is the default model
    extra: ExtraMetrics = NOTHING_MORE

    @property
    def name(self) -> str:
        """Names the result: unique among one run's clips of different names."""
        return f"{Path(self.clip).stem}--{self.codec}--{self.point}"

    def request(self) -> dict[str, Any]:
        """What was asked, without paths: they differ from machine to machine."""
        model = None if self.model is None else Path(self.model).stem
        request = asdict(self) | {
            "clip": Path(self.clip).stem,
            "perceptual_weights": self.perceptual_weights is not None,
        }
        del request["videos"], request["extra"]
        request |= {"model": model} | self.extra.request()
        return {name: value for name, value in request.items() if value is not None}


def plan(
    clips: Sequence[str | Path],
    codecs: Sequence[str],
    *,
    rates: Sequence[str] = ("default",),
    frames: int | None = 250,
    perceptual_weights: str | Path | None = None,
    faces: bool = True,
    videos: str | Path | None = None,
    model: str | None = None,
    extra: ExtraMetrics = NOTHING_MORE,
    quick: bool = False,
) -> list[Job]:
    """All jobs, clip by clip. `rates` are nvc's points; anchors have theirs. Raises `BenchmarkError` for bad names.

    `quick` keeps the two coarsest points of each anchor and at most 25 frames of each clip.
    """
    stems = [Path(clip).stem for clip in clips]
    if len(set(stems)) != len(stems):
        raise BenchmarkError("two clips have the same file name, and results are named by it")
    if quick:
        frames = min(frames or QUICK_FRAMES, QUICK_FRAMES)
    jobs = []
    wanted = list(dict.fromkeys(name for codec in codecs for name in GROUPS.get(codec, [codec])))
    for clip in clips:
        for codec in wanted:
            for point in _points(codec, rates, quick):
                jobs.append(
                    Job(
                        clip=str(clip),
                        codec=codec,
                        point=point,
                        frames=frames,
                        perceptual_weights=None if perceptual_weights is None else str(perceptual_weights),
                        faces=faces,
                        videos=None if videos is None else str(videos),
                        model=model if codec == NVC else None,
                        extra=extra,
                    )
                )
    return jobs


def _points(codec: str, rates: Sequence[str], quick: bool) -> list[str]:
    if codec == NVC:
        from benchmarks.nvc_codec import NvcPoint

        return [str(NvcPoint.parse(rate)) for rate in rates]
    if codec not in ANCHORS:
        raise BenchmarkError(f"no codec {codec!r}; there are {', '.join([NVC, *ANCHORS, *GROUPS])}")
    points = ANCHORS[codec].points
    return [f"crf{crf}" for crf in (points[-QUICK_POINTS:] if quick else points)]


def run_job(job: Job) -> dict[str, Any]:
    """Encode, decode, measure: the result as it goes to JSON, without machine and versions."""
    torch.set_num_threads(1)  # jobs are the parallelism
    clip = read_clip(job.clip, limit=job.frames)
    coded, options = _code(clip, job)
    quality = measure(
        clip.frames,
        coded.clip.frames,
        backbone=_backbone(job.perceptual_weights, clip) if job.perceptual_weights else None,
        analyser=_analyser(clip) if job.faces else None,
        extra=job.extra.measures(),
    )
    if job.videos is not None:
        _keep_videos(clip, coded.clip, job, Path(job.videos))
    return {
        "schema": SCHEMA,
        "status": "ok",
        "request": job.request(),
        "clip": clip.name,
        "codec": job.codec,
        "point": job.point,
        "options": options,
        "frames": len(clip.frames),
        "frame_rate": float(clip.frame_rate),
        "height": clip.frames.shape[2],
        "width": clip.frames.shape[3],
        "bytes": coded.size,
        "bytes_by_unit": coded.bytes_by_unit,
        "bytes_per_frame": coded.size / len(clip.frames),
        "kbps": clip.kbps(coded.size),
        "encode_seconds": coded.encode_seconds,
        "decode_seconds": coded.decode_seconds,
        "quality": quality.as_dict(),
    }


def _code(clip: Clip, job: Job) -> tuple[Coded, dict[str, Any]]:
    if job.codec == NVC:
        from benchmarks import nvc_codec

        point = nvc_codec.NvcPoint.parse(job.point)
        return nvc_codec.code(clip, point, model=job.model), point.options()
    anchor, crf = ANCHORS[job.codec], int(job.point.removeprefix("crf"))
    options = {"encoder": anchor.encoder, **anchor.options_at(crf)}
    if anchor.enlarge is not None:
        options["enlarge"] = anchor.enlarge.value
    return anchors.code(clip, anchor, crf), options


def _backbone(path: str, clip: Clip) -> RememberingBackbone:
    backbone = _loaded_backbone(path)
    backbone.start(clip.frames)
    return backbone


def _analyser(clip: Clip) -> RememberingAnalyser:
    analyser = _loaded_analyser()
    analyser.start(clip.frames)
    return analyser


@lru_cache(maxsize=1)
def _loaded_backbone(path: str) -> RememberingBackbone:
    return RememberingBackbone(SqueezeNet10(load_tensors(path)))


@lru_cache(maxsize=1)
def _loaded_analyser() -> RememberingAnalyser:
    return RememberingAnalyser()


def _keep_videos(original: Clip, decoded: Clip, job: Job, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    reference = folder / f"{original.name}--original.mp4"
    for clip, path in ((original, reference), (decoded, video_file(folder, original.name, job.codec, job.point))):
        if path == reference and path.exists():
            continue
        partial = path.with_name(f".{os.getpid()}-{path.name}")  # another job may write the same original
        write_playable(clip, partial)
        os.replace(partial, path)


def run(
    jobs: Sequence[Job],
    output: str | Path,
    *,
    executor: Executor = Executor.PROCESSES,
    workers: int = 1,
    timeout: float = DEFAULT_TIMEOUT,
    redo: Sequence[str] = (),
    progress: bool = True,
) -> dict[str, int]:
    """Run what is not done yet and write one JSON a job. Returns how many were "done", "failed" and "kept".

    Codecs named in `redo` are measured again: a result does not know that the code or the weights have changed.
    """
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [job for job in jobs if job.codec in redo or not is_done(job, folder)]
    counts = {"done": 0, "failed": 0, "kept": len(jobs) - len(waiting)}
    context = {"machine": describe_machine(), "versions": describe_versions()}
    outcomes = run_all(waiting, run_job, executor=executor, workers=workers, timeout=timeout)
    for outcome in tqdm(outcomes, total=len(waiting), unit="job", disable=not (progress and sys.stderr.isatty())):
        job: Job = outcome.job
        if outcome.error is None:
            result = outcome.value
            counts["done"] += 1
        else:
            result = {"schema": SCHEMA, "status": "failed", "request": job.request(), "error": outcome.error}
            result |= {"clip": Path(job.clip).stem, "codec": job.codec, "point": job.point}
            counts["failed"] += 1
        write_json(folder / f"{job.name}.json", result | context)
    return counts


def is_done(job: Job, folder: Path) -> bool:
    """Whether the folder holds a good result of exactly this request, and the video where one is wanted."""
    path = folder / f"{job.name}.json"
    if not path.exists():
        return False
    try:
        result = json.loads(path.read_text())
    except ValueError:  # cut short by an older crash: do it again
        return False
    return result.get("status") == "ok" and result.get("request") == job.request() and _has_videos(job)


def _has_videos(job: Job) -> bool:
    return job.videos is None or video_file(job.videos, Path(job.clip).stem, job.codec, job.point).exists()


def video_file(folder: str | Path, clip: str, codec: str, point: str) -> Path:
    """Where a run keeps the decoded frames of one job."""
    return Path(folder) / f"{clip}--{codec}--{point}.mp4"


def write_json(path: Path, value: object) -> None:
    """Write JSON whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
    os.replace(partial, path)


def load_results(folders: Iterable[str | Path]) -> list[dict[str, Any]]:
    """All results of some folders, failed ones included. Raises `BenchmarkError` when there is none."""
    results = []
    for folder in folders:
        for path in sorted(Path(folder).glob("*--*--*.json")):
            results.append(json.loads(path.read_text()))
    if not results:
        raise BenchmarkError(f"no results in {', '.join(str(folder) for folder in folders)}")
    return results
