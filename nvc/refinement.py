"""Analysis by synthesis of motion: the encoder draws what the receiver will draw, and mends the motion by gradients.

The motion estimator sees one frame at a time and never the result, and most of its errors last: a jaw that is taken
to be a little lower than it is stays so for seconds. So the correction is looked for at knots some frames apart, by
gradient descent on the distance between the drawn and the real picture, each group of knots beginning where the one
before ended, and is interpolated between them. That costs a few drawings a frame instead of dozens, and as
corrections change slowly they cost few bits.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc.colour import Rgb
from nvc.inference import to_network
from nvc.models.attention import attention_map
from nvc.models.interface import CodecModel
from nvc.models.packed import has_fast_bfloat16
from nvc.pose import POSE_COUNT, HeadMotion, keypoints

Vector = NDArray[np.float32]

# How far one unit of the search moves each number: pitch, yaw, roll (radians), tx, ty, tz (half-sides; tz cannot be
# seen), log2 of the scale. The pose is nearly right as it is: where it moves as freely as the expression, heads follow
# shoulders and hair, and landmarks are further off than before.
_POSE_UNIT = 0.08
_POSE_UNITS = (*(_POSE_UNIT,) * 5, 0.0, _POSE_UNIT)
_EXPRESSION_UNIT = 0.12
_SQUARED = 3.0  # weight of squared errors beside absolute ones, of pictures in 0..1
# Around mouth and eyes pixels weigh up to nine times as much: without that the search would move the head until
# shoulders and background fit, and landmarks would be further off than before it.
_FACE_GAIN = 8.0
_ATTENDED = 54  # percent of the keypoints, which lie on mouth and eyes and come first
_TOGETHER = 4  # knots refined at once
_MOMENTS = (0.8, 0.95)  # of Adam (Kingma and Ba, 2015); shorter than usual, for a handful of iterations


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard to look.

    Attributes:
        spacing: frames from one knot to the next, 1 or more.
        iterations: drawings of each knot, 0 or more.
        step: of the first iteration, in units of the search.
        decay: by which it shrinks with every iteration.
    """

    spacing: int = 4
    iterations: int = 8
    step: float = 0.015
    decay: float = 0.85

    def __post_init__(self) -> None:
        if self.spacing < 1:
            raise ValueError(f"spacing is {self.spacing}; it must be 1 frame or more")
        if self.iterations < 0:
            raise ValueError(f"iterations is {self.iterations}; it must not be negative")


@dataclass(frozen=True)
class Correction:
    """What to add to the motion of a segment: rows ``[M, 7 + N]`` at frame ``indices`` ``[M]``, linear between."""

    indices: NDArray[np.int64]
    rows: NDArray[np.float32]

    def at(self, index: int) -> Vector:
        """The correction of one frame, ``[7 + N]``; outside of the knots, that of the nearest."""
        if not len(self.indices):
            return np.zeros(self.rows.shape[1], dtype=np.float32)
        after = int(np.clip(np.searchsorted(self.indices, index), 0, len(self.indices) - 1))
        before = max(after - 1, 0)
        length = self.indices[after] - self.indices[before]
        part = np.clip((index - self.indices[before]) / length, 0, 1) if length else 1.0
        return (self.rows[before] + part * (self.rows[after] - self.rows[before])).astype(np.float32)


class MotionRefiner:
    """Finds corrections for the frames that are drawn from one key picture after another."""

    def __init__(self, model: CodecModel, *, device: torch.device, effort: Effort) -> None:
        """Set up; the model's weights are only read."""
        self.effort = effort
        self._model = model
        self._device = device
        units = torch.full((POSE_COUNT + model.config.expression,), _EXPRESSION_UNIT)
        units[:POSE_COUNT] = torch.tensor(_POSE_UNITS)
        self._units = units.to(device)
        self._attended = -(-model.config.keypoints * _ATTENDED // 100)
        self._source: tuple[Any, Tensor, HeadMotion] | None = None
        self._last: tuple[int, Rgb, Vector] | None = None
        self._waiting: list[tuple[int, Rgb, Vector]] = []  # knots that are not refined yet
        self._indices: list[int] = []  # of those that are, with their corrections
        self._rows: list[NDArray[np.float32]] = []
        self._clear()

    def start(self, picture: Rgb, canonical: Vector, motion: Vector) -> None:
        """Begin a segment.

        Args:
            picture: the key picture as the receiver decodes it, uint8 ``[S, S, 3]``.
            canonical: its keypoints as sent, ``[K, 3]`` half-sides.
            motion: its head as sent, ``[7 + N]``.
        """
        with torch.no_grad():
            features = self._model.appearance(to_network([picture], self._device))
        head = HeadMotion.from_vector(torch.from_numpy(motion)[None].to(self._device))
        self._source = features, torch.from_numpy(canonical).to(self._device), head
        self._clear()

    def push(self, index: int, picture: Rgb, motion: Vector) -> None:
        """The next frame of the segment: original, uint8 ``[S, S, 3]``, and motion as estimated, ``[7 + N]``.

        Only every ``effort.spacing``-th frame is kept. Raises ValueError before any :meth:`start`.
        """
        if self._source is None:
            raise ValueError("a frame before any key picture")
        self._last = (index, picture, motion)
        if self._pushed % self.effort.spacing == 0:
            self._waiting.append(self._last)
        self._pushed += 1
        if len(self._waiting) >= _TOGETHER:
            self._refine()

    def finish(self) -> Correction:
        """The segment's correction."""
        if self._last is not None:
            known = self._waiting[-1][0] if self._waiting else (self._indices[-1] if self._indices else None)
            if known != self._last[0]:
                self._waiting.append(self._last)
            self._refine()
        width = len(self._units)
        rows = np.concatenate(self._rows) if self._rows else np.zeros((0, width), dtype=np.float32)
        correction = Correction(np.array(self._indices, dtype=np.int64), rows)
        self._clear()
        return correction

    def _clear(self) -> None:
        self._pushed = 0
        self._last = None
        self._waiting, self._indices, self._rows = [], [], []
        self._begin = torch.zeros(1, len(self._units), device=self._device)

    def _refine(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        wanted = to_network([picture for _, picture, _ in waiting], self._device)
        estimated = torch.from_numpy(np.stack([motion for _, _, motion in waiting])).to(self._device)
        found = self._search(wanted, estimated)
        self._begin = found.mean(0, keepdim=True)
        self._indices += [index for index, _, _ in waiting]
        self._rows.append((found * self._units).float().cpu().numpy())

    def _search(self, wanted: Tensor, estimated: Tensor) -> Tensor:
        """Corrections [B, 7 + N], in units of the search, with which B frames are drawn more like ``wanted``."""
        assert self._source is not None  # noqa: S101 - for the type checker
        features, canonical, head = self._source
        points = keypoints(canonical, HeadMotion.from_vector(estimated), self._model.expression_basis)
        attention = attention_map(points, self._attended, wanted.shape[-1], gain=_FACE_GAIN)
        found = self._begin.expand(len(wanted), -1).clone().requires_grad_()
        best, least = found.detach().clone(), torch.full((len(wanted),), torch.inf, device=self._device)
        optimiser = torch.optim.Adam([found], lr=self.effort.step, betas=_MOMENTS)
        for _ in range(self.effort.iterations):
            motion = HeadMotion.from_vector(estimated + found * self._units)
            with self._precision():
                drawn = self._model.render(features, canonical, head, motion)
            error = drawn.float() - wanted
            loss = (attention * (error.abs() + _SQUARED * error.square())).mean((1, 2, 3))
            better = loss.detach() < least  # the steps are of one length wherever they lead: some lead away
            best[better], least[better] = found.detach()[better], loss.detach()[better]
            (found.grad,) = torch.autograd.grad(loss.sum(), [found])
            torch.nan_to_num_(found.grad)
            optimiser.step()
            optimiser.param_groups[0]["lr"] *= self.effort.decay
        return best

    def _precision(self) -> AbstractContextManager[Any]:
        rounded = self._device.type != "cpu" or has_fast_bfloat16()
        return torch.autocast(self._device.type, torch.bfloat16) if rounded else nullcontext()
