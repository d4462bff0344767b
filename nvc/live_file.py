"""A file coded as a live stream would be: one pass, no look at what comes, a line that carries so much and no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from bitstream import Unit, UnitType
from bitstream.bytefields import FieldReader
from nvc.crop import Square
from nvc.encoder import DEFAULT_VBV_MS, Encoder, NotSquare, SourceRectangle
from nvc.key_placement import KeyPolicy
from nvc.nvc_file import NvcWriter
from nvc.rate import DEFAULT_QUALITY
from nvc.reports import EncodeReport
from nvc.video import VideoReader


class LiveFileEncoder:
    """One encoding of one file in one pass; see `nvc.encode_file` for the options."""

    def __init__(
        self,
        reader: VideoReader,
        *,
        square: Square | None,
        bitrate: float | None,
        quality: int | None,
        vbv_ms: float = DEFAULT_VBV_MS,
        keyint: float | None = None,
        progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
        **options: Any,
    ) -> None:
        """Set up; ``square``: of the video, None for all of a square one; ``options``: further ones of `nvc.Encoder`.

        Raises NotSquare, ValueError as `nvc.Encoder` does.
        """
        info = reader.info
        if square is None and info.width != info.height:
            raise NotSquare(f"the video is {info.width} x {info.height}; live encoding needs to be told which square")
        self._reader = reader
        self._square = square or Square(0, 0, info.width)
        self._square.check(info.width, info.height)
        self._progress = progress
        place = self._square
        self._encoder = Encoder(
            width=place.side,
            height=place.side,
            frame_rate=info.frame_rate,
            quality=DEFAULT_QUALITY if quality is None else quality,
            key_policy=KeyPolicy.for_rate(float(info.frame_rate), keyint=keyint),
            source=SourceRectangle(info.width, info.height, place.x, place.y, place.side),
            bitrate=bitrate,
            vbv_ms=vbv_ms,
            **options,
        )

    def write(self, file: BinaryIO, *, audio: bool, began: float) -> EncodeReport:
        """Do it all; ``began``: when the work began, by ``time.perf_counter``."""
        reader, encoder = self._reader, self._encoder
        statistics = encoder.statistics
        writer = NvcWriter(
            file,
            frame_rate=reader.info.frame_rate,
            audio=reader.audio if audio else None,
            packets=reader.audio_packets() if audio else None,
            # The encoder has counted its own END.
            count=lambda unit: None if unit.type is UnitType.END else statistics.count(unit, frames=0),
        )
        count = 0
        for frame in reader.source_frames():
            picture = frame.square(self._square, self._square.side)
            _write(writer, encoder.encode(np.ascontiguousarray(picture.transpose(2, 0, 1))), count)
            count += 1
            self._progress("encoding", count, reader.info.frame_count)
        _write(writer, [unit for unit in encoder.flush() if unit.type is not UnitType.END], count)
        writer.finish()
        return EncodeReport(
            frames=count,
            frame_rate=reader.info.frame_rate,
            size=writer.size,
            point=encoder.point,
            statistics=statistics,
            seconds=time.perf_counter() - began,
        )


def _write(writer: NvcWriter, units: list[Unit], count: int) -> None:
    """Units that came out when ``count`` frames had gone in; key frames say themselves which frame they are."""
    for unit in units:
        is_key = unit.type is UnitType.KEYFRAME
        writer.write([unit], FieldReader(unit.payload).leb128() if is_key else count)
