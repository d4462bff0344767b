"""Key pictures coded small: enlarged or restored, against the same bytes spent on coarser pictures of full size.

    python -m benchmarks.small_keys CLIPS... --restorer restorer.safetensors -o small_keys.json

For every clip one frame is coded at full size at the QPs of the quality levels; then at 128 and at 160 pixels, at the
finest QP that takes no more bytes. PSNR and MS-SSIM against the frame, and of a later frame drawn from each picture.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.one_key import Frames, Studio, mean
from benchmarks.rd import write_json
from nvc import colour, keyframe
from nvc.metrics import ms_ssim, perceptual, psnr
from nvc.metrics.backbones import SqueezeNet10, load_tensors
from nvc.models import zoo
from nvc.models.restorer import Restorer, load_restorer

QPS = (38, 41, 44, 47)
SIDES = (128, 160)
_APART = 12  # frames from the key picture to the one that is drawn from it
_MOST_QP = 51


def smaller(frame: Frames, side: int, budget: int) -> tuple[bytes, Frames]:
    """The finest coding of a frame at another side within a budget of bytes, and what it decodes to."""
    small = colour.resize_rgb(frame, width=side, height=side)
    for qp in range(20, _MOST_QP + 1):
        data = keyframe.encode_picture(small, qp=qp)
        if len(data) <= budget:
            break
    return data, keyframe.decode_picture(data, width=side, height=side)


def restored(small: Frames, side: int, restorer: Restorer) -> Frames:
    """A small picture at full size by the network."""
    half = side // 2
    small = small if small.shape[0] == half else colour.resize_rgb(small, width=half, height=half)
    with torch.inference_mode():
        batch = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
        drawn = restorer(batch)[0].permute(1, 2, 0)
    return (drawn * 255).round().clamp(0, 255).byte().numpy()


def measure(
    studio: Studio, path: Path, restorer: Restorer | None, backbone: SqueezeNet10 | None, qps: Sequence[int]
) -> list[dict[str, Any]]:
    """One row for each QP and way."""
    clip = studio.key(path, frames=2, every=_APART)
    frame, later = clip.frames
    side = studio.side
    rows = []
    for qp in qps:
        data = keyframe.encode_picture(frame, qp=qp)
        ways = {"full size": (len(data), keyframe.decode_picture(data, width=side, height=side))}
        for small_side in SIDES:
            coded, small = smaller(frame, small_side, len(data))
            ways[f"{small_side}, enlarged"] = (len(coded), colour.resize_rgb(small, width=side, height=side))
            if restorer is not None:
                ways[f"{small_side}, restored"] = (len(coded), restored(small, side, restorer))
        for way, (size, picture) in ways.items():
            with torch.inference_mode():
                prepared = studio.drawer.prepare(picture, clip.x_c, clip.motion[:1])
            drawn = studio.draw(prepared, clip.motion[1:2])[0]
            row: dict[str, Any] = {"clip": clip.name, "qp": qp, "way": way, "bytes": size}
            row |= _figures("", frame, picture, backbone)
            rows.append(row | _figures("drawn_", later, drawn, backbone))
    return rows


def _figures(prefix: str, original: Frames, picture: Frames, backbone: SqueezeNet10 | None) -> dict[str, float]:
    pair = [np.ascontiguousarray(p.transpose(2, 0, 1))[None] for p in (original, picture)]
    figures = {f"{prefix}psnr": round(psnr(*pair), 3), f"{prefix}ms_ssim": round(ms_ssim(*pair), 4)}
    if backbone is not None:
        figures[f"{prefix}sqp"] = round(perceptual(*pair, backbone=backbone), 4)
    return figures


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over clips by QP of the full size and way."""
    names = [name for name in rows[0] if name not in ("clip", "qp", "way")]
    table = []
    for qp in dict.fromkeys(row["qp"] for row in rows):
        for way in dict.fromkeys(row["way"] for row in rows):
            own = [row for row in rows if (row["qp"], row["way"]) == (qp, way)]
            table.append({"qp": qp, "way": way, **{name: mean([row[name] for row in own]) for name in names}})
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Small key pictures against coarse ones.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--restorer", type=Path, help="weights of the restorer")
    parser.add_argument("--perceptual-weights", type=Path, metavar="FILE", help="of SqueezeNet, for sqp")
    parser.add_argument("--qps", default=",".join(map(str, QPS)))
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args(arguments)
    studio = Studio(zoo.load(options.model))
    restorer = None if options.restorer is None else load_restorer(options.restorer)
    backbone = None
    if options.perceptual_weights is not None:
        backbone = SqueezeNet10(load_tensors(options.perceptual_weights))
    qps = [int(qp) for qp in options.qps.split(",")]
    one = partial(measure, studio, restorer=restorer, backbone=backbone, qps=qps)
    rows = [row for rows in map(one, options.clips) for row in rows]
    table = summarise(rows)
    print("\n".join(map(str, table)))
    if options.output:
        facts = {"machine": describe_machine(), "versions": describe_versions()}
        write_json(options.output, {"means": table, "rows": rows, **facts})
    return 0


if __name__ == "__main__":
    sys.exit(main())
