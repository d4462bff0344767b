"""Writing video files: lossless Matroska, visually lossless MP4, or raw YUV4MPEG; audio goes in as it came."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Protocol

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from bitstream import AudioHeader, AudioPacket
from nvc import colour
from nvc.audio import UnsupportedAudio, add_track, to_muxer
from nvc.colour import ColourSpec, Matrix, Rgb


class VideoFormat(Enum):
    """What an output file holds; the value is its suffix."""

    MKV = ".mkv"  # FFV1 in RGB: every frame to the bit
    MP4 = ".mp4"  # H.264 at visually lossless quality
    Y4M = ".y4m"  # raw 4:4:4 YUV, no audio


def format_of_name(path: str | os.PathLike[str]) -> VideoFormat:
    """The format that the suffix of ``path`` asks for; ``-`` is YUV4MPEG. Raises ValueError for any other suffix."""
    suffix = Path(path).suffix.lower()
    if os.fspath(path) == "-":
        return VideoFormat.Y4M
    try:
        return VideoFormat(suffix)
    except ValueError:
        known = ", ".join(f.value for f in VideoFormat)
        raise ValueError(f"output {path}: suffix must be one of {known}") from None


class VideoWriter(Protocol):
    """Takes frames and audio in the order of time."""

    def write(self, rgb: Rgb) -> None:
        """The next frame, uint8 ``[height, width, 3]``."""

    def write_audio(self, packet: AudioPacket) -> None:
        """A packet of the audio track."""

    def close(self) -> None:
        """Finish the file. Without it the file is not valid."""


class ContainerWriter:
    """MKV or MP4. Raises OSError when writing fails, UnsupportedAudio when the container has no place for the audio."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        kind: VideoFormat,
        *,
        width: int,
        height: int,
        frame_rate: Fraction,
        audio: AudioHeader | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        name = "matroska" if kind is VideoFormat.MKV else "mp4"
        options = {"movflags": "+faststart"} if kind is VideoFormat.MP4 else {}
        self._output = av.open(os.fspath(path), "w", format=name, container_options=options)
        self._output.metadata.update(tags or {})
        self._audio = audio
        self._frames = 0
        try:
            self._video = self._add_video(kind, width, height, frame_rate)
            self._track = add_track(self._output, audio) if audio is not None else None
            self._start()
        except BaseException:
            self._abandon()
            raise

    def _add_video(self, kind: VideoFormat, width: int, height: int, frame_rate: Fraction) -> VideoStream:
        if kind is VideoFormat.MKV:
            self._pixel_format = "bgr0"
            stream = self._output.add_stream("ffv1", rate=frame_rate, options={"level": "3", "slicecrc": "1"})
        else:
            self._pixel_format = "yuv420p"
            stream = self._output.add_stream("libx264", rate=frame_rate, options={"crf": "10", "preset": "fast"})
            stream.codec_context.colorspace = stream.codec_context.color_primaries = int(Matrix.BT709)
            stream.codec_context.color_trc = int(Matrix.BT709)
            stream.codec_context.color_range = 1
        stream.width, stream.height, stream.pix_fmt = width, height, self._pixel_format
        stream.codec_context.time_base = 1 / frame_rate
        return stream

    def _start(self) -> None:
        try:
            self._output.start_encoding()
        except FFmpegError as error:
            if self._audio is None or isinstance(error, OSError):
                raise
            message = f"{self._output.format.name} cannot hold this {self._audio.codec} audio; write .mkv"
            raise UnsupportedAudio(message) from error

    def write(self, rgb: Rgb) -> None:
        """The next frame, uint8 ``[height, width, 3]``."""
        frame = colour.rgb_to_frame(rgb, pixel_format=self._pixel_format)
        frame.pts, frame.time_base = self._frames, self._video.codec_context.time_base
        self._frames += 1
        self._output.mux(self._video.encode(frame))

    def write_audio(self, packet: AudioPacket) -> None:
        """A packet of the audio track; ignored when the writer was opened without one."""
        if self._track is not None and self._audio is not None:
            self._output.mux(to_muxer(packet, self._track, self._audio))

    def close(self) -> None:
        """Finish the file."""
        self._output.mux(self._video.encode(None))
        self._output.close()

    def _abandon(self) -> None:
        try:
            self._output.close()
        except (FFmpegError, OSError):
            return


class Y4mWriter:
    """YUV4MPEG to an open binary file, in 4:4:4 with the matrix that readers assume for its size. Audio is dropped."""

    def __init__(
        self, file: BinaryIO, *, width: int, height: int, frame_rate: Fraction, synthetic: bool = False
    ) -> None:
        self._file = file
        self._spec = ColourSpec(colour.default_matrix(height), full_range=False)
        rate = f"{frame_rate.numerator}:{frame_rate.denominator}"
        mark = " XSYNTHETIC_MEDIA=1" if synthetic else ""
        file.write(f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C444 XCOLORRANGE=LIMITED{mark}\n".encode())

    def write(self, rgb: Rgb) -> None:
        """The next frame, uint8 ``[height, width, 3]``."""
        frame = colour.rgb_to_frame(rgb, pixel_format="yuv444p", spec=self._spec)
        self._file.write(b"FRAME\n" + frame.to_ndarray().tobytes())

    def write_audio(self, packet: AudioPacket) -> None:
        """Audio has no place in this format."""

    def close(self) -> None:
        """Hand everything to the file, which stays open."""
        self._file.flush()
