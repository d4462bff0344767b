"""Clips in memory, and lossless files of them to hand to a codec."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

from nvc.colour import ColourSpec, Matrix, rgb_to_frame
from nvc.video import VideoReader


@dataclass(frozen=True)
class Clip:
    """Frames uint8 [T, 3, H, W] RGB at a constant rate."""

    name: str
    frames: np.ndarray
    frame_rate: Fraction

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return float(len(self.frames) / self.frame_rate)

    def kbps(self, size: int) -> float:
        """Rate in kbit/s when the clip costs `size` bytes."""
        return size * 8 / 1000 / self.seconds


def read_clip(path: str | Path, *, limit: int | None = None) -> Clip:
    """The first `limit` frames (all of them without one) of a video file. Raises what `VideoReader` raises."""
    reader = VideoReader(path)
    frames = np.stack(list(islice(reader.frames(), limit)))
    return Clip(Path(path).stem, np.ascontiguousarray(frames.transpose(0, 3, 1, 2)), Fraction(reader.info.frame_rate))


def write_lossless(clip: Clip, path: str | Path) -> None:
    """The clip as FFV1 in RGB: whoever reads the file gets these very pixels."""
    _write(clip, path, codec="ffv1", pixel_format="bgr0", options={})


def write_playable(clip: Clip, path: str | Path, *, crf: int = 17) -> None:
    """The clip as H.264 that a browser plays, visually lossless. Sides must be even."""
    _write(clip, path, codec="libx264", pixel_format="yuv420p", options={"crf": str(crf), "preset": "medium"})


def _write(clip: Clip, path: str | Path, *, codec: str, pixel_format: str, options: dict[str, str]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=clip.frame_rate, options=options)
        stream.height, stream.width = clip.frames.shape[2:]
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        for picture in clip.frames:
            rgb = picture.transpose(1, 2, 0)
            frame = rgb_to_frame(rgb, pixel_format=pixel_format, spec=ColourSpec(Matrix.BT709))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
