"""Reading video files: any container and codec that PyAV opens, as RGB frames at one constant rate.

What a player does silently is done here in plain sight: the display matrix turns phone video upright, non-square
pixels become square, variable frame rates become constant, 10-bit and full-range samples become 8-bit RGB.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from bitstream import AudioHeader, AudioPacket
from nvc import timing
from nvc.audio import UnsupportedAudio, header_of
from nvc.colour import Rgb
from nvc.source_frame import Cropper, SourceFrame, Upright, orientation_of
from nvc.synthetic import is_synthetic
from nvc.timing import Timing

log = logging.getLogger(__name__)

MAX_SIDE = 16384
_MAX_PIXELS = MAX_SIDE * MAX_SIDE // 2


class VideoError(OSError, ValueError):
    """A file cannot be used as video; the message says why in one line."""


@dataclass(frozen=True)
class VideoInfo:
    """What a file shows, upright and with square pixels.

    ``width`` and ``height`` in pixels, ``frame_rate`` in 1/s as delivered, ``regular``: frames are those of the file,
    one to one; ``frame_count``: as far as the container knows, None if it does not.
    """

    width: int
    height: int
    frame_rate: Fraction
    regular: bool
    frame_count: int | None


class VideoReader:
    """A video file: ``info``, ``frames()`` from the start as often as wanted, and its audio as it is.

    Raises VideoError when there is no video in it, FileNotFoundError or PermissionError when it cannot be opened.
    The file is opened anew for every pass, since not every container can go back to its start.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._timing, packets, self.audio = self._read_headers()
        with closing(self._decoded()) as frames:
            first = next(frames, None)
        if first is None:
            raise VideoError(f"{self._path}: no frame of the video can be decoded")
        self._start = _time_of(first) or Fraction(0)
        self._upright = Upright(*self._square_size(first), *orientation_of(first))
        width, height = self._upright.size
        count = packets if self._timing.regular else None
        self.info = VideoInfo(width, height, self._timing.frame_rate, self._timing.regular, count)

    def frames(self) -> Iterator[Rgb]:
        """All frames at ``info.frame_rate``: uint8 ``[height, width, 3]``. Damaged ones are skipped with a warning.

        Raises VideoError when not a single one can be decoded.
        """
        for frame in self.source_frames():
            yield frame.rgb()

    def source_frames(self) -> Iterator[SourceFrame]:
        """The same frames, not yet converted: for those who need only a part of each, or a small version."""
        cropper = Cropper(self._upright)
        count = 0
        for frame in timing.resample(self._timed_frames(), self._timing):
            yield SourceFrame(frame, self._upright, cropper)
            count += 1
        if not count:
            raise VideoError(f"{self._path}: no frame of the video can be decoded")

    def audio_packets(self) -> Iterator[AudioPacket]:
        """Packets of the audio track, times relative to the first frame; nothing when ``audio`` is None."""
        if self.audio is None:
            return
        with self._open() as container:
            stream = container.streams.best("audio")
            if stream is None or not stream.time_base:
                return
            offset = round(self._start / stream.time_base)
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    yield AudioPacket(packet.pts - offset, packet.duration or 0, bytes(packet))

    def _open(self) -> InputContainer:
        try:
            return av.open(self._path, metadata_errors="ignore")
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise type(error)(error.errno, f"cannot read {self._path}: {error.strerror}") from None
        except (FFmpegError, OSError, ValueError) as error:
            raise VideoError(f"{self._path}: not a video file that can be read") from error

    def _video_stream(self, container: InputContainer) -> VideoStream:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise VideoError(f"{self._path}: contains no video that can be decoded")
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(_MAX_PIXELS)}
        self._aspect = stream.sample_aspect_ratio or Fraction(1)
        return stream

    def _read_headers(self) -> tuple[Timing, int, AudioHeader | None]:
        """Timing, number of coded frames and the audio track, without decoding anything."""
        times: list[Fraction | None] = []
        with self._open() as container:
            stream = self._video_stream(container)
            self.synthetic = is_synthetic(container.metadata)  #: whether its tags say that it is synthetic media
            try:
                for packet in container.demux(stream):
                    if packet.size and not packet.is_discard:
                        times.append(None if packet.pts is None else packet.pts * Fraction(packet.time_base))
            except (FFmpegError, OSError) as error:
                log.warning("%s: reading stops early, %s", self._path, error)
            hints = (stream.average_rate, stream.guessed_rate, stream.base_rate)
            return timing.timing_of(times, hints), len(times), self._audio_format(container)

    def _audio_format(self, container: InputContainer) -> AudioHeader | None:
        stream = container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            return None
        try:
            return header_of(stream)
        except UnsupportedAudio as error:
            log.warning("%s: %s and is left out", self._path, error)
            return None

    def _decoded(self) -> Generator[av.VideoFrame, None, None]:
        """Frames of the file from its start, in display order."""
        damaged = 0
        with self._open() as container:
            packets = container.demux(self._video_stream(container))
            while True:
                try:
                    packet = next(packets, None)
                except (FFmpegError, OSError) as error:
                    log.warning("%s: reading stops early, %s", self._path, error)
                    break
                if packet is None:
                    break
                try:
                    yield from packet.decode()
                except (FFmpegError, OSError):
                    damaged += 1
        if damaged:
            log.warning("%s: %d damaged packets were skipped", self._path, damaged)

    def _timed_frames(self) -> Iterator[tuple[Fraction | None, av.VideoFrame]]:
        for frame in self._decoded():
            yield _time_of(frame), frame

    def _square_size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height with square pixels, before turning upright."""
        aspect = self._aspect if Fraction(1, 8) <= self._aspect <= 8 else Fraction(1)
        # Stretch, never shrink: no sample is lost.
        width = round(frame.width * aspect) if aspect > 1 else frame.width
        height = round(frame.height / aspect) if aspect < 1 else frame.height
        if max(width, height) > MAX_SIDE:
            raise VideoError(f"{self._path}: {width} x {height} pixels, at most {MAX_SIDE} a side can be read")
        return width, height


def _time_of(frame: av.VideoFrame) -> Fraction | None:
    return None if frame.pts is None or not frame.time_base else frame.pts * Fraction(frame.time_base)
