"""Conventional codecs as anchors, each at its best for few bits: one key frame, one thread, payload bytes alone.

Counted is what a decoder needs: every byte of every packet, less the text that x264 and x265 write about themselves
(SEI user data) and less AV1's temporal delimiters, which no container stores. There is no container.
At half size the source is shrunk by area averaging, coded, and enlarged by the decoder with a bicubic or Lanczos
filter: at a few kbit/s that is often a conventional codec's best answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from benchmarks.clips import Clip
from nvc.colour import ColourSpec, Matrix, frame_to_rgb, rgb_to_frame

_HIGHEST_CRF = 63
NEVER = "9999"  # key frame interval: the first frame is the only key frame
_SPEC = ColourSpec(Matrix.BT601)
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_USER_DATA_UNREGISTERED = 5
_TEMPORAL_DELIMITER = b"\x12\x00"


class Enlarge(Enum):
    """The filter with which half-size pictures are brought back to full size."""

    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A conventional encoder with everything but its quality setting."""

    name: str
    encoder: str  # FFmpeg's name
    decoder: str
    options: dict[str, str]
    points: tuple[int, ...]  # values of crf, from good to the encoder's worst
    enlarge: Enlarge | None = None  # coded at half size when set

    def options_at(self, crf: int) -> dict[str, str]:
        """The exact encoder options at one point."""
        options = {**self.options, "crf": str(min(crf, _HIGHEST_CRF))}
        if crf > _HIGHEST_CRF:  # FFmpeg's own option ends before SVT-AV1's range does
            options["svtav1-params"] += f":crf={crf}"
        return options


@dataclass(frozen=True)
class Coded:
    """What came out of an encoder and back out of its decoder."""

    clip: Clip
    size: int  # bytes
    bytes_by_unit: dict[str, int]
    encode_seconds: float
    decode_seconds: float


_X264 = {"preset": "veryslow", "tune": "psnr", "g": NEVER, "sc_threshold": "0"}
_X265 = f"log-level=none:keyint={NEVER}:scenecut=0"
_AV1 = f"keyint={NEVER}:scd=0:lp=1"

_FULL_SIZE = (
    Anchor(name="x264", encoder="libx264", decoder="h264", options=_X264, points=(34, 40, 46, 51)),
    Anchor(
        name="x264-ld",
        encoder="libx264",
        decoder="h264",
        options={"preset": "medium", "tune": "zerolatency", "g": NEVER, "sc_threshold": "0"},
        points=(34, 40, 46, 51),
    ),
    Anchor(
        name="x265",
        encoder="libx265",
        decoder="hevc",
        options={"preset": "slower", "tune": "psnr", "x265-params": _X265},
        points=(34, 40, 46, 51),
    ),
    Anchor(
        name="vp9",
        encoder="libvpx-vp9",
        decoder="vp9",
        options={"b": "0", "deadline": "good", "cpu-used": "1", "g": NEVER, "auto-alt-ref": "1", "lag-in-frames": "25"},
        points=(45, 52, 58, 63),
    ),
    Anchor(
        name="av1",
        encoder="libsvtav1",
        decoder="libdav1d",
        options={"preset": "4", "svtav1-params": f"{_AV1}:pred-struct=2:tune=1"},
        points=(49, 56, 63, 70),
    ),
    Anchor(
        name="av1-ld",
        encoder="libsvtav1",
        decoder="libdav1d",
        options={"preset": "5", "svtav1-params": f"{_AV1}:pred-struct=1:tune=1"},
        points=(49, 56, 63, 70),
    ),
)
_HALF_SIZE_POINTS = {
    "libx264": (27, 35, 43, 51),
    "libx265": (27, 35, 43, 51),
    "libvpx-vp9": (37, 46, 55, 63),
    "libsvtav1": (39, 49, 60, 70),
}


def _at_half_size(anchor: Anchor, enlarge: Enlarge) -> Anchor:
    return replace(
        anchor,
        name=f"{anchor.name}-half-{enlarge.value}",
        points=_HALF_SIZE_POINTS[anchor.encoder],
        enlarge=enlarge,
    )


ANCHORS: dict[str, Anchor] = {
    anchor.name: anchor
    for full in _FULL_SIZE
    for anchor in (full, _at_half_size(full, Enlarge.BICUBIC), _at_half_size(full, Enlarge.LANCZOS))
}


def code(clip: Clip, anchor: Anchor, crf: int) -> Coded:
    """Encode and decode a clip with even sides. Raises `RuntimeError` when frames go missing on the way."""
    height, width = clip.frames.shape[2:]
    halves = anchor.enlarge is not None
    pictures = [picture.transpose(1, 2, 0) for picture in clip.frames]
    if halves:
        pictures = [_resize(picture, width // 4 * 2, height // 4 * 2, Image.Resampling.BOX) for picture in pictures]
    start = time.perf_counter()
    packets = _encode(pictures, clip.frame_rate, anchor, crf)
    encoded = time.perf_counter()
    decoded = _decode(packets, anchor)
    finished = time.perf_counter()
    if len(decoded) != len(pictures):
        raise RuntimeError(f"{anchor.name} crf {crf}: {len(pictures)} frames in, {len(decoded)} frames out")
    if anchor.enlarge is not None:
        resampling = Image.Resampling[anchor.enlarge.name]
        decoded = [_resize(picture, width, height, resampling) for picture in decoded]
    frames = np.ascontiguousarray(np.stack(decoded).transpose(0, 3, 1, 2))
    size = sum(payload_size(packet, anchor.encoder) for packet in packets)
    return Coded(replace(clip, frames=frames), size, {"video": size}, encoded - start, finished - encoded)


def first_frame_seconds(clip: Clip, anchor: Anchor, crf: int) -> float:
    """Time from an open decoder to its first frame, the packets being there. Lookahead makes no difference to it."""
    packets = _encode([picture.transpose(1, 2, 0) for picture in clip.frames], clip.frame_rate, anchor, crf)
    start = time.perf_counter()
    context = cast(VideoCodecContext, av.CodecContext.create(anchor.decoder, "r"))
    context.thread_count = 1
    for packet in [*packets, None]:
        frames = context.decode(None if packet is None else av.Packet(packet))
        if frames:
            frame_to_rgb(frames[0])
            return time.perf_counter() - start
    raise RuntimeError(f"{anchor.name} crf {crf}: no frame came out")


def payload_size(packet: bytes, encoder: str) -> int:
    """Bytes of a packet that are counted: without encoder text and temporal delimiters."""
    if encoder == "libsvtav1":
        return len(packet) - 2 * packet.startswith(_TEMPORAL_DELIMITER)
    if encoder in ("libx264", "libx265"):
        return len(packet) - sum(len(unit) for unit in _nal_units(packet) if _is_text(unit, encoder))
    return len(packet)


def _encode(pictures: list[np.ndarray], frame_rate: Fraction, anchor: Anchor, crf: int) -> list[bytes]:
    context = cast(VideoCodecContext, av.CodecContext.create(anchor.encoder, "w"))
    context.height, context.width = pictures[0].shape[:2]
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = 1 / frame_rate, frame_rate
    context.thread_count = 1
    context.options = anchor.options_at(crf)
    packets = []
    for index, picture in enumerate(pictures):
        frame = rgb_to_frame(picture, pixel_format="yuv420p", spec=_SPEC)
        frame.pts, frame.time_base = index, context.time_base
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets + [bytes(packet) for packet in context.encode(None)]


def _decode(packets: list[bytes], anchor: Anchor) -> list[np.ndarray]:
    context = cast(VideoCodecContext, av.CodecContext.create(anchor.decoder, "r"))
    context.thread_count = 1
    frames = [frame for packet in packets for frame in context.decode(av.Packet(packet))]
    frames += context.decode(None)
    return [frame_to_rgb(frame) for frame in frames]


def _resize(picture: np.ndarray, width: int, height: int, resampling: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), resampling))


def _nal_units(annex_b: bytes) -> Iterator[bytes]:
    """NAL units with their start codes."""
    starts = [match.start() for match in _START_CODE.finditer(annex_b)]
    for start, end in zip(starts, [*starts[1:], len(annex_b)], strict=True):
        yield annex_b[start:end]


def _is_text(unit: bytes, encoder: str) -> bool:
    body = unit[unit.index(b"\x01") + 1 :]
    if encoder == "libx264":
        return body[0] & 31 == 6 and body[1] == _USER_DATA_UNREGISTERED
    return body[0] >> 1 & 63 in (39, 40) and body[2] == _USER_DATA_UNREGISTERED
