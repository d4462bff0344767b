"""Frames to PICTURE units: a conventional H.264 stream, whose first picture is the key picture.

The settings are those of a good x264 stream: one thread, a key picture and none after it, B-frames for files and none
for live use, where each picture must be shown at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext

from nvc import colour
from nvc.colour import Rgb
from nvc.keyframe import frame_of

MIN_CRF, MAX_CRF = 0.0, 51.0
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_PARAMETERS = "keyint=infinite:scenecut=0:annexb=1"
_LEFT_OUT = (6, 9, 12)  # SEI, access unit delimiter, filler


class Preset(Enum):
    """How much time encoding may take; ``--preset`` of the command line."""

    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"


_X264_PRESET = {Preset.FAST: "slower", Preset.MEDIUM: "veryslow", Preset.SLOW: "veryslow"}


@dataclass(frozen=True, kw_only=True)
class PicturePoint:
    """How pictures are coded.

    Attributes:
        crf: x264's constant rate factor, 0 to 51, higher is coarser; fractions count.
        side: pixels a side of the coded pictures, even, at most the model's; smaller ones are scaled up when shown.
        preset: time that may be spent.
        delay: whether pictures may wait for later ones (B-frames, look-ahead).
    """

    crf: float
    side: int
    preset: Preset = Preset.MEDIUM
    delay: bool = True

    def __post_init__(self) -> None:
        if not MIN_CRF <= self.crf <= MAX_CRF:
            raise ValueError(f"crf is {self.crf}; it must be {MIN_CRF:g} to {MAX_CRF:g}")
        if self.side % 2 or self.side < 16:
            raise ValueError(f"side is {self.side}; it must be even and at least 16")


class PictureCoder:
    """One H.264 stream: pictures in, coded pictures in decoding order out. The first is the key picture."""

    def __init__(self, point: PicturePoint, *, frame_rate: Fraction, bitrate: float | None = None) -> None:
        """Set up; ``bitrate`` (bit/s) bounds what ``point.crf`` asks for, with a bucket of half a second."""
        self._point = point
        self._context = _open(point, frame_rate, bitrate)
        self._count = 0

    def push(self, picture: Rgb) -> list[bytes]:
        """The next picture, uint8 ``[S, S, 3]``; coded ones that are ready, often none."""
        side = self._point.side
        small = colour.resize_rgb(picture, width=side, height=side)
        frame = frame_of(colour.rgb_to_planes(small))
        frame.pts, frame.time_base = self._count, self._context.time_base
        self._count += 1
        return [_bare(bytes(packet)) for packet in self._context.encode(frame)]

    def flush(self) -> list[bytes]:
        """The rest. Nothing may be pushed after it."""
        return [_bare(bytes(packet)) for packet in self._context.encode(None)]


def code_pictures(pictures: Iterable[Rgb], point: PicturePoint, *, frame_rate: Fraction) -> list[bytes]:
    """All coded pictures of a stream, in decoding order."""
    coder = PictureCoder(point, frame_rate=frame_rate)
    coded = [data for picture in pictures for data in coder.push(picture)]
    return coded + coder.flush()


def _open(point: PicturePoint, frame_rate: Fraction, bitrate: float | None) -> VideoCodecContext:
    context = av.CodecContext.create("libx264", "w")
    context.width = context.height = point.side
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = 1 / frame_rate, frame_rate
    context.thread_count = 1
    context.options = {
        "preset": _X264_PRESET[point.preset],
        "crf": f"{point.crf:.3f}",
        "tune": "psnr" if point.delay else "psnr,zerolatency",
        "x264-params": _PARAMETERS + ("" if point.delay else ":bframes=0:sliced-threads=0"),
    }
    if bitrate is not None:
        kbps = max(1, int(bitrate / 1000))
        bound = f":vbv-maxrate={kbps}:vbv-bufsize={kbps // 2 + 1}"
        context.options |= {"x264-params": context.options["x264-params"] + bound}
    return context


def _bare(annex_b: bytes) -> bytes:
    """A coded picture with the shortest start codes and nothing that decoding does not need."""
    nals = (nal.rstrip(b"\x00") for nal in _START_CODE.split(annex_b))
    return b"".join(b"\x00\x00\x01" + nal for nal in nals if nal and nal[0] & 31 not in _LEFT_OUT)
