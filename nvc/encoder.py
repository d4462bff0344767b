"""Frames in, units out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitstream import (
    ExpressionTransform,
    KeyFrame,
    LimitExceeded,
    Motion,
    MotionCrc,
    MotionEncoder,
    Sequence,
    Unit,
    canonical_step,
    frame_steps,
    make_unit,
    quantise,
    smallest_level,
)
from nvc import colour, keyframe
from nvc.colour import Rgb
from nvc.device import choose_device
from nvc.key_placement import KeyPlacement, KeyPolicy, KeyReason
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.pose import POSE_COUNT
from nvc.rate import DEFAULT_QUALITY, CodingPoint, coding_point
from nvc.scenes import CutDetector, thumbnail

MAX_GROUP = 64
_BATCH = 16  # frames that the motion estimator sees at once when it need not hurry

Frame = NDArray[np.uint8] | Tensor


@dataclass(frozen=True)
class SourceRectangle:
    """Where the coded square comes from: source size and square in source pixels."""

    width: int
    height: int
    x: int
    y: int
    side: int


@dataclass
class EncoderStatistics:
    """What an encoder did: bytes by unit type, seconds by stage, key frames and why, bytes spent on each frame."""

    bytes_by_type: dict[str, int] = field(default_factory=dict)
    seconds_by_stage: dict[str, float] = field(default_factory=dict)
    key_frames: list[tuple[int, str]] = field(default_factory=list)
    frame_bytes: list[int] = field(default_factory=list)

    def add_time(self, stage: str, since: float) -> float:
        """Count the time since ``since`` to a stage; returns now."""
        now = time.perf_counter()
        self.seconds_by_stage[stage] = self.seconds_by_stage.get(stage, 0.0) + now - since
        return now


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
        model: str | CodecModel = zoo.DEFAULT_MODEL,
        quality: int = DEFAULT_QUALITY,
        point: CodingPoint | None = None,
        key_policy: KeyPolicy | None = None,
        group_size: int = 1,
        error_resilient: bool = False,
        source: SourceRectangle | None = None,
        device: str = "auto",
    ) -> None:
        """Set up.

        Args:
            width, height: of the frames in pixels; they must be square. Other sides are resized to the model's.
            frame_rate: frames a second.
            model: a shipped model's name, a safetensors file, or a model.
            quality: 0 (fewest bytes) to 9.
            point: coding point, instead of a quality level.
            key_policy: when key frames are made.
            group_size: frames in a motion unit, 1 (live) to 64 (files).
            error_resilient: every unit can be decoded without the motion units before it; costs bytes.
            source: where the square was cut from, for the record.
            device: ``auto``, ``cpu`` or ``cuda[:N]``.

        Raises:
            ValueError: frames that are not square, or a value out of range.
        """
        if width != height:
            raise ValueError(f"frames are {width} x {height}; the codec takes squares: crop first")
        if not 1 <= group_size <= MAX_GROUP:
            raise ValueError(f"group_size is {group_size}; it must be 1 to {MAX_GROUP}")
        self.side = width
        self.device = choose_device(device)
        self.model = zoo.load(model, device=self.device) if isinstance(model, str) else model
        self.point = point or coding_point(quality)
        self.group_size = group_size
        self.key_policy = key_policy or KeyPolicy()
        self.sequence = self._make_sequence(Fraction(frame_rate), error_resilient, source)
        self._batch = 1 if group_size == 1 else min(_BATCH, group_size)
        self.reset()

    def _make_sequence(self, rate: Fraction, resilient: bool, source: SourceRectangle | None) -> Sequence:
        rate = rate.limit_denominator(100_000)
        config = self.model.config
        place = source or SourceRectangle(self.side, self.side, 0, 0, self.side)
        return Sequence(
            side=config.side,
            source_width=place.width,
            source_height=place.height,
            crop_x=place.x,
            crop_y=place.y,
            crop_side=place.side,
            frame_rate_numerator=rate.numerator,
            frame_rate_denominator=rate.denominator,
            model_id=self.model.model_id,
            keypoint_count=config.keypoints,
            expression_count=config.expression,
            expression_transform=ExpressionTransform(getattr(config, "expression_transform", 1)),
            pose_quantiser=self.point.pose_quantiser,
            expression_quantiser=self.point.expression_quantiser,
            canonical_quantiser=self.point.canonical_quantiser,
            motion_group=self.group_size,
            error_resilient=resilient,
            motion_crc=MotionCrc.CRC16,
            level=smallest_level(config.side, float(rate)),
        )

    def reset(self) -> None:
        """Forget everything: the next frame begins a new stream."""
        self.statistics = EncoderStatistics()
        self._placement = KeyPlacement(self.key_policy)
        self._cuts = CutDetector()
        self._motion = MotionEncoder(self.sequence)
        self._steps = frame_steps(self.sequence)
        self._waiting: list[Rgb] = []
        self._group: list[NDArray[np.int32]] = []
        self._index = 0
        self._started = False

    def request_key_frame(self) -> None:
        """Make the next frame a key frame, because a receiver has lost its own."""
        self._placement.request()

    def encode(self, frame: Frame) -> list[Unit]:
        """Take the next frame.

        Args:
            frame: uint8 [3, H, W] RGB.

        Returns:
            The units that are now complete, in order; often none.

        Raises:
            ValueError: not uint8 [3, H, W] of the announced size.
        """
        array = frame.detach().cpu().numpy() if isinstance(frame, Tensor) else np.asarray(frame)
        if array.dtype != np.uint8 or array.shape != (3, self.side, self.side):
            expected = f"uint8 [3, {self.side}, {self.side}]"
            raise ValueError(f"frame is {array.dtype} {list(array.shape)}, must be {expected}")
        began = time.perf_counter()
        rgb = np.ascontiguousarray(array.transpose(1, 2, 0))
        if self.side != self.sequence.side:
            rgb = colour.resize_rgb(rgb, width=self.sequence.side, height=self.sequence.side)
        self.statistics.add_time("resize", began)
        self._waiting.append(rgb)
        return list(self._encode_waiting()) if len(self._waiting) >= self._batch else []

    def flush(self) -> list[Unit]:
        """The units of all frames taken so far that have not come out yet."""
        units = list(self._encode_waiting()) if self._waiting else []
        return units + list(self._finish_group())

    def _encode_waiting(self) -> Iterator[Unit]:
        frames, self._waiting = self._waiting, []
        began = time.perf_counter()
        vectors = self._estimate(frames)
        self.statistics.add_time("estimate", began)
        for rgb, vector in zip(frames, vectors, strict=True):
            began = time.perf_counter()
            cut = self._cuts.is_cut(thumbnail(rgb))
            reason = self._placement.next(vector[:3], cut=cut)
            self.statistics.add_time("placement", began)
            if reason is not None:
                yield from self._finish_group()
                yield from self._key_frame(rgb, vector, reason)
            else:
                self._group.append(quantise(vector, self._steps))
                if len(self._group) == self.group_size:
                    yield from self._finish_group()
            self._index += 1

    @torch.inference_mode()
    def _estimate(self, frames: list[Rgb]) -> NDArray[np.float64]:
        """Motion vectors [T, 7 + N] of frames; what is not finite is replaced by zero, so that encoding is total."""
        motion = self.model.estimate(self._pictures(frames))
        vectors = motion.vector().double().cpu().numpy()
        return np.nan_to_num(vectors, nan=0.0, posinf=0.0, neginf=0.0)

    def _pictures(self, frames: list[Rgb]) -> Tensor:
        stacked = torch.from_numpy(np.stack(frames)).to(self.device)
        return stacked.permute(0, 3, 1, 2).float() / 255

    @torch.inference_mode()
    def _key_frame(self, rgb: Rgb, vector: NDArray[np.float64], reason: KeyReason) -> Iterator[Unit]:
        began = time.perf_counter()
        x_c = self.model.canonical(self._pictures([rgb]))[0] - self.model.mean_keypoints
        offsets = np.nan_to_num(x_c.double().cpu().numpy().ravel())
        integers = quantise(vector, self._steps)
        key = KeyFrame(
            presentation_index=self._index,
            coded_width=self.sequence.side,
            coded_height=self.sequence.side,
            canonical=tuple(quantise(offsets, canonical_step(self.sequence)).tolist()),
            pose=tuple(integers[:POSE_COUNT].tolist()),
            expression=tuple(integers[POSE_COUNT:].tolist()),
            picture=keyframe.encode_picture(rgb, qp=self.point.key_qp),
        )
        self._motion.start(key)
        self.statistics.key_frames.append((self._index, reason.value))
        self.statistics.add_time("key frame", began)
        if not self._started or self.sequence.error_resilient:
            self._started = True
            yield self._counted(make_unit(self.sequence), frames=0)
        yield self._counted(make_unit(key, self.sequence), frames=1)

    def _finish_group(self) -> Iterator[Unit]:
        group, self._group = self._group, []
        while group:
            began = time.perf_counter()
            payload, taken = self._encode_group(group)
            group = group[taken:]
            unit = make_unit(Motion.from_payload(payload, self.sequence), self.sequence)
            self.statistics.add_time("entropy coding", began)
            yield self._counted(unit, frames=taken)

    def _encode_group(self, group: list[NDArray[np.int32]]) -> tuple[bytes, int]:
        """The payload of as many frames as fit into one unit, and how many those are."""
        taken = len(group)
        while True:
            counts = None if self.point.expression_count is None else [self._expression_count()] * taken
            try:
                return self._motion.encode(np.stack(group[:taken]), counts), taken
            except LimitExceeded:
                if taken == 1:
                    raise
                taken = max(1, taken // 2)

    def _expression_count(self) -> int:
        wanted = self.point.expression_count
        most = self.sequence.expression_count
        return most if wanted is None else min(wanted, most)

    def _counted(self, unit: Unit, *, frames: int) -> Unit:
        size = len(unit.to_bytes())
        name = getattr(unit.type, "name", str(unit.type))
        self.statistics.bytes_by_type[name] = self.statistics.bytes_by_type.get(name, 0) + size
        if frames:
            share, rest = divmod(size, frames)
            self.statistics.frame_bytes += [share + (k < rest) for k in range(frames)]
        return unit
