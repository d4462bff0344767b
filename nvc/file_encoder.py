"""Encoding a video file in passes: look for the face, analyse the motion, choose the coding point, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from bitstream import SIGNATURE, End, Index, Unit, make_unit
from nvc import keyframe
from nvc.analysis import Analyser, FramePlan
from nvc.colour import Rgb
from nvc.crop import CropPlan, Segment, Square
from nvc.device import choose_device
from nvc.encoder import MAX_BATCH, MAX_GROUP, NotSquare, provenance, stream_facts
from nvc.inference import load_model
from nvc.key_placement import KeyPolicy
from nvc.models.interface import CodecModel
from nvc.nvc_file import NvcWriter
from nvc.rate import DEFAULT_QUALITY, CodingPoint, coding_point, solve
from nvc.reports import EncodeReport
from nvc.statistics import EncoderStatistics
from nvc.survey import survey
from nvc.unit_coder import KeyInput, UnitCoder
from nvc.video import VideoReader


class CropMode(Enum):
    """Which square of the video is coded, if none is given."""

    AUTO = "auto"
    NONE = "none"


class FileEncoder:
    """One encoding of one file; see `nvc.encode_file` for the options."""

    def __init__(
        self,
        reader: VideoReader,
        *,
        bitrate: float | None,
        quality: int | None,
        crop: str | CropMode | Square,
        keyint: float | None,
        model: str | Path | CodecModel,
        device: str,
        error_resilient: bool,
        synthetic: bool,
        progress: Callable[[str, int, int | None], None],
    ) -> None:
        if bitrate is not None and quality is not None:
            raise ValueError("give a bitrate or a quality, not both")
        if bitrate is not None and not 0 < bitrate < float("inf"):
            raise ValueError(f"bitrate is {bitrate}; it must be more than 0 bit/s")
        self._reader = reader
        self._bitrate = bitrate
        self._point = coding_point(DEFAULT_QUALITY if quality is None else quality)
        self._crop = crop if isinstance(crop, Square) else CropMode(crop)
        self._check_square()
        self._device = choose_device(device)
        self._model = load_model(model, self._device)
        self._policy = KeyPolicy.for_rate(float(reader.info.frame_rate), keyint=keyint)
        self._progress = progress
        self._statistics = EncoderStatistics()
        self._warnings: list[str] = []
        self._pictures: dict[tuple[int, int], bytes] = {}
        self._motion_sizes: dict[CodingPoint, int] = {}
        self._facts = stream_facts(
            self._model,
            source_size=(reader.info.width, reader.info.height),
            frame_rate=reader.info.frame_rate,
            group_size=MAX_GROUP,
            error_resilient=error_resilient,
            synthetic=synthetic,
            live=False,
        )

    def write(self, file: BinaryIO, *, audio: bool, began: float) -> EncodeReport:
        """Do it all; ``began``: when the work began, by ``time.perf_counter``."""
        plans = self._analyse(self._crop_plan())
        point, reached = self._choose_point(plans)
        writer = NvcWriter(
            file,
            frame_rate=self._facts.frame_rate,
            audio=self._reader.audio if audio else None,
            packets=self._reader.audio_packets() if audio else None,
            count=lambda unit: self._statistics.count(unit, frames=0),
        )
        for index, units in self._units(plans, point, self._statistics, self._picture):
            writer.write(units, index)
        writer.finish()
        return EncodeReport(
            frames=len(plans),
            frame_rate=self._facts.frame_rate,
            size=writer.size,
            point=point,
            statistics=self._statistics,
            seconds=time.perf_counter() - began,
            warnings=tuple(self._warnings),
            reached=reached,
        )

    def _check_square(self) -> None:
        info, crop = self._reader.info, self._crop
        if crop is CropMode.NONE and info.width != info.height:
            raise NotSquare(f"the video is {info.width} x {info.height}, not square: crop to the face or give a square")
        if isinstance(crop, Square):
            crop.check(info.width, info.height)

    def _crop_plan(self) -> CropPlan:
        info = self._reader.info
        if isinstance(self._crop, Square):
            return CropPlan((Segment(0, self._crop),))
        if self._crop is CropMode.NONE:
            return CropPlan((Segment(0, Square(0, 0, info.width)),))
        with self._statistics.stage("face detection"):
            plan = survey(
                self._reader, progress=lambda done: self._progress("looking for the face", done, info.frame_count)
            )
        if not plan.face_found:
            self._warnings.append("no face was found: the square in the middle is coded")
        return plan

    def _analyse(self, crop: CropPlan) -> list[FramePlan]:
        analyser = Analyser(
            self._model, device=self._device, policy=self._policy, batch=MAX_BATCH, statistics=self._statistics
        )
        plans: list[FramePlan] = []
        for index, (picture, square, face) in enumerate(self._pictures_of(crop)):
            plans += analyser.push(picture, square=square, face=face)
            self._progress("analysing", index + 1, self._reader.info.frame_count)
        return plans + analyser.flush()

    def _pictures_of(self, crop: CropPlan) -> Iterator[tuple[Rgb, Square, bool]]:
        frames = self._reader.source_frames()
        index = 0
        while True:
            with self._statistics.stage("reading"):
                frame = next(frames, None)
                if frame is None:
                    return
                square = crop.segment_at(index).square
                picture = frame.square(square, self._facts.side)
            yield picture, square, crop.face_at(index)
            index += 1

    def _choose_point(self, plans: list[FramePlan]) -> tuple[CodingPoint, bool]:
        """The coding point, and whether it is within the bitrate asked for."""
        if self._bitrate is None:
            return self._point, True
        seconds = len(plans) / self._facts.frame_rate
        budget = self._bitrate * float(seconds) / 8
        with self._statistics.stage("rate control"):
            found = solve(budget, lambda p: self._size(plans, p), expression_count=self._facts.expression_count)
        if not found.fits:
            least = found.size * 8 / float(seconds) / 1000
            asked = self._bitrate / 1000
            self._warnings.append(f"{asked:g} kbit/s cannot be reached: the least possible, {least:.2f}, is used")
        return found.point, found.fits

    def _size(self, plans: list[FramePlan], point: CodingPoint) -> int:
        """Bytes of the whole file but its audio. What does not depend on the QP of key pictures is kept."""
        keys = [plan.key for plan in plans if plan.key is not None]
        without = CodingPoint(
            0, point.pose_quantiser, point.expression_quantiser, point.canonical_quantiser, point.expression_count
        )
        if without not in self._motion_sizes:
            units = self._units(plans, point, EncoderStatistics(), lambda key, qp: bytes(1))
            self._motion_sizes[without] = sum(len(u.to_bytes()) for _, some in units for u in some)
        pictures = sum(len(self._picture(key, point.key_qp)) + 1 for key in keys)  # and a longer unit_size
        index = Index(tuple((key.index, 1000 * (i + 1)) for i, key in enumerate(keys)))
        tail = len(make_unit(index).to_bytes()) + len(make_unit(End()).to_bytes()) + len(keys)
        return len(SIGNATURE) + self._motion_sizes[without] + pictures + tail

    def _picture(self, key: KeyInput, qp: int) -> bytes:
        """A key picture, coded once for every QP that is tried."""
        known = (key.index, qp)
        if known not in self._pictures:
            self._pictures[known] = keyframe.encode_picture(key.picture, qp=qp)
        return self._pictures[known]

    def _units(
        self,
        plans: list[FramePlan],
        point: CodingPoint,
        statistics: EncoderStatistics,
        picture_coder: Callable[[KeyInput, int], bytes],
    ) -> Iterator[tuple[int, list[Unit]]]:
        """Units of the video as they are ready, each time with the index of the frame that has been added."""
        coder = UnitCoder(self._facts, point, metadata=provenance(), statistics=statistics, picture_coder=picture_coder)
        for plan in plans:
            reason = plan.reasons[0]
            if plan.key is not None and reason is not None:
                statistics.key_frames.append((plan.index, reason.value))
                yield plan.index, coder.key_frame(plan.key)
            else:
                yield plan.index, coder.motion(plan.motion)
        yield len(plans), coder.flush()
