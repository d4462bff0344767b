"""The coded pictures that the conformance vectors carry, what they decode to, and the reference frames of Part B."""

from __future__ import annotations

import hashlib
import json
import re
from fractions import Fraction
from typing import Any

import av
import numpy as np
import torch
from vector_writer import FOLDER

from bitstream import canonical_step, frame_steps, parse_units
from bitstream.stream import StreamDecoder
from nvc import colour
from nvc.demo import make_clip
from nvc.keyframe import decode_picture, encode_picture
from nvc.models import zoo
from nvc.pose import HeadMotion

QP = 34
_GROUP = 3
_DROPPED = {6, 9, 12}  # SEI, access unit delimiter, filler
SIDES = {"key-64": 64, "key-32": 32}


def coded_pictures() -> dict[str, bytes]:
    """Two key pictures, and an H.264 stream of three pictures of which the first is a key picture."""
    found = {}
    for name, side in SIDES.items():
        rgb = np.ascontiguousarray(make_clip(seconds=0.04, side=side)[0].transpose(1, 2, 0))
        found[name] = encode_picture(rgb, qp=QP)
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 64, 64, "yuv420p", Fraction(1, 25)
    context.thread_count = 1
    context.options = {"qp": str(QP), "preset": "medium", "tune": "zerolatency", "x264-params": "keyint=250:bframes=0"}
    packets = []
    for number, rgb in enumerate(make_clip(seconds=0.12, side=64).transpose(0, 2, 3, 1)[:_GROUP]):
        frame = colour.rgb_to_frame(np.ascontiguousarray(rgb), pixel_format="yuv420p")
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    for number, packet in enumerate(packets):
        nals = (nal.rstrip(b"\0") for nal in re.split(rb"\x00\x00\x00?\x01", bytes(packet)))
        found[f"gop-{number}"] = b"".join(b"\0\0\1" + nal for nal in nals if nal and nal[0] & 31 not in _DROPPED)
    return found


def picture_facts() -> dict[str, Any]:
    """Side, bytes and hash of the decoded samples (uint8 R, G, B, row by row) of every key picture."""
    found = {}
    for name, side in {**SIDES, "gop-0": 64}.items():
        data = (FOLDER / "pictures" / f"{name}.h264").read_bytes()
        rgb = decode_picture(data, width=side, height=side)
        found[name] = {"side": side, "size": len(data), "rgb_sha256": hashlib.sha256(rgb.tobytes()).hexdigest()}
    return found


def draw_frames(data: bytes, count: int, *, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """The first ``count`` output frames of a stream for tiny-64 with one source, uint8 [count, side, side, 3]."""
    decoder, model = StreamDecoder(), zoo.load("tiny-64")
    frames = [frame for unit in parse_units(data) for frame in decoder.decode(unit)][:count]
    sequence, key = decoder.sequence, decoder.key
    assert sequence is not None and key is not None and count > 0  # the vectors that are drawn have both
    rgb = decode_picture(key.picture, width=key.coded_width, height=key.coded_height)
    canonical = np.array(key.canonical).reshape(-1, 3) * canonical_step(sequence)
    values = torch.tensor(np.array([frame.values for frame in frames]) * frame_steps(sequence), dtype=torch.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
            picture = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
            x_c = model.mean_keypoints + torch.from_numpy(canonical).float()
            motion = HeadMotion.from_vector(values)
            key_motion = HeadMotion.from_vector(values[:1])
            drawn = model.render(model.appearance(picture), x_c, key_motion, motion)
    finally:
        torch.set_num_threads(threads)
    return (drawn.float() * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def read_facts() -> dict[str, Any]:
    """The committed facts."""
    facts: dict[str, Any] = json.loads((FOLDER / "pictures" / "pictures.json").read_text())
    return facts
