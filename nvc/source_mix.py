"""Several key pictures at once: which of them serves each part of a driving face, and how one gives way to another.

The network draws from one source. Two drawings of the same driving head lie on top of each other, so they can be
mixed pixel by pixel: each keypoint says how well a source knows it (turned away, another expression, another size),
and speaks for the pixels around it by the same kernel that the motion field begins from. So a source whose mouth is
open serves open mouths while another one serves the eyes. The weights of keypoints change by a bounded step a frame,
a source that has just come begins with none, and so nothing jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nvc.drawing import Drawer, Picture
from nvc.models.interface import CodecModel
from nvc.models.layers import pixel_grid
from nvc.pose import HeadMotion, deformation, euler_to_matrix, keypoints

# What makes a source as bad as another by one unit: degrees of turn, octaves of size, half-sides of expression.
_TURN, _ZOOM, _EXPRESSION = 12.0, 0.5, 0.04
_HIDDEN = 2.0  # for a keypoint that faces the camera and turned its back to it in the source
_TEMPERATURE = 0.15
_WORTH = 0.25  # mean cost that a second source must save to be drawn
_KERNEL = 0.12  # of a keypoint's say, half-sides
_BACKGROUND = 0.02  # say of the whole head where no keypoint is near
_GRID = 64
_STEP_SHARE, _LEAST_STEP, _MOST_STEP = 0.2, 1 / 32, 1 / 4  # of what a frame changes anyway; of a weight
_MEMORY = 0.9


@dataclass(frozen=True, eq=False)
class HeldSource:
    """A key picture that can be drawn from: what the drawer made of it, keypoints [K, 3], its head."""

    prepared: Any
    x_c: Tensor
    motion: HeadMotion


@dataclass(eq=False)
class _Active:
    source: HeldSource
    weights: NDArray[np.float32]  # [K + 1], of every keypoint and of the rest of the picture


class SourceMixer:
    """Draws heads from up to four sources, at most two of them in one frame."""

    def __init__(self, model: CodecModel, drawer: Drawer) -> None:
        self._model = model
        self._drawer = drawer
        self._active: list[_Active] = []
        self._last: Picture | None = None
        self._usual = 0.0  # mean change from frame to frame, levels
        self._apart: float | None = None  # mean difference of the two drawings
        self.drawings = 0  #: pictures that the network has drawn

    def cut(self) -> None:
        """What comes next has nothing to do with what was: begin with the best source at once."""
        self._active, self._last, self._usual, self._apart = [], None, 0.0, None

    def pictures(self, motion: HeadMotion, sources: Sequence[HeldSource]) -> list[Picture]:
        """Draw B heads from the sources named for them (1 to 4): uint8 [3, S, S] each."""
        if len(sources) == 1 and [a.source for a in self._active] == list(sources):
            return self._alone(motion)
        costs = torch.stack([source_costs(s, motion, self._model.expression_basis) for s in sources]).numpy()
        drawn: list[Picture] = []
        start = 0
        for index in range(motion.angles.shape[0]):
            wanted = [sources[i] for i in _wanted(costs[:, index])]
            if [a.source for a in self._active] == wanted and len(wanted) == 1:
                continue  # as before: drawn together with its like
            drawn += self._alone(motion[start:index])
            self._move(wanted, {id(s): costs[i, index] for i, s in enumerate(sources)})
            if len(self._active) > 1:
                drawn.append(self._mixed(motion[index : index + 1]))
                start = index + 1
            else:
                start = index
        return drawn + self._alone(motion[start:])

    def _alone(self, motion: HeadMotion) -> list[Picture]:
        if not motion.angles.shape[0]:
            return []
        pictures = list(self._drawer.draw(self._active[0].source.prepared, motion))
        self.drawings += len(pictures)
        for picture in pictures:
            self._shown(picture)
        return pictures

    def _mixed(self, motion: HeadMotion) -> Picture:
        first, second = self._active
        under, over = (next(iter(self._drawer.draw(a.source.prepared, motion))) for a in (first, second))
        self.drawings += 2
        share = weight_map(second.weights, keypoints(first.source.x_c, motion, self._model.expression_basis)[0])
        share = F.interpolate(share[None, None], size=under.shape[1:], mode="bilinear", align_corners=False)[0]
        change = over.astype(np.float32) - under
        self._apart = float(np.abs(change).mean())
        mixed = (under + share.numpy() * change).round().clip(0, 255).astype(np.uint8)
        self._shown(mixed)
        return mixed

    def _shown(self, picture: Picture) -> None:
        if self._last is not None:
            change = float(np.abs(picture.astype(np.int16) - self._last).mean())
            self._usual = change if not self._usual else _MEMORY * self._usual + (1 - _MEMORY) * change
        self._last = picture

    def _move(self, wanted: list[HeldSource], costs: dict[int, NDArray[np.float32]]) -> None:
        """Let the weights of the active sources take one step towards the wanted ones."""
        size = self._model.mean_keypoints.shape[0] + 1
        if not self._active:
            self._active = [_Active(wanted[0], np.ones(size, np.float32))]
        for source in wanted:
            if len(self._active) < 2 and all(a.source is not source for a in self._active):
                self._active.append(_Active(source, np.zeros(size, np.float32)))
                self._apart = None
        staying = [a for a in self._active if any(a.source is s for s in wanted)] or self._active[-1:]
        goals = _shares([costs[id(a.source)] for a in staying]) if len(staying) > 1 else [np.ones(size, np.float32)]
        step = self._step()
        for active in self._active:
            place = next((i for i, a in enumerate(staying) if a is active), None)
            goal = np.zeros(size, np.float32) if place is None else goals[place]
            active.weights = active.weights + np.clip(goal - active.weights, -step, step).astype(np.float32)
        total = np.maximum(sum(a.weights for a in self._active), 1e-6)
        for active in self._active:
            active.weights = (active.weights / total).astype(np.float32)
        self._active = [a for a in self._active if a.weights.max() > 1e-3 or a in staying]

    def _step(self) -> float:
        """How far weights may go in a frame: so far that it adds little to what changes anyway."""
        if not self._apart or not self._usual:
            return _LEAST_STEP
        return float(np.clip(_STEP_SHARE * self._usual / self._apart, _LEAST_STEP, _MOST_STEP))


def source_costs(source: HeldSource, motion: HeadMotion, basis: Tensor) -> Tensor:
    """How badly a source knows each keypoint of B driving heads: [B, K + 1], the last for the rest of the picture."""
    still = source.motion
    turn_d, turn_s = euler_to_matrix(motion.angles), euler_to_matrix(still.angles)
    cosine = ((turn_d * turn_s).sum((1, 2)) - 1) / 2
    turned = torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))[:, None] / _TURN
    zoomed = (motion.log2_scale - still.log2_scale).abs() / _ZOOM
    moved = deformation(motion.expression - still.expression, basis).norm(dim=2) / _EXPRESSION
    outward = F.normalize(source.x_c - source.x_c.mean(0), dim=1)  # the depth of it says how much a point faces us
    facing_d, facing_s = (-(outward @ turn.transpose(1, 2))[..., 2] for turn in (turn_d, turn_s))
    hidden = _HIDDEN * torch.relu(facing_d - facing_s.clamp(min=0))
    known = turned + zoomed + moved + hidden
    return torch.cat([known, known.mean(1, keepdim=True)], 1).float().cpu()


def weight_map(weights: NDArray[np.float32], x_d: Tensor) -> Tensor:
    """Weights [K + 1] of keypoints [K, 3] and of the rest, spread over the picture: [64, 64]."""
    grid = pixel_grid(_GRID, _GRID, x_d)
    square = (grid[None] - x_d[:, None, None, :2]).square().sum(-1)
    say = torch.exp(-square / (2 * _KERNEL**2))
    values = torch.from_numpy(weights).to(say)
    return ((say * values[:-1, None, None]).sum(0) + _BACKGROUND * values[-1]) / (say.sum(0) + _BACKGROUND)


def _wanted(costs: NDArray[np.float32]) -> list[int]:
    """Which of S sources to draw from, given their costs [S, K + 1]: the best, and a second one that pays."""
    best = int(costs.mean(1).argmin())
    pairs = list(combinations(range(len(costs)), 2))
    if not pairs:
        return [best]
    together = [float(costs[list(pair)].min(0).mean()) for pair in pairs]
    place = int(np.argmin(together))
    return list(pairs[place]) if float(costs[best].mean()) - together[place] > _WORTH else [best]


def _shares(costs: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Shares of two sources in every keypoint."""
    second = 1 / (1 + np.exp(np.clip((costs[1] - costs[0]) / _TEMPERATURE, -40, 40)))
    return [(1 - second).astype(np.float32), second.astype(np.float32)]
