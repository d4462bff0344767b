"""Encoding a video file in passes: look for the face, analyse the motion, choose how every part is sent, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from pathlib import Path
from typing import BinaryIO

from bitstream import SIGNATURE, End, Index, Unit, make_unit
from nvc.analysis import Analyser, FramePlan
from nvc.conventional_road import ConventionalRoad
from nvc.crop import CropPlan, Segment, Square
from nvc.device import choose_device
from nvc.encoder import MAX_BATCH, MAX_GROUP, NotSquare, provenance, stream_facts
from nvc.film import Film
from nvc.inference import load_model
from nvc.judging import Judge
from nvc.key_placement import KeyPolicy
from nvc.models.interface import CodecModel
from nvc.motion_mending import EFFORTS, mend
from nvc.network_road import NetworkRoad
from nvc.nvc_file import NvcWriter
from nvc.picture_coder import Preset
from nvc.rate import DEFAULT_QUALITY, Tune, rung_of
from nvc.refinement import Effort
from nvc.reports import EncodeReport, Judged
from nvc.road_choice import Choice, RoadChooser
from nvc.roads import Part, Road, parts_of
from nvc.source_choice import SourceChooser
from nvc.source_comparison import source_chooser
from nvc.statistics import EncoderStatistics
from nvc.survey import survey
from nvc.unit_coder import UnitCoder
from nvc.video import VideoReader


@dataclass(frozen=True, kw_only=True)
class RateOptions:
    """What the encoder works for.

    Attributes:
        tune: what is compared: perceptual distance or PSNR.
        preset: how much time choosing may take.
        min_quality: score that no frame should be below: 0..100 for perceptual, dB for PSNR; None for no bound.
    """

    tune: Tune = Tune.PERCEPTUAL
    preset: Preset = Preset.MEDIUM
    min_quality: float | None = None

    def __post_init__(self) -> None:
        if self.min_quality is not None and not 0 <= self.min_quality <= 100:
            raise ValueError(f"min_quality is {self.min_quality}; it must be 0 to 100")


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
        motion_rdo: float,
        sources: int,
        options: RateOptions,
        progress: Callable[[str, int, int | None], None],
    ) -> None:
        if bitrate is not None and quality is not None:
            raise ValueError("give a bitrate or a quality, not both")
        if bitrate is not None and not 0 < bitrate < float("inf"):
            raise ValueError(f"bitrate is {bitrate}; it must be more than 0 bit/s")
        self._reader = reader
        self._bitrate = bitrate
        self._rung = rung_of(DEFAULT_QUALITY if quality is None else quality, tune=options.tune)
        self._options = options
        self._crop = crop if isinstance(crop, Square) else CropMode(crop)
        self._check_square()
        self._device = choose_device(device)
        self._model = load_model(model, self._device)
        policy = KeyPolicy.for_rate(float(reader.info.frame_rate), keyint=keyint)
        self._policy = replace(policy, turn=inf, shift=inf, zoom=inf)  # sources are chosen by looking ahead
        self._progress = progress
        self._statistics = EncoderStatistics()
        self._warnings: list[str] = []
        facts = stream_facts(
            self._model,
            source_size=(reader.info.width, reader.info.height),
            frame_rate=reader.info.frame_rate,
            group_size=MAX_GROUP,
            error_resilient=error_resilient,
            synthetic=synthetic,
            live=False,
            motion_rdo=motion_rdo,
            sources=sources,
        )
        self._facts = replace(facts, mixed_sources=False)

    def write(self, file: BinaryIO, *, audio: bool, began: float) -> EncodeReport:
        """Do it all; ``began``: when the work began, by ``time.perf_counter``."""
        plans = self._analyse()
        parts = parts_of(plans)
        rate, side = self._facts.frame_rate, self._facts.side
        self._network = NetworkRoad(plans, self._facts, self._model, self._device, self._chooser(plans))
        self._conventional = ConventionalRoad(self._film, frame_rate=rate, side=side, preset=self._options.preset)
        choice, judged = self._decide(plans, parts)
        writer = NvcWriter(
            file,
            frame_rate=self._facts.frame_rate,
            audio=self._reader.audio if audio else None,
            packets=self._reader.audio_packets() if audio else None,
            count=lambda unit: self._statistics.count(unit, frames=0),
        )
        starts = {part.start for part in parts}  # in between, sources that came earlier may be needed
        for index, units in self._units(parts, choice):
            writer.write(units, index, seekable=index in starts)
        writer.finish()
        pictures = sum(p.frames for p, road in zip(parts, choice.roads, strict=True) if road is Road.PICTURES)
        return EncodeReport(
            frames=len(plans),
            frame_rate=self._facts.frame_rate,
            size=writer.size,
            point=choice.rung.point,
            statistics=self._statistics,
            seconds=time.perf_counter() - began,
            warnings=tuple(self._warnings),
            reached=choice.reached,
            pictures=pictures,
            judged=judged,
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

    def _analyse(self) -> list[FramePlan]:
        analyser = Analyser(
            self._model,
            device=self._device,
            policy=self._policy,
            batch=MAX_BATCH,
            statistics=self._statistics,
        )
        self._film = Film(self._reader, self._crop_plan(), side=self._facts.side, times=self._statistics)
        plans: list[FramePlan] = []
        for index, picture in enumerate(self._film):
            plans += analyser.push(picture, square=self._film.square(index), face=self._film.face(index))
            self._progress("analysing", index + 1, self._reader.info.frame_count)
        return plans + analyser.flush()

    def _chooser(self, plans: list[FramePlan]) -> SourceChooser:
        return source_chooser(
            plans,
            self._film.some,
            self._model,
            device=self._device,
            tune=self._options.tune,
            preset=self._options.preset,
            frame_rate=float(self._facts.frame_rate),
            held=self._facts.sources,
        )

    def _decide(self, plans: list[FramePlan], parts: list[Part]) -> tuple[Choice, Judged | None]:
        """How every part is sent, after its motion has been refined where the preset leaves time for it."""
        warnings = [*self._warnings]
        with self._statistics.stage("rate control"):
            choice, judged = self._choose(plans, parts)
        effort = EFFORTS[self._options.preset]
        if effort is None or Road.NETWORK not in choice.roads:
            return choice, judged
        with self._statistics.stage("refinement"):
            mended = self._mended(plans, parts, choice, effort)
        self._network = self._network.with_motion(mended)
        self._warnings = warnings  # those of the first choice are not those of the last
        with self._statistics.stage("rate control"):
            return self._choose(mended, parts)

    def _choose(self, plans: list[FramePlan], parts: list[Part]) -> tuple[Choice, Judged | None]:
        """How every part is sent, and how good that is where somebody wants to know."""
        seconds = float(len(plans) / self._facts.frame_rate)
        chooser = RoadChooser(
            parts,
            self._network,
            self._conventional,
            self._film,
            Judge(self._model, device=self._device, tune=self._options.tune),
            seconds=seconds,
            expression_count=self._facts.expression_count,
            preset=self._options.preset,
        )
        if self._bitrate is None:
            choice = chooser.for_rung(self._rung)
        else:
            fixed = (make_unit(End()), make_unit(provenance()), self._index_of(parts))
            around = len(SIGNATURE) + sum(len(unit.to_bytes()) for unit in fixed)
            choice = chooser.for_budget(self._bitrate * seconds / 8 - around)
            if not choice.reached:
                self._warnings.append(f"{self._bitrate / 1000:g} kbit/s cannot be reached: the least possible is used")
        floor = self._options.min_quality
        if floor is None:
            return choice, None
        if self._bitrate is None:
            choice = chooser.with_floor(choice, floor)
        judged = chooser.judged(choice, floor)
        if judged.below:
            self._warnings.append(f"{100 * judged.below:.1f} % of the frames looked at are below {floor:g}")
        return choice, judged

    def _mended(self, plans: list[FramePlan], parts: list[Part], choice: Choice, effort: Effort) -> list[FramePlan]:
        """The plans with motion as analysis by synthesis finds it, for the key frames that were chosen."""
        mended = list(plans)
        point, total = choice.rung.point, self._reader.info.frame_count
        for part, road in zip(parts, choice.roads, strict=True):
            if road is Road.NETWORK:
                mended[part.start : part.end] = mend(
                    plans[part.start : part.end],
                    self._film.span(part.start, part.end),
                    model=self._model,
                    device=self._device,
                    effort=effort,
                    point=point,
                    changes=self._network.changes(part, choice.rung),
                    coded=lambda key: self._network.picture(key, choice.key_qps.get(key.pictured, key.qp or 0)),
                    progress=lambda index: self._progress("refining motion", index + 1, total),
                )
        return mended

    def _index_of(self, parts: list[Part]) -> Unit:
        """An INDEX unit about as long as that of the file will be."""
        return make_unit(Index(tuple((part.start, 1000 * (i + 1)) for i, part in enumerate(parts))))

    def _units(self, parts: list[Part], choice: Choice) -> Iterator[tuple[int, list[Unit]]]:
        """Units of the video as they are ready, each time with the index of the frame that has been added."""
        network, statistics = self._network, self._statistics

        def told(index: int, reason: str) -> None:
            statistics.key_frames.append((index, reason))

        coder = UnitCoder(
            self._facts,
            choice.rung.point,
            metadata=provenance(),
            statistics=statistics,
            picture_coder=network.picture,
        )
        for part, road in zip(parts, choice.roads, strict=True):
            if road is Road.NETWORK:
                yield from network.units(coder, part, choice.rung, told, choice.key_qps)
                continue
            point = choice.pictures[part]
            first, *others = self._conventional.coded(part, point)
            told(part.start, "pictures")
            square = self._film.square(part.start)
            yield part.start, coder.start_pictures(first, index=part.start, side=point.side, square=square)
            yield part.start, coder.more_pictures(others)
        yield parts[-1].end if parts else 0, coder.flush()
