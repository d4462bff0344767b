"""Several sources: bytes and quality against the interval of key frames, and whether anything jumps at a switch.

    python -m benchmarks.several_sources CLIPS... -o several_sources.json --figure several_sources.png

Key frames come at a fixed interval; the receiver holds the last 1 to 4 of them. With one source it switches at once,
as the multi-shot paper does, and the picture jumps. The step at a switch is the mean change of a pixel from the frame
before a key frame to the key frame, against the mean step of the clip; a second figure takes the same of the original
into account, since key frames may fall where the head moves anyway.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clips import Clip, read_clip
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.one_key import mean
from benchmarks.rd import write_json
from nvc.crop import Square
from nvc.decoder import Decoder
from nvc.encoder import stream_facts
from nvc.inference import to_network
from nvc.metrics import ms_ssim, psnr
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.rate import DEFAULT_QUALITY, coding_point
from nvc.unit_coder import KeyInput, UnitCoder

BAR = 1.3
"""What the step at a switch may be, in mean steps."""
_GROUP = 16


def estimate(model: CodecModel, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Motion [T, 7 + N] and canonical keypoints [T, K, 3] of every frame."""
    motion, canonical = [], []
    with torch.inference_mode():
        for start in range(0, len(clip.frames), 16):
            batch = to_network(list(clip.frames[start : start + 16].transpose(0, 2, 3, 1)), torch.device("cpu"))
            motion.append(model.estimate(batch).vector().float().numpy())
            canonical.append(model.canonical(batch).float().numpy())
    return np.concatenate(motion), np.concatenate(canonical)


def encode(model: CodecModel, clip: Clip, seen: tuple[np.ndarray, np.ndarray], *, interval: int, sources: int) -> bytes:
    """Units of a clip with a key frame every so many frames."""
    side = int(model.config.side)
    facts = stream_facts(
        model,
        source_size=(side, side),
        frame_rate=Fraction(clip.frame_rate),
        group_size=_GROUP,
        error_resilient=False,
        synthetic=False,
        live=False,
    )
    coder = UnitCoder(replace(facts, sources=sources), coding_point(DEFAULT_QUALITY))
    motion, canonical = seen
    units = []
    for index, frame in enumerate(clip.frames):
        if index % interval == 0:
            picture = np.ascontiguousarray(frame.transpose(1, 2, 0))
            square = Square(0, 0, side)
            units += coder.key_frame(KeyInput(index, picture, canonical[index], motion[index], square, index == 0))
        else:
            units += coder.motion(motion[index])
    return b"".join(unit.to_bytes() for unit in [*units, *coder.flush()])


def steps(frames: np.ndarray) -> np.ndarray:
    """Mean absolute change from each frame to the next, [T - 1] levels."""
    return np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in zip(frames, frames[1:], strict=False)])


def switch_step(frames: np.ndarray, interval: int) -> float | None:
    """Mean step at key frames against the mean step of the other frames; None without a switch."""
    taken = steps(frames)
    at = np.arange(interval, len(frames), interval) - 1
    if not len(at):
        return None
    return float(taken[at].mean() / max(np.delete(taken, at).mean(), 1e-9))


def measure(model: CodecModel, clip: Clip, *, intervals: Sequence[int], counts: Sequence[int]) -> list[dict[str, Any]]:
    """One row for each interval and number of sources."""
    seen = estimate(model, clip)
    rows = []
    for interval in intervals:
        for sources in counts:
            data = encode(model, clip, seen, interval=interval, sources=sources)
            decoder = Decoder(model=model, device="cpu")
            frames = np.stack(decoder.decode(data))
            rows.append(
                {
                    "clip": clip.name,
                    "interval": interval,
                    "sources": sources,
                    "bytes": len(data),
                    "kbps": round(clip.kbps(len(data)), 3),
                    "psnr": round(psnr(clip.frames, frames), 3),
                    "ms_ssim": round(ms_ssim(clip.frames, frames), 4),
                    "switch_step": switch_step(frames, interval),
                    "switch_step_of_original": switch_step(clip.frames, interval),
                    "drawings_a_frame": round(decoder.drawings / len(frames), 3),
                }
            )
            print(rows[-1], flush=True)
    return rows


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over clips."""
    names = ("bytes", "kbps", "psnr", "ms_ssim", "switch_step", "switch_step_of_original", "drawings_a_frame")
    table = []
    for interval, sources in sorted({(row["interval"], row["sources"]) for row in rows}):
        own = [row for row in rows if (row["interval"], row["sources"]) == (interval, sources)]
        means = {name: mean([row[name] for row in own if row[name] is not None]) for name in names}
        passes = None if means["switch_step"] is None else means["switch_step"] <= BAR
        table.append({"interval": interval, "sources": sources, "clips": len(own), **means, "passes": passes})
    return table


def draw_figure(table: Sequence[dict[str, Any]], path: Path) -> None:
    """Bytes, PSNR and the step at a switch against the interval, one line a number of sources."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    wanted = (("bytes", "bytes a clip"), ("psnr", "PSNR, dB"), ("switch_step", "step at a switch, in mean steps"))
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.6), constrained_layout=True)
    for axis, (name, title) in zip(axes, wanted, strict=True):
        for sources in sorted({row["sources"] for row in table}):
            points = [(r["interval"], r[name]) for r in table if r["sources"] == sources and r[name] is not None]
            axis.plot(*zip(*points, strict=True), marker="o", label=f"{sources} source{'s' * (sources > 1)}")
        axis.set(xlabel="frames between key frames", title=title)
        axis.grid(alpha=0.3)
    axes[2].axhline(BAR, color="black", linestyle=":", linewidth=1)
    axes[0].legend()
    figure.savefig(path, dpi=90)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Several key pictures held at once.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--intervals", default="12,25,50")
    parser.add_argument("--sources", default="1,2,3,4")
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--figure", type=Path, help="a PNG of the curves")
    options = parser.parse_args(arguments)
    model = zoo.load(options.model)
    intervals, counts = ([int(v) for v in text.split(",")] for text in (options.intervals, options.sources))
    rows: list[dict[str, Any]] = []
    for path in options.clips:
        rows += measure(model, read_clip(path, limit=options.frames), intervals=intervals, counts=counts)
    table = summarise(rows)
    print("\n".join(map(str, table)))
    if options.output:
        facts = {"machine": describe_machine(), "versions": describe_versions()}
        write_json(options.output, {"bar": BAR, "means": table, "rows": rows, **facts})
    if options.figure:
        draw_figure(table, options.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
