"""What choosing the pictures to draw from is worth: the first frame, the best one, and several of them.

    python -m benchmarks.chosen_sources CLIPS... --perceptual-weights squeezenet1_0.npz -o chosen_sources.json

Every clip is coded at one place on the ladder (motion as estimated, not mended) from its first frame, from the frame
that the encoder chooses, and from as many as save what a row asks for, up to four held by the receiver. The step at a
switch is the mean change of a pixel from the last frame of one source to the first of the next, in mean steps of the
decoded clip, which is to be at most 1.3; that of the original at the same frames stands beside it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clips import read_clip
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.network_probe import Probe, probe
from benchmarks.one_key import mean
from benchmarks.rd import write_json
from benchmarks.several_sources import BAR, steps
from nvc.decoder import Decoder
from nvc.inference import load_model
from nvc.metrics import psnr
from nvc.metrics.backbones import SqueezeNet10, load_tensors
from nvc.metrics.perceptual import perceptual
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.rate import DEFAULT_QUALITY, rung_of
from nvc.roads import Part
from nvc.source_choice import SourceChooser, Span

SAVINGS = (math.inf, 0.2, 0.1, 0.05)
_EVERY = 10  # frames from one that is compared to the next


class FirstFrame(SourceChooser):
    """Draws everything from the first frame of its scene."""

    def __init__(self, usual: SourceChooser) -> None:
        self.__dict__.update(usual.__dict__)

    def spans(self, part: Part, saving: float) -> tuple[Span, ...]:
        """One, whatever it costs."""
        return (Span(part.start, part.start),)


def switch_step(frames: np.ndarray, switches: Sequence[int]) -> float | None:
    """Mean step into the frames ``switches`` against the mean step of the others; None without any."""
    taken = steps(frames)
    at = np.array([index - 1 for index in switches if index], dtype=int)
    return float(taken[at].mean() / max(np.delete(taken, at).mean(), 1e-9)) if len(at) else None


def measure(path: Path, model: CodecModel, backbone: SqueezeNet10, limit: int) -> list[dict[str, Any]]:
    """One row for each way to choose."""
    clip = read_clip(path, limit=limit)
    probed = probe(clip, model)
    rung = rung_of(DEFAULT_QUALITY)
    first = probed.drawn_from(FirstFrame(probed.chooser))
    rows = [_row(probed, "first frame", probed.coded(rung, road=first), (0,), model, backbone)]
    for saving in SAVINGS:
        own = replace(rung, saving=saving)
        spans = probed.chooser.spans(probed.part, saving)
        name = f"saving {saving:g}" if math.isfinite(saving) else "best frame"
        sent = len({span.source for span in spans})
        starts = [span.start for span in spans]
        rows.append(_row(probed, name, probed.coded(own), starts, model, backbone) | {"key_pictures": sent})
    return rows


def _row(
    probed: Probe, name: str, data: bytes, switches: Sequence[int], model: CodecModel, backbone: SqueezeNet10
) -> dict[str, Any]:
    clip = probed.clip
    decoder = Decoder(model=model, device="cpu")
    shown = np.stack(decoder.decode(data))
    row = {
        "clip": clip.name,
        "way": name,
        "kbps": round(clip.kbps(len(data)), 3),
        "psnr": round(psnr(clip.frames, shown), 3),
        "sqp": round(float(perceptual(clip.frames[::_EVERY], shown[::_EVERY], backbone=backbone)), 4),
        "key_pictures": 1,
        "switches": len(switches) - 1,
        "switch_step": switch_step(shown, switches),
        "switch_step_of_original": switch_step(clip.frames, switches),
        "drawings_a_frame": round(decoder.drawings / len(shown), 3),
    }
    print(row, flush=True)
    return row


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over clips, of steps over those clips that switch."""
    names = ("kbps", "psnr", "sqp", "key_pictures", "switches", "switch_step", "switch_step_of_original")
    table = []
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way]
        means = {name: mean([row[name] for row in own if row[name] is not None]) for name in names}
        table.append({"way": way, "clips": len(own), **means})
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="What choosing the pictures to draw from is worth.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--perceptual-weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    model = load_model(options.model, torch.device("cpu"))
    backbone = SqueezeNet10(load_tensors(options.perceptual_weights))
    rows = [row for path in options.clips for row in measure(path, model, backbone, options.frames)]
    table = summarise(rows)
    print("\n".join(map(str, table)))
    if options.output:
        facts = {"machine": describe_machine(), "versions": describe_versions()}
        write_json(options.output, {"bar": BAR, "means": table, "rows": rows, **facts})
    return 0


if __name__ == "__main__":
    sys.exit(main())
