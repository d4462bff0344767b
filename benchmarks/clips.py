"""Clips in memory, and lossless files of them to hand to a codec."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from nvc.video import VideoReader
from nvc.video_writer import ContainerWriter, VideoFormat


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
    """The clip as Matroska, FFV1 in RGB: whoever reads the file gets these very pixels."""
    _write(clip, path, VideoFormat.MKV)


def write_playable(clip: Clip, path: str | Path) -> None:
    """The clip as MP4 that a browser plays, visually lossless. Sides must be even."""
    _write(clip, path, VideoFormat.MP4)


def _write(clip: Clip, path: str | Path, kind: VideoFormat) -> None:
    height, width = clip.frames.shape[2:]
    writer = ContainerWriter(path, kind, width=width, height=height, frame_rate=clip.frame_rate)
    for picture in clip.frames:
        writer.write(picture.transpose(1, 2, 0))
    writer.close()
