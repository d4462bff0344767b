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
from nvc.key_placement import KeyPlacement, KeyPolicy, Moment
from nvc.models.interface import CodecModel
from nvc.scenes import CutDetector, Thumbnail, thumbnail
from nvc.statistics import EncoderStatistics
from nvc.unit_coder import KeyInput, Vector


@dataclass(frozen=True)
class FramePlan:
    """What is to be sent of one frame: ``key`` for a key frame, else ``motion`` ``[7 + N]``, None to hold the last."""

    index: int
    motion: Vector | None = None
    key: KeyInput | None = None


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
    ) -> None:
        self._model = model
        self._device = device
        self._batch = batch
        self.statistics = statistics or EncoderStatistics()
        self._placement = KeyPlacement(policy)
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
        reason = self._placement.next(
            Moment(
                motion=vector,
                thumbnail=frame.thumbnail,
                cut=frame.cut,
                face=frame.face,
                new_square=frame.new_square,
            )
        )
        if reason is None:
            moves = frame.face and self._placement.settled
            return FramePlan(frame.index, vector if moves else None)
        self.statistics.key_frames.append((frame.index, reason.value))
        with self.statistics.stage("motion estimation"), torch.inference_mode():
            canonical = _finite(self._model.canonical(picture))[0]
        return FramePlan(frame.index, key=KeyInput(frame.index, frame.picture, canonical, vector, frame.square))


def _finite(values: Tensor) -> Vector:
    """As float32 arrays; what is not finite is 0, so that encoding never fails on what a network says."""
    return np.nan_to_num(values.float().cpu().numpy(), nan=0.0, posinf=0.0, neginf=0.0)
