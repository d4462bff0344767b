"""Whole files: a video to .nvc, and back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bitstream import Audio, AudioHeader, Limits, UnitType, parse_payload
from nvc.background_writer import BackgroundWriter
from nvc.crop import Square
from nvc.decoder import Decoder
from nvc.encoder import DEFAULT_VBV_MS
from nvc.expression import ExpressionEdit
from nvc.file_encoder import CropMode, FileEncoder, RateOptions
from nvc.live_file import LiveFileEncoder
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.motion_choice import DEFAULT_RDO
from nvc.motion_track import motion_track
from nvc.nvc_file import NvcFile
from nvc.output import new_file
from nvc.picture_coder import Preset
from nvc.rate import Tune
from nvc.reports import DecodeReport, EncodeReport
from nvc.synthetic import synthetic_tags
from nvc.transfer import Transfer
from nvc.video import VideoReader
from nvc.video_writer import ContainerWriter, VideoFormat, VideoWriter, Y4mWriter, format_of_name
from nvc.view import View

PathLike = str | os.PathLike[str]
Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how many frames of it, and of how many (None: not known)."""


def _silent(stage: str, done: int, total: int | None) -> None:
    """Nobody watches."""


def encode_file(
    source: PathLike,
    target: PathLike | BinaryIO,
    *,
    bitrate: float | None = None,
    quality: int | None = None,
    crop: str | CropMode | Square = CropMode.AUTO,
    keyint: float | None = None,
    model: str | Path | CodecModel = zoo.DEFAULT_MODEL,
    device: str = "auto",
    audio: bool = True,
    error_resilient: bool = False,
    synthetic: bool = False,
    motion_rdo: float = DEFAULT_RDO,
    sources: int = 4,
    tune: str | Tune = Tune.PERCEPTUAL,
    preset: str | Preset = Preset.MEDIUM,
    min_quality: float | None = None,
    live: bool = False,
    vbv_ms: float = DEFAULT_VBV_MS,
    force: bool = False,
    progress: Progress = _silent,
) -> EncodeReport:
    """Encode a video file.

    Args:
        source: any file that PyAV opens.
        target: the .nvc file to make, or an open binary file.
        bitrate: bit/s to stay within, audio not counted; or
        quality: 0 (smallest) to 9 (best). By default 5.
        crop: ``auto`` follows the face, ``none`` takes a square video whole, a Square is taken as it is.
        keyint: longest distance of key frames in seconds; by default they come only where they are needed.
        model: a shipped model's name, a safetensors file, or a model.
        device: ``auto``, ``cpu`` or ``cuda[:N]``.
        audio: carry the audio track along.
        error_resilient: motion units do not depend on each other; costs bytes.
        synthetic: mark the file as synthetic media; a video whose tags say that it is, is marked anyway.
        motion_rdo: how much motion may be missed to save a bit, 0 (round every value) to 4.
        sources: key pictures that the receiver holds at a time, 1 to 4; it can go back to those that it holds.
        tune: what rate control works for, ``perceptual`` or ``psnr``.
        preset: how much time it may take, ``fast``, ``medium`` or ``slow``.
        min_quality: score that no frame should be below: 0 to 100 (100 is the original), or dB with ``tune="psnr"``.
        live: one pass without looking ahead, through a line that carries ``bitrate`` at every moment; ``crop`` must
            not be ``auto``.
        vbv_ms: with ``live``, milliseconds that a byte may wait for the line.
        force: replace ``target`` if it exists.
        progress: see Progress.

    Raises:
        VideoError, OSError: the source cannot be read, or the target not written.
        NotSquare, CropUnavailable, ValueError: options that do not fit the video or are out of range.
        WeightsError, DeviceUnavailable: no such model or device.
    """
    began = time.perf_counter()
    reader = VideoReader(source)
    common: dict[str, Any] = {
        "bitrate": bitrate,
        "quality": quality,
        "keyint": keyint,
        "model": model,
        "device": device,
        "error_resilient": error_resilient,
        "synthetic": synthetic or reader.synthetic,
        "motion_rdo": motion_rdo,
        "progress": progress,
    }
    with _binary_output(target, force=force) as file:
        if live:
            one_pass = LiveFileEncoder(reader, square=_fixed_square(crop), vbv_ms=vbv_ms, **common)
            return one_pass.write(file, audio=audio, began=began)
        options = RateOptions(tune=Tune(tune), preset=Preset(preset), min_quality=min_quality)
        encoder = FileEncoder(reader, crop=crop, sources=sources, options=options, **common)
        return encoder.write(file, audio=audio, began=began)


def _fixed_square(crop: str | CropMode | Square) -> Square | None:
    """The square that is coded throughout, None for the whole picture."""
    if isinstance(crop, Square):
        return crop
    if CropMode(crop) is CropMode.AUTO:
        raise ValueError("live encoding does not look ahead for the face: give crop none or a square")
    return None


def decode_file(
    source: PathLike,
    target: PathLike | BinaryIO,
    *,
    model: str | Path | CodecModel | None = None,
    device: str = "auto",
    view: View | None = None,
    edit: ExpressionEdit | None = None,
    transfer: Transfer | None = None,
    limits: Limits | None = None,
    force: bool = False,
    progress: Progress = _silent,
) -> DecodeReport:
    """Decode an .nvc file: the coded square at the model's side, and the audio as it was.

    Args:
        source: the .nvc file.
        target: ``.mkv`` (FFV1, lossless), ``.mp4`` (H.264, visually lossless), ``.y4m``, or an open binary file that
            takes YUV4MPEG.
        model: to use instead of looking up the one that the file names; it must be that one.
        device: ``auto``, ``cpu`` or ``cuda[:N]``.
        view: see the head from another side.
        edit: what to do to the expression.
        transfer: a portrait to drive with the file's motion. Such output, and that of a file that is marked as
            synthetic media, says so in its tags.
        limits: bounds on what the file may ask for.
        force: replace ``target`` if it exists.
        progress: see Progress.

    Raises:
        BitstreamError: the file is damaged, cut, not an .nvc file, or needs another version or model.
        OSError: the source cannot be read, or the target not written.
        ValueError: the target's suffix is unknown; UnsupportedAudio: its format has no place for this audio.
        DeviceUnavailable: no such device.
    """
    began = time.perf_counter()
    kind = format_of_name(target) if isinstance(target, (str, os.PathLike)) else VideoFormat.Y4M
    file = NvcFile(source, limits=limits)
    contents = file.contents()
    decoder = Decoder(model=model, device=device, view=view, edit=edit, transfer=transfer, limits=limits)
    made_by = decoder.staging.what
    if decoder.staging.synthetic:
        decoder.foresee(motion_track(file, limits=limits))
    tags = synthetic_tags(made_by) if made_by or contents.sequence.synthetic else {}
    rate, side = contents.sequence.frame_rate, contents.sequence.side
    silenced = contents.audio is not None and kind is VideoFormat.Y4M
    with (
        _video_output(target, kind, side=side, rate=rate, audio=contents.audio, tags=tags, force=force) as direct,
        BackgroundWriter(direct) as writer,
    ):
        done = 0
        for unit in file.units():
            if unit.type is UnitType.AUDIO:
                payload = parse_payload(unit)
                for packet in payload.packets if isinstance(payload, Audio) else ():
                    writer.write_audio(packet)
                continue
            for picture in decoder.decode_unit(unit):
                with decoder.statistics.stage("writing"):
                    writer.write(np.ascontiguousarray(picture.transpose(1, 2, 0)))
                done += 1
                progress("decoding", done, contents.frame_count)
        with decoder.statistics.stage("writing"):
            writer.close()
    return DecodeReport(
        frames=done,
        frame_rate=rate,
        size=os.path.getsize(source),
        seconds=time.perf_counter() - began,
        seconds_by_stage=decoder.statistics.seconds_by_stage,
        synthetic=bool(tags),
        warnings=("y4m has no place for the audio, which is left out",) if silenced else (),
    )


@contextmanager
def _binary_output(target: PathLike | BinaryIO, *, force: bool) -> Iterator[BinaryIO]:
    if not isinstance(target, (str, os.PathLike)):
        yield target
        return
    with new_file(target, force=force) as path, open(path, "wb") as file:
        yield file


@contextmanager
def _video_output(
    target: PathLike | BinaryIO,
    kind: VideoFormat,
    *,
    side: int,
    rate: Fraction,
    audio: AudioHeader | None,
    tags: dict[str, str],
    force: bool,
) -> Iterator[VideoWriter]:
    if not isinstance(target, (str, os.PathLike)):
        yield Y4mWriter(target, width=side, height=side, frame_rate=rate, synthetic=bool(tags))
        return
    with new_file(target, force=force) as path:
        if kind is VideoFormat.Y4M:
            with open(path, "wb") as file:
                yield Y4mWriter(file, width=side, height=side, frame_rate=rate, synthetic=bool(tags))
        else:
            yield ContainerWriter(path, kind, width=side, height=side, frame_rate=rate, audio=audio, tags=tags)
