"""From pictures to a plan: what moves in every frame, and which frames are key frames.

Nothing is quantised here, so one analysis serves every rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nvc.colour import Rgb
from nvc.crop import Square
from nvc.inference import to_network
from nvc.key_placement import SCENE_REASONS, KeyPlacement, KeyPolicy, KeyReason, Moment
from nvc.models.interface import CodecModel
from nvc.scenes import CutDetector, Thumbnail, thumbnail
from nvc.statistics import EncoderStatistics
from nvc.unit_coder import KeyInput, Vector


@dataclass(frozen=True)
class FramePlan:
    """What is known of one frame.

    ``motion``: ``[7 + N]``, or None to hold the last; ``key``: what a key frame needs, where one is due; ``reason``:
    why it is, or None; ``face``: whether there is one; ``picture``: where there is none and pictures are asked for;
    ``square``: where it was cut out.
    """

    index: int
    motion: Vector | None = None
    key: KeyInput | None = None
    reason: KeyReason | None = None
    face: bool = True
    picture: Rgb | None = None
    square: Square = Square(0, 0, 1)

    @property
    def is_key(self) -> bool:
        """Whether this is a key frame, by what is known up to it."""
        return self.reason is not None

    @property
    def moving(self) -> Vector | None:
        """How it moves if it is no key frame: ``[7 + N]``, or None to hold the last motion."""
        return self.key.motion if self.motion is None and self.key is not None else self.motion

    @property
    def begins_scene(self) -> bool:
        """Whether what comes has nothing to do with the frames before."""
        return self.reason in SCENE_REASONS


@dataclass(frozen=True)
class _Waiting:
    index: int
    picture: Rgb
    square: Square
    new_square: bool
    thumbnail: Thumbnail
    cut: bool
    face: bool


class Analyser:
    """Pictures in, plans out, ``batch`` frames at a time."""

    def __init__(
        self,
        model: CodecModel,
        *,
        device: torch.device,
        policy: KeyPolicy,
        batch: int = 1,
        statistics: EncoderStatistics | None = None,
        pictures: bool = False,
    ) -> None:
        """Set up; ``pictures``: plans bring the pictures of frames without a face."""
        self._model = model
        self._device = device
        self._batch = batch
        self.statistics = statistics or EncoderStatistics()
        self._placement = KeyPlacement(policy)
        self._pictures = pictures
        self._cuts = CutDetector()
        self._waiting: list[_Waiting] = []
        self._square: Square | None = None
        self._index = 0

    def request_key_frame(self) -> None:
        """Make the next frame that is decided upon a key frame."""
        self._placement.request()

    def push(self, picture: Rgb, *, square: Square, face: bool = True) -> list[FramePlan]:
        """The next frame, uint8 ``[S, S, 3]`` of the model's side, and the square of the source that it shows.

        ``face`` is False where it is known that there is none: then the last motion is held.
        """
        small = thumbnail(picture)
        new_square = self._square not in (None, square)
        if new_square:  # another framing is not another scene
            self._cuts = CutDetector()
        cut = self._cuts.is_cut(small)
        self._waiting.append(_Waiting(self._index, picture, square, new_square, small, cut, face))
        self._square = square
        self._index += 1
        return self.flush() if len(self._waiting) >= self._batch else []

    def flush(self) -> list[FramePlan]:
        """Plans for the frames that wait for their batch to fill."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        with self.statistics.stage("motion estimation"), torch.inference_mode():
            pictures = to_network([frame.picture for frame in waiting], self._device)
            vectors = _finite(self._model.estimate(pictures).vector())
        return [self._plan(frame, vectors[i], pictures[i : i + 1]) for i, frame in enumerate(waiting)]

    def _plan(self, frame: _Waiting, vector: Vector, picture: Tensor) -> FramePlan:
        moment = Moment(
            motion=vector,
            thumbnail=frame.thumbnail,
            cut=frame.cut,
            face=frame.face,
            new_square=frame.new_square,
        )
        reason = self._placement.next(moment)
        moves = frame.face and self._placement.settled
        motion, key = vector if moves else None, None
        if reason is not None:
            with self.statistics.stage("motion estimation"), torch.inference_mode():
                canonical = _finite(self._model.canonical(picture))[0]
            new_scene = reason in SCENE_REASONS
            key = KeyInput(frame.index, frame.picture, canonical, vector, frame.square, new_scene)
        shown = frame.picture if self._pictures and not frame.face else None
        return FramePlan(frame.index, motion, key, reason, frame.face, shown, frame.square)


def _finite(values: Tensor) -> Vector:
    """As float32 arrays; what is not finite is 0, so that encoding never fails on what a network says."""
    return np.nan_to_num(values.float().cpu().numpy(), nan=0.0, posinf=0.0, neginf=0.0)
