"""What is asked for and what comes out: delivered rate, mean and worst frame, and the comparison with x264.

    python -m benchmarks.rate_control CLIPS... --perceptual-weights squeezenet1_0.npz -o rate_control.json

Square clips are coded whole, others with --crop auto. Every byte but audio counts. Every --step-th frame is compared,
in the coded square; of nvc only those are drawn, so that a table of seven rates takes minutes. x264 is at its best
(veryslow, tune psnr, one key picture, payload alone); its crf is searched for each rate. --resume keeps the clips that
the output of an interrupted run holds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import anchors
from benchmarks.anchors import ANCHORS
from benchmarks.clips import Clip, write_lossless
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.rd import write_json
from benchmarks.sampled_coding import SampledDecoder, SharedAnalysis
from bitstream import UnitType
from bitstream.limits import SOURCE_SLOTS
from bitstream.stream import StreamDecoder
from nvc.crop import Square
from nvc.decoder import Decoder
from nvc.file_encoder import RateOptions
from nvc.inference import load_model
from nvc.metrics.backbones import SqueezeNet10, load_tensors
from nvc.metrics.perceptual import perceptual
from nvc.models import zoo
from nvc.motion_choice import DEFAULT_RDO
from nvc.nvc_file import NvcFile
from nvc.picture_coder import Preset
from nvc.rate import Tune
from nvc.renderer import Picture
from nvc.video import VideoReader

RATES = (1.5, 2.5, 4.0, 8.0, 16.0, 32.0, 64.0)  # kbit/s
X264_RATES = (16.0, 32.0, 64.0)
_NEAR = 0.01


@dataclass(frozen=True)
class Quality:
    """Mean and worst of the sampled frames."""

    psnr: float
    worst_psnr: float
    sqp: float | None
    worst_sqp: float | None


def compare(original: np.ndarray, shown: np.ndarray, backbone: SqueezeNet10 | None) -> Quality:
    """Clips uint8 [T, 3, S, S]."""
    error = ((original.astype(np.float32) - shown) ** 2).mean((1, 2, 3))
    psnr = 10 * np.log10(255**2 / np.maximum(error, 0.065))
    sqp = None
    if backbone is not None:
        sqp = [float(perceptual(a[None], b[None], backbone=backbone)) for a, b in zip(original, shown, strict=True)]
    return Quality(
        float(psnr.mean()),
        float(psnr.min()),
        None if sqp is None else float(np.mean(sqp)),
        None if sqp is None else float(max(sqp)),
    )


def cut_to(path: Path, frames: int, folder: Path) -> Path:
    """The first frames of a video, lossless, as a file."""
    reader = VideoReader(path)
    pictures = [p for p, _ in zip(reader.frames(), range(frames), strict=False)]
    clip = Clip(path.stem, np.stack(pictures).transpose(0, 3, 1, 2), reader.info.frame_rate)
    target = folder / f"{path.stem}.mkv"
    if not target.exists():
        write_lossless(clip, target)
    return target


def originals(coded: Path, source: Path, wanted: Sequence[int]) -> np.ndarray:
    """The squares that the encoder saw, uint8 [T, 3, S, S]; where they lie stands in the file."""
    squares: list[tuple[int, Square, int]] = []
    stream = StreamDecoder()
    for unit in NvcFile(coded).units():
        frames = stream.decode(unit) if isinstance(unit.type, UnitType) else []
        if frames and stream.sequence is not None:
            s = stream.sequence
            square = Square(s.crop_x, s.crop_y, s.crop_side)
            if not squares or squares[-1][1] != square:
                squares.append((frames[0].presentation_index, square, s.side))
    found, chosen = [], set(wanted)
    for index, frame in enumerate(VideoReader(source).source_frames()):
        if index in chosen:
            _, square, side = [entry for entry in squares if entry[0] <= index][-1]
            found.append(frame.square(square, side))
    return np.stack(found).transpose(0, 3, 1, 2)


def code_nvc(
    source: Path, kbps: float, options: argparse.Namespace, folder: Path, backbone: SqueezeNet10 | None
) -> tuple[dict[str, Any], np.ndarray, list[int]]:
    """One row, and the frames that it was compared with."""
    info = VideoReader(source).info
    crop = "none" if info.width == info.height else "auto"
    target = folder / "coded.nvc"
    encoder = SharedAnalysis(
        VideoReader(source),
        bitrate=1000 * kbps,
        quality=None,
        crop=crop,
        keyint=None,
        model=options.model or zoo.DEFAULT_MODEL,
        device="cpu",
        error_resilient=False,
        synthetic=False,
        motion_rdo=DEFAULT_RDO,
        sources=SOURCE_SLOTS,
        options=RateOptions(tune=Tune(options.tune), preset=Preset(options.preset)),
        progress=lambda stage, done, total: None,
    )
    with open(target, "wb") as file:
        report = encoder.write(file, audio=False, began=time.perf_counter())
    wanted = list(range(options.step // 2, report.frames, options.step))
    decoder = SampledDecoder(model=options.model, device="cpu")
    decoder.wanted = frozenset(wanted)
    shown = {}
    for index, picture in enumerate(_frames(decoder, target)):
        if index in decoder.wanted:
            shown[index] = picture
    reference = originals(target, source, wanted)
    quality = compare(reference, np.stack([shown[index] for index in wanted]), backbone)
    row = {
        "codec": "nvc",
        "requested_kbps": kbps,
        "kbps": round(report.video_kbps, 3),
        "reached": report.reached,
        **{name: value if value is None else round(value, 4) for name, value in vars(quality).items()},
        "key_frames": len(report.statistics.key_frames),
        "picture_frames": report.pictures,
        "frames": report.frames,
        "encode_seconds": round(report.seconds, 1),
    }
    return row, reference, wanted


def _frames(decoder: Decoder, path: Path) -> Iterator[Picture]:
    for unit in NvcFile(path).units():
        yield from decoder.decode_unit(unit)


def code_x264(clip: Clip, kbps: float, wanted: Sequence[int], backbone: SqueezeNet10 | None) -> dict[str, Any] | None:
    """x264 at a rate, or None where even its coarsest pictures take more."""
    anchor, crf, known = ANCHORS["x264"], 36.0, {}
    for _ in range(6):
        coded = anchors.code(clip, anchor, crf)  # type: ignore[arg-type]
        known[crf] = math.log(clip.kbps(coded.size) / kbps)
        if abs(known[crf]) < _NEAR:
            break
        nearest = sorted(known, key=lambda c: abs(known[c]))[:2]
        slope = 0.11
        if len(nearest) == 2:
            slope = max(0.03, (known[nearest[0]] - known[nearest[1]]) / (nearest[1] - nearest[0]))
        crf = min(51.0, max(10.0, round(nearest[0] + known[nearest[0]] / slope, 2)))
        if crf in known:
            break
    if crf >= 51 and known.get(51.0, 0) > 0.03:
        return None
    quality = compare(clip.frames[list(wanted)], coded.clip.frames[list(wanted)], backbone)
    return {
        "codec": "x264",
        "requested_kbps": kbps,
        "kbps": round(clip.kbps(coded.size), 3),
        **{name: value if value is None else round(value, 4) for name, value in vars(quality).items()},
    }


def whole_square(source: Path, coded: Path) -> Clip:
    """The squares that nvc coded, as a clip for x264."""
    reader = VideoReader(source)
    count = sum(1 for _ in reader.source_frames())
    return Clip(source.stem, originals(coded, source, range(count)), reader.info.frame_rate)


def measure(source: Path, options: argparse.Namespace, backbone: SqueezeNet10 | None) -> Iterator[dict[str, Any]]:
    """All rows of one clip."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short = cut_to(source, options.frames, folder)
        clip: Clip | None = None
        for kbps in options.rates:
            row, _, wanted = code_nvc(short, kbps, options, folder, backbone)
            yield {"clip": source.stem, **row}
            if kbps in X264_RATES:
                clip = clip or whole_square(short, folder / "coded.nvc")
                other = code_x264(clip, kbps, wanted, backbone)
                if other is not None:
                    yield {"clip": source.stem, **other}


def summarise(rows: Sequence[dict[str, Any]], tune: str) -> dict[str, Any]:
    """Means by rate over clips, the largest miss of a rate, and the worst difference to x264 in percent."""
    own = [row for row in rows if row["codec"] == "nvc"]
    means = []
    for kbps in sorted({row["requested_kbps"] for row in own}):
        some = [row for row in own if row["requested_kbps"] == kbps]
        names = ("kbps", "psnr", "worst_psnr", "sqp", "worst_sqp", "key_frames", "picture_frames")
        values = {n: [row[n] for row in some if row[n] is not None] for n in names}
        means.append({"requested_kbps": kbps, **{n: round(float(np.mean(v)), 4) for n, v in values.items() if v}})
    misses = [abs(row["kbps"] / row["requested_kbps"] - 1) for row in own if row["reached"]]
    name = "psnr" if tune == "psnr" else "sqp"
    behind = []
    for other in (row for row in rows if row["codec"] == "x264"):
        for row in own:
            if (row["clip"], row["requested_kbps"]) == (other["clip"], other["requested_kbps"]) and row[name]:
                a, b = (row[name], other[name]) if name == "psnr" else (1 - row[name], 1 - other[name])
                behind.append(100 * (b - a) / b)
    return {
        "means": means,
        "largest_miss_percent": round(100 * max(misses, default=0.0), 2),
        "worst_behind_x264_percent": round(max(behind), 2) if behind else None,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Delivered rate and quality at every rate, beside x264.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--perceptual-weights", type=Path, metavar="FILE")
    parser.add_argument("--rates", type=lambda text: [float(v) for v in text.split(",")], default=list(RATES))
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--step", type=int, default=10)
    parser.add_argument("--tune", choices=("perceptual", "psnr"), default="perceptual")
    parser.add_argument("--preset", choices=("fast", "medium", "slow"), default="medium")
    parser.add_argument("--model")
    parser.add_argument("--resume", action="store_true", help="keep clips that the output holds already")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    backbone = None if options.perceptual_weights is None else SqueezeNet10(load_tensors(options.perceptual_weights))
    rows: list[dict[str, Any]] = []
    if options.resume and options.output.exists():
        rows = json.loads(options.output.read_text())["rows"]
    for source in options.clips:
        if any(row["clip"] == source.stem for row in rows):
            continue
        for row in measure(source, options, backbone):
            rows.append(row)
            print(json.dumps(row), flush=True)
        settings = {"tune": options.tune, "preset": options.preset, "frames": options.frames, "step": options.step}
        model_id = load_model(options.model or zoo.DEFAULT_MODEL, torch.device("cpu")).model_id.hex()
        head = {"settings": settings, "model_id": model_id, **summarise(rows, options.tune)}
        around = {"machine": describe_machine(), "versions": describe_versions()}
        write_json(options.output, {**head, "rows": rows, **around})
    print(json.dumps(summarise(rows, options.tune), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
