"""Part B: key pictures and motion integers to frames, through the network."""

from __future__ import annotations

from collections.abc import Sequence as Values

import numpy as np
import torch

from bitstream import (
    Corrupt,
    KeyFrame,
    ModelMismatch,
    Sequence,
    Unsupported,
    canonical_step,
    dequantise,
    frame_steps,
)
from bitstream.stream import Frame
from nvc import colour, keyframe
from nvc.colour import ColourSpec
from nvc.drawing import Drawer, Picture
from nvc.models.interface import CodecModel
from nvc.pose import HeadMotion
from nvc.source_mix import HeldSource, SourceMixer
from nvc.staging import Staging
from nvc.statistics import StageTimes


class Renderer:
    """Draws the frames of one SEQUENCE."""

    def __init__(
        self, model: CodecModel, sequence: Sequence, device: torch.device, times: StageTimes, drawer: Drawer
    ) -> None:
        """Set up; ``drawer`` draws with ``model`` on ``device``.

        Raises:
            ModelMismatch: the stream has another side or number of keypoints than the model.
            Corrupt: it has more expression coefficients.
            Unsupported: its colours are coded in a way that this version does not know.
        """
        config = model.config
        found, wanted = (sequence.side, sequence.keypoint_count), (config.side, config.keypoints)
        if found != wanted:
            raise ModelMismatch(f"side and keypoints are {found} in the stream, {wanted} in the model")
        if sequence.expression_count > config.expression:
            found_count = sequence.expression_count
            raise Corrupt(f"the stream has {found_count} expression coefficients, the model {config.expression}")
        self._spec = _colour_of(sequence)
        self._model = model
        self._drawer = drawer
        self._sequence = sequence
        self._device = device
        self._times = times
        self._steps = frame_steps(sequence)
        self._sources: dict[int, HeldSource] = {}
        self._mixer = SourceMixer(model, drawer)
        self._latest_slot: int | None = None

    @property
    def spec(self) -> ColourSpec:
        """How the coded pictures' samples are meant."""
        return self._spec

    @property
    def drawings(self) -> int:
        """Pictures that the network has drawn for the frames so far; more than frames where sources are mixed."""
        return self._mixer.drawings

    @property
    def side(self) -> int:
        """Pixels a side of what is drawn."""
        return self._sequence.side

    def add_source(self, key: KeyFrame) -> HeadMotion:
        """Hold a key picture's features in its slot; returns its head. Raises Corrupt for one that does not decode.

        A picture in the slot of the one before it is shown at once; one in another slot joins those that are held.
        """
        side = self._sequence.side
        with self._times.stage("key pictures"), torch.inference_mode():
            size = {"width": key.coded_width, "height": key.coded_height}
            rgb = keyframe.decode_picture(key.picture, spec=self._spec, **size)
            rgb = colour.resize_rgb(rgb, width=side, height=side)
            offsets = dequantise(np.array(key.canonical), canonical_step(self._sequence)).reshape(-1, 3)
            x_c = self._model.mean_keypoints.float() + torch.from_numpy(offsets).to(self._device)
            motion = self._motion([key.values])
            prepared = self._drawer.prepare(rgb, x_c, motion)
        if key.source_slot == self._latest_slot:
            self._mixer.cut()
        self._latest_slot = key.source_slot
        self._sources[key.source_slot] = HeldSource(prepared, x_c, motion)
        return motion

    def render(self, values: Values[Values[int]], slots: Values[int], staging: Staging | None = None) -> list[Picture]:
        """Frames for rows of 7 + N integers, drawn from the sources in some slots: uint8 [3, S, S] each."""
        if missing := [slot for slot in slots if slot not in self._sources]:
            raise Corrupt(f"source slot {missing[0]} holds no key picture")
        moving = [i for i, row in enumerate(values) if not i or row != values[i - 1]]  # a head at rest is drawn once
        with self._times.stage("drawing"), torch.inference_mode():
            motion = self._motion([values[i] for i in moving])
            portrait = None
            if staging is not None:
                portrait = staging.source(self._model, self._device, self._drawer)
                motion = staging.apply(motion, self._model)
            if portrait is not None:
                pictures = list(self._drawer.draw(portrait, motion))
            else:
                pictures = self._mixer.pictures(motion, [self._sources[slot] for slot in slots])
        lengths = np.diff([*moving, len(values)])
        return [picture for picture, length in zip(pictures, lengths, strict=True) for _ in range(length)]

    def _motion(self, values: Values[Values[int]]) -> HeadMotion:
        """Heads of rows of integers; coefficients that the stream leaves out are 0."""
        real = dequantise(np.array(values, dtype=np.int64), self._steps)
        missing = self._model.config.expression - self._sequence.expression_count
        return HeadMotion.from_vector(torch.from_numpy(np.pad(real, ((0, 0), (0, missing)))).to(self._device))


def _colour_of(sequence: Sequence) -> ColourSpec:
    try:
        return ColourSpec(colour.matrix_of(sequence.matrix_coefficients), sequence.full_range)
    except ValueError as error:
        raise Unsupported(str(error)) from None


def same_source(frames: list[Frame]) -> list[list[Frame]]:
    """Frames in runs of the same kind that are drawn from the same source."""
    runs: list[list[Frame]] = []
    for frame in frames:
        last = runs[-1][-1] if runs else None
        if last is not None and (last.sources, last.kind) == (frame.sources, frame.kind):
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs
