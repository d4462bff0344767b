"""Frames in, units out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bitstream import End, ExpressionTransform, Metadata, Unit, make_unit
from nvc import colour
from nvc.analysis import Analyser
from nvc.bucket import LeakyBucket
from nvc.colour import Rgb
from nvc.crop import Square
from nvc.device import choose_device
from nvc.inference import load_model
from nvc.key_placement import KeyPolicy
from nvc.live_coder import LiveCoder
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.motion_choice import DEFAULT_RDO, check_rdo
from nvc.rate import DEFAULT_QUALITY, LADDER, CodingPoint, coding_point
from nvc.source_slots import check_sources
from nvc.statistics import EncoderStatistics
from nvc.unit_coder import StreamFacts, UnitCoder
from nvc.version import VERSION

MAX_GROUP = 64
DEFAULT_VBV_MS = 1000.0
MAX_BATCH = 16  # frames that the motion estimator sees at once when it need not hurry

Frame = NDArray[np.uint8] | Tensor


class NotSquare(ValueError):
    """The picture is not square, and nobody said which square of it to code."""


@dataclass(frozen=True)
class SourceRectangle:
    """Where the coded square comes from: source size and square in source pixels."""

    width: int
    height: int
    x: int
    y: int
    side: int


class Encoder:
    """A streaming encoder of one face.

    Frames go in one by one; units come out as soon as they are complete: with ``group_size=1`` each frame's
    at once, with more when a group is full. :meth:`flush` gives what is left.
    """

    def __init__(
        self,
        *,
        width: int,
        height: int,
        frame_rate: float | Fraction,
        model: str | Path | CodecModel = zoo.DEFAULT_MODEL,
        quality: int = DEFAULT_QUALITY,
        point: CodingPoint | None = None,
        key_policy: KeyPolicy | None = None,
        group_size: int = 1,
        error_resilient: bool = False,
        source: SourceRectangle | None = None,
        synthetic: bool = False,
        motion_rdo: float = DEFAULT_RDO,
        sources: int = 1,
        bitrate: float | None = None,
        vbv_ms: float = DEFAULT_VBV_MS,
        device: str = "auto",
    ) -> None:
        """Set up.

        Args:
            width, height: of the frames in pixels; they must be square. Other sides are resized to the model's.
            frame_rate: frames a second.
            model: a shipped model's name, a safetensors file, or a model.
            quality: 0 (fewest bytes) to 9.
            point: coding point, instead of a quality level.
            key_policy: when key frames are made; by default only where they are needed.
            group_size: frames in a motion unit, 1 (live) to 64 (files).
            error_resilient: every unit can be decoded without the motion units before it; costs bytes.
            source: where the square was cut from, for the record.
            synthetic: mark the stream as synthetic media.
            motion_rdo: how much motion may be missed to save a bit, 0 (round every value) to 4.
            sources: key pictures that the receiver holds and draws from, 1 to 4.
            bitrate: bit/s that the line carries; by default there is no bound.
            vbv_ms: milliseconds that a byte may wait for the line at most, 20 to 60000.
            device: ``auto``, ``cpu`` or ``cuda[:N]``.

        Raises:
            NotSquare: frames that are not square.
            ValueError: a value out of range, an unknown model or device.
        """
        if width != height:
            raise NotSquare(f"frames are {width} x {height}; the codec takes squares: crop first")
        if not 1 <= group_size <= MAX_GROUP:
            raise ValueError(f"group_size is {group_size}; it must be 1 to {MAX_GROUP}")
        self.side = width
        self.device = choose_device(device)
        self.model = load_model(model, self.device)
        self.point = point or coding_point(quality)
        self.group_size = group_size
        rate = Fraction(frame_rate).limit_denominator(100_000)
        self.key_policy = key_policy or KeyPolicy.for_rate(float(rate))
        place = source or SourceRectangle(width, height, 0, 0, width)
        self._square = Square(place.x, place.y, place.side)
        self._facts = stream_facts(
            self.model,
            source_size=(place.width, place.height),
            frame_rate=rate,
            group_size=group_size,
            error_resilient=error_resilient,
            synthetic=synthetic,
            live=True,
            motion_rdo=motion_rdo,
            sources=sources,
        )
        self._bitrate, self._vbv_ms = bitrate, vbv_ms
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame begins a new stream."""
        self.statistics = EncoderStatistics()
        self._analyser = Analyser(
            self.model,
            device=self.device,
            policy=self.key_policy,
            batch=min(self.group_size, MAX_BATCH),
            statistics=self.statistics,
            pictures=True,
        )
        rate, bucket = self._facts.frame_rate, None
        if self._bitrate is not None:
            bucket = LeakyBucket(bitrate=self._bitrate, delay_ms=self._vbv_ms, frame_rate=rate)
        self._coder = LiveCoder(
            UnitCoder(self._facts, self.point, metadata=provenance(), statistics=self.statistics),
            self.point,
            side=self._facts.side,
            frame_rate=rate,
            crf=min(LADDER, key=lambda rung: abs(rung.point.key_qp - self.point.key_qp)).crf,
            bucket=bucket,
            bitrate=self._bitrate,
            statistics=self.statistics,
            ask_for_key=self._analyser.request_key_frame,
        )
        self._ended = False

    def request_key_frame(self) -> None:
        """Make the next frame a key frame, because a receiver has lost its own."""
        self._analyser.request_key_frame()

    def encode(self, frame: Frame, *, face: bool = True) -> list[Unit]:
        """Take the next frame.

        Args:
            frame: uint8 [3, H, W] RGB.
            face: False where it is known that there is none: what is there is sent as conventional pictures.

        Returns:
            The units that are now complete, in order; often none.

        Raises:
            ValueError: not uint8 [3, H, W] of the announced size, or the stream has been flushed.
        """
        if self._ended:
            raise ValueError("the stream has been flushed; reset() begins another one")
        with self.statistics.stage("resize"):
            rgb = colour.resize_rgb(self._checked(frame), width=self._facts.side, height=self._facts.side)
        plans = self._analyser.push(rgb, square=self._square, face=face)
        return [unit for plan in plans for unit in self._coder.code(plan)]

    def flush(self) -> list[Unit]:
        """The units of all frames taken so far that have not come out yet, and END. Then only :meth:`reset` helps."""
        if self._ended:
            return []
        self._ended = True
        units = [unit for plan in self._analyser.flush() for unit in self._coder.code(plan)] + self._coder.flush()
        end = make_unit(End())
        self.statistics.count(end, frames=0)
        return [*units, end]

    def _checked(self, frame: Frame) -> Rgb:
        array = frame.detach().cpu().numpy() if isinstance(frame, Tensor) else np.asarray(frame)
        if array.dtype != np.uint8 or array.shape != (3, self.side, self.side):
            expected = f"uint8 [3, {self.side}, {self.side}]"
            raise ValueError(f"frame is {array.dtype} {list(array.shape)}, must be {expected}")
        return np.ascontiguousarray(array.transpose(1, 2, 0))


def provenance() -> Metadata:
    """The METADATA that every stream carries: what made it."""
    return Metadata((("nvc.encoder", f"nvc {VERSION}"),))


def stream_facts(
    model: CodecModel,
    *,
    source_size: tuple[int, int],
    frame_rate: Fraction,
    group_size: int,
    error_resilient: bool,
    synthetic: bool,
    live: bool,
    motion_rdo: float = DEFAULT_RDO,
    sources: int = 1,
) -> StreamFacts:
    """What every SEQUENCE of a stream says; ``source_size`` is width and height in pixels, the rest as of Encoder.

    Raises ValueError for a ``motion_rdo`` or a number of ``sources`` out of range.
    """
    check_rdo(motion_rdo)
    check_sources(sources)
    config = model.config
    return StreamFacts(
        side=config.side,
        model_id=model.model_id,
        mean_keypoints=model.mean_keypoints.float().cpu().numpy(),
        basis=model.expression_basis.float().cpu().numpy(),
        expression_count=config.expression,
        expression_transform=getattr(config, "expression_transform", ExpressionTransform.BASIS),
        frame_rate=frame_rate,
        source_width=source_size[0],
        source_height=source_size[1],
        group=group_size,
        error_resilient=error_resilient,
        live=live,
        synthetic=synthetic,
        motion_rdo=motion_rdo,
        sources=sources,
    )
