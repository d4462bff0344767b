"""Units in, frames out."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitstream import (
    KeyFrame,
    Limits,
    ModelMismatch,
    Sequence,
    UnitReader,
    Unsupported,
    canonical_step,
    dequantise,
    frame_steps,
)
from bitstream.stream import Frame as CodedFrame
from bitstream.stream import FrameKind, StreamDecoder, conceal
from nvc import colour, keyframe
from nvc.device import choose_device
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.pose import HeadMotion, redirect

_BATCH = 8  # frames drawn at once; more gains nothing on a CPU and costs memory

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """How the receiver wants to see the head: turned and shifted, at no cost in bits (face-vid2vid, section 3.3).

    Attributes:
        yaw, pitch, roll: degrees added to the head's own.
        x, y: shift in half-sides.
        frontal: hold the head frontal (before the angles above are added) while the expression plays.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    y: float = 0.0
    frontal: bool = False

    def apply(self, motion: HeadMotion) -> HeadMotion:
        """The heads as they are to be drawn."""
        if self.frontal:
            motion = replace(motion, angles=torch.zeros_like(motion.angles))
        angles = torch.tensor([math.radians(a) for a in (self.pitch, self.yaw, self.roll)])
        shift = torch.tensor([self.x, self.y, 0.0])
        return redirect(motion, angles=angles.to(motion.angles), translation=shift.to(motion.angles))


@dataclass
class _Source:
    """A held key picture: what the network needs of it."""

    features: object
    x_c: Tensor
    motion: HeadMotion


@dataclass
class DecoderStatistics:
    """What a decoder did: seconds by stage, frames drawn, frames concealed."""

    seconds_by_stage: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    concealed: int = 0

    def add_time(self, stage: str, since: float) -> None:
        """Count the time since ``since`` to a stage."""
        spent = time.perf_counter() - since
        self.seconds_by_stage[stage] = self.seconds_by_stage.get(stage, 0.0) + spent


class Decoder:
    """A streaming decoder: bytes of a stream in portions of any size, frames out."""

    def __init__(
        self,
        *,
        model: str | CodecModel | None = None,
        device: str = "auto",
        view: View | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Set up.

        Args:
            model: a shipped model's name, a safetensors file, or a model; by default the shipped one that the
                stream names.
            device: ``auto``, ``cpu`` or ``cuda[:N]``.
            view: how to see the head; may be changed between frames by setting ``decoder.view``.
            limits: bounds on what a stream may ask for.
        """
        self.device = choose_device(device)
        self.view = view
        self._given = zoo.load(model, device=self.device) if isinstance(model, str) else model
        self._limits = limits
        self.reset()

    def reset(self) -> None:
        """Be as new: forget the stream."""
        self.statistics = DecoderStatistics()
        self._model = self._given
        self._reader = UnitReader(self._limits)
        model_id = None if self._given is None else self._given.model_id
        self._stream = StreamDecoder(model_id=model_id, limits=self._limits)
        self._sources: dict[int, tuple[KeyFrame, _Source]] = {}
        self._last: Picture | None = None
        self._last_coded: CodedFrame | None = None
        self._lost = 0

    @property
    def sequence(self) -> Sequence | None:
        """The SEQUENCE in force."""
        return self._stream.sequence

    @property
    def ended(self) -> bool:
        """Whether the END unit has come."""
        return self._reader.ended

    def decode(self, data: bytes) -> list[Picture]:
        """Take bytes of the stream: a packet of whole units, or any portion of a file.

        Returns:
            The frames that are now due, each uint8 [3, S, S] RGB; an empty list while nothing is.

        Raises:
            BitstreamError: the bytes are not a valid stream, or need a model that is not here.
        """
        frames: list[Picture] = []
        for unit in self._reader.feed(data):
            frames += self._draw_all(self._stream.decode(unit))
        return frames

    def close(self) -> None:
        """Say that the stream has ended.

        Raises:
            Truncated: it ended inside a unit.
        """
        self._reader.close()

    def conceal(self) -> Picture | None:
        """A packet was lost: the frame to show instead, or None before the first key frame.

        The last motion is held for five frames and then turns towards the key frame, whose picture shows it best.
        """
        key, last = self._stream.key, self._last_coded
        if key is None or last is None:
            return self._last
        self._lost += 1
        values = conceal(last.values, key.values, self._lost) if last.values else ()
        frame = CodedFrame(self._stream.next_index, FrameKind.CONCEALED, values, last.sources)
        return self._draw_all([frame])[-1]

    def _draw_all(self, coded: list[CodedFrame]) -> list[Picture]:
        """Draw frames; indices that were left out show the frame before them again."""
        pictures: list[Picture] = []
        start = 0
        while start < len(coded):
            stop = start + 1
            while stop < len(coded) and stop - start < _BATCH and coded[stop].sources == coded[start].sources:
                stop += 1
            for frame, picture in zip(coded[start:stop], self._draw(coded[start:stop]), strict=True):
                pictures += self._repeats_before(frame)
                pictures.append(picture)
                self._last, self._last_coded = picture, frame
                self._lost = self._lost if frame.kind is FrameKind.CONCEALED else 0
                self.statistics.concealed += frame.kind is FrameKind.CONCEALED
            start = stop
        self.statistics.frames += len(pictures)
        return pictures

    def _repeats_before(self, frame: CodedFrame) -> list[Picture]:
        if self._last is None or self._last_coded is None or frame.kind is FrameKind.CONCEALED:
            return []
        return [self._last] * max(0, frame.presentation_index - self._last_coded.presentation_index - 1)

    @torch.inference_mode()
    def _draw(self, coded: list[CodedFrame]) -> list[Picture]:
        if not coded[0].values:
            if coded[0].kind is FrameKind.PICTURE:
                raise Unsupported("PICTURE units are not decoded by this version")
            return [self._last] * len(coded) if self._last is not None else []
        source = self._source(coded[0].sources[0])
        sequence = self._stream.sequence
        assert sequence is not None and self._model is not None  # noqa: S101 - there is no key frame without them
        began = time.perf_counter()
        motion = self._motion([frame.values for frame in coded], sequence)
        if self.view is not None:
            motion = self.view.apply(motion)
        drawn = self._model.render(source.features, source.x_c, source.motion, motion)
        pixels = (drawn * 255).round_().clamp_(0, 255).byte().cpu().numpy()
        self.statistics.add_time("draw", began)
        return list(pixels)

    def _motion(self, values: Iterable[tuple[int, ...]], sequence: Sequence) -> HeadMotion:
        real = dequantise(np.array(list(values)), frame_steps(sequence))
        return HeadMotion.from_vector(torch.from_numpy(real).to(self.device))

    def _source(self, slot: int) -> _Source:
        """The source in a slot; its features are computed once."""
        key = self._stream.slots[slot]
        held = self._sources.get(slot)
        if held is None or held[0] is not key:
            held = (key, self._make_source(key))
            self._sources[slot] = held
        return held[1]

    def _make_source(self, key: KeyFrame) -> _Source:
        sequence = self._stream.sequence
        assert sequence is not None  # noqa: S101 - parsing refuses a KEYFRAME without one
        model = self._fitting_model(sequence)
        began = time.perf_counter()
        rgb = keyframe.decode_picture(key.picture, width=key.coded_width, height=key.coded_height)
        if rgb.shape[:2] != (sequence.side, sequence.side):
            rgb = colour.resize_rgb(rgb, width=sequence.side, height=sequence.side)
        picture = torch.from_numpy(rgb).to(self.device).permute(2, 0, 1)[None].float() / 255
        offsets = dequantise(np.array(key.canonical), canonical_step(sequence)).reshape(-1, 3)
        x_c = model.mean_keypoints + torch.from_numpy(offsets).to(self.device)
        source = _Source(model.appearance(picture), x_c, self._motion([key.values], sequence))
        self.statistics.add_time("key picture", began)
        return source

    def _fitting_model(self, sequence: Sequence) -> CodecModel:
        """The model that the stream names, loaded when it is first needed."""
        if self._model is None or self._model.model_id != sequence.model_id:
            name = zoo.find(sequence.model_id)
            if name is None:
                known = ", ".join(zoo.shipped())
                raise ModelMismatch(f"the stream needs model {sequence.model_id.hex()}; shipped are {known}")
            self._model = zoo.load(name, device=self.device)
        config = self._model.config
        found = (sequence.side, sequence.keypoint_count, sequence.expression_count)
        wanted = (config.side, config.keypoints, config.expression)
        if found != wanted:
            raise ModelMismatch(f"side, keypoints and coefficients are {found} in the stream, {wanted} in the model")
        return self._model
