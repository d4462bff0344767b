"""x264 at the rate that nvc took, for looking at side by side."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from nvc import colour
from nvc.colour import Matrix, Rgb

_FINEST, _COARSEST = 20, 51


@dataclass(frozen=True)
class RivalClip:
    """A coded clip: its file (MP4), rate of the pictures alone in kbit/s, and whether x264 could not go lower."""

    path: Path
    kbps: float
    floor: bool


def code_like(frames: list[Rgb], *, frame_rate: Fraction, kbps: float, path: Path) -> RivalClip:
    """Code frames, uint8 [S, S, 3], by x264 at the largest rate that is at most ``kbps``, or at its lowest.

    One key frame, preset medium; the bytes of the H.264 stream count, those of the MP4 do not.
    """
    low, high = _FINEST, _COARSEST
    while low < high:
        middle = (low + high) // 2
        if _encode(frames, frame_rate, middle, path) <= kbps:
            high = middle
        else:
            low = middle + 1
    rate = _encode(frames, frame_rate, low, path)
    return RivalClip(path, rate, low == _COARSEST and rate > kbps)


def _encode(frames: list[Rgb], frame_rate: Fraction, crf: int, path: Path) -> float:
    """Write the file; returns kbit/s."""
    size = 0
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        options = {"crf": str(crf), "preset": "medium", "g": "100000", "x264-params": "keyint=infinite"}
        stream = output.add_stream("libx264", rate=frame_rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = int(Matrix.BT709)
        context.color_range = 1
        for index, rgb in enumerate(frames):
            frame = colour.rgb_to_frame(rgb, pixel_format="yuv420p")
            frame.pts, frame.time_base = index, 1 / frame_rate
            for packet in stream.encode(frame):
                size += packet.size
                output.mux(packet)
        for packet in stream.encode(None):
            size += packet.size
            output.mux(packet)
    return float(size * 8 * frame_rate / len(frames) / 1000)
