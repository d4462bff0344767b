"""A file coded as a live stream would be: one pass, no look at what comes, a line that carries so much and no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bitstream import Unit, UnitType
from bitstream.bytefields import FieldReader
from nvc.crop import Square
from nvc.encoder import DEFAULT_VBV_MS, Encoder, NotSquare, SourceRectangle
from nvc.key_placement import KeyPolicy
from nvc.models.interface import CodecModel
from nvc.motion_choice import DEFAULT_RDO
from nvc.nvc_file import NvcWriter
from nvc.rate import DEFAULT_QUALITY
from nvc.reports import EncodeReport
from nvc.video import VideoReader


def encode_live(
    reader: VideoReader,
    file: BinaryIO,
    *,
    square: Square | None,
    bitrate: float | None,
    quality: int | None,
    vbv_ms: float = DEFAULT_VBV_MS,
    keyint: float | None = None,
    model: str | Path | CodecModel,
    device: str = "auto",
    audio: bool = True,
    error_resilient: bool = False,
    synthetic: bool = False,
    motion_rdo: float = DEFAULT_RDO,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
    began: float | None = None,
) -> EncodeReport:
    """Encode; ``square``: of the video, None for all of a square one. The rest is as of `nvc.encode_file`.

    Raises NotSquare, ValueError as `nvc.Encoder` does.
    """
    began = time.perf_counter() if began is None else began
    info = reader.info
    if square is None and info.width != info.height:
        raise NotSquare(f"the video is {info.width} x {info.height}; live encoding needs to be told which square")
    place = square or Square(0, 0, info.width)
    place.check(info.width, info.height)
    encoder = Encoder(
        width=place.side,
        height=place.side,
        frame_rate=info.frame_rate,
        model=model,
        quality=DEFAULT_QUALITY if quality is None else quality,
        key_policy=KeyPolicy.for_rate(float(info.frame_rate), keyint=keyint),
        error_resilient=error_resilient,
        source=SourceRectangle(info.width, info.height, place.x, place.y, place.side),
        synthetic=synthetic,
        motion_rdo=motion_rdo,
        bitrate=bitrate,
        vbv_ms=vbv_ms,
        device=device,
    )
    statistics = encoder.statistics
    writer = NvcWriter(
        file,
        frame_rate=info.frame_rate,
        audio=reader.audio if audio else None,
        packets=reader.audio_packets() if audio else None,
        count=lambda unit: None if unit.type is UnitType.END else statistics.count(unit, frames=0),
    )
    count = 0  # and the encoder has counted its own END
    for frame in reader.source_frames():
        units = encoder.encode(np.ascontiguousarray(frame.square(place, place.side).transpose(2, 0, 1)))
        _write(writer, units, count)
        count += 1
        progress("encoding", count, info.frame_count)
    _write(writer, [unit for unit in encoder.flush() if unit.type is not UnitType.END], count)
    writer.finish()
    return EncodeReport(
        frames=count,
        frame_rate=info.frame_rate,
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
