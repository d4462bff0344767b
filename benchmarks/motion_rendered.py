"""What the encoder's choice of motion does to pictures: bytes of MOTION a frame, PSNR and landmarks of what is drawn.

    python -m benchmarks.motion_rendered CLIP... -o benchmarks/results/motion_rendered.json

Each clip has one key frame, its first; the motion that the model sees in the others is coded with and without
rate-distortion optimisation, as a file and live, and drawn by the model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clips import Clip, read_clip
from benchmarks.machine import describe_machine
from benchmarks.rd import write_json
from bitstream import UnitType
from nvc.crop import Square
from nvc.decoder import Decoder
from nvc.encoder import stream_facts
from nvc.inference import load_model, to_network
from nvc.metrics.face_distance import akd
from nvc.metrics.faces import FaceAnalyser
from nvc.metrics.fidelity import psnr
from nvc.models.interface import CodecModel
from nvc.rate import CodingPoint
from nvc.unit_coder import KeyInput, UnitCoder

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How motion is coded: strength of the optimisation, quantiser of pose and expression, frames a unit, live."""

    motion_rdo: float
    quantiser: int
    group: int = 64
    live: bool = False


SETTINGS = (
    Setting(motion_rdo=0.0, quantiser=28),
    Setting(motion_rdo=0.4, quantiser=28),
    Setting(motion_rdo=0.0, quantiser=32),
    Setting(motion_rdo=0.0, quantiser=28, group=1, live=True),
    Setting(motion_rdo=0.4, quantiser=28, group=1, live=True),
)


def see(model: CodecModel, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Motion of all frames [T, 7 + N] and canonical keypoints of the first [K, 3]."""
    frames = list(clip.frames.transpose(0, 2, 3, 1))
    batches = [to_network(frames[at : at + _BATCH], torch.device("cpu")) for at in range(0, len(frames), _BATCH)]
    with torch.inference_mode():
        motion = np.concatenate([model.estimate(batch).vector().float().numpy() for batch in batches])
        return motion, model.canonical(batches[0][:1]).float().numpy()[0]


def code(model: CodecModel, clip: Clip, seen: tuple[np.ndarray, np.ndarray], setting: Setting, qp: int) -> list[bytes]:
    """The units of a clip as bytes."""
    motion, canonical = seen
    side = model.config.side
    facts = stream_facts(
        model,
        source_size=(side, side),
        frame_rate=Fraction(clip.frame_rate),
        group_size=setting.group,
        error_resilient=False,
        synthetic=False,
        live=setting.live,
        motion_rdo=setting.motion_rdo,
    )
    coder = UnitCoder(facts, CodingPoint(qp, setting.quantiser, setting.quantiser))
    picture = np.ascontiguousarray(clip.frames[0].transpose(1, 2, 0))
    units = coder.key_frame(KeyInput(0, picture, canonical, motion[0], Square(0, 0, side)))
    for vector in motion[1:]:
        units += coder.motion(vector)
    return [unit.to_bytes() for unit in units + coder.flush()]


def measure(model: CodecModel, clip: Clip, qp: int, faces: FaceAnalyser) -> list[dict[str, Any]]:
    """One row a setting."""
    seen, rows = see(model, clip), []
    for setting in SETTINGS:
        units = code(model, clip, seen, setting, qp)
        decoder = Decoder(model=model, device="cpu")
        drawn = np.stack([picture for unit in units for picture in decoder.decode(unit)])
        spent = sum(len(unit) for unit in units if unit[0] >> 3 & 15 == UnitType.MOTION)
        row = {
            "clip": clip.name,
            **asdict(setting),
            "bytes_per_frame": round(spent / (len(drawn) - 1), 3),
            "psnr": round(psnr(clip.frames, drawn), 3),
            "akd": round(akd(clip.frames, drawn, analyser=faces), 4),
        }
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()
        rows.append(row)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="motion with and without optimisation, as it is drawn")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default="lite-256")
    parser.add_argument("--frames", type=int, default=100, help="of each clip (default 100)")
    parser.add_argument("--qp", type=int, default=34, help="of the key picture (default 34)")
    options = parser.parse_args(arguments)
    model, faces = load_model(options.model, torch.device("cpu")), FaceAnalyser()
    rows = []
    for path in options.clips:
        rows += measure(model, read_clip(path, limit=options.frames), options.qp, faces)
    report = {"machine": describe_machine(), "model": model.model_id.hex(), "frames": options.frames, "qp": options.qp}
    write_json(options.output, {**report, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
