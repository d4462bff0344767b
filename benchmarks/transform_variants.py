"""Two variants of the lite model, alike but for what moves them, to compare what a stream should carry.

* *unsupervised* (face-vid2vid): K = 20 keypoints found by heat maps without labels. A frame carries the pose and a
  deformation of every keypoint (expression transform 0); the last keypoints may be left out.
* *prior* (semantic prior): 16 landmarks of a face model and its expression code, which also steers the generator. A
  frame carries the pose and either the code alone, from which the receiver rebuilds the landmarks (transform 1), or
  code and landmarks, each as far as wanted, as in the paper.

Both draw with the lite model's F, M and G, half as wide, at 128 pixels. Poses are those of the labels (prior) or
learned from their angles (unsupervised), as each paper has them from a network of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.models.appearance import SourceFeatures
from nvc.models.config import ModelConfig
from nvc.models.layers import pixel_grid
from nvc.models.model import Model
from nvc.models.motion_estimator import KeypointFinder, Sight
from nvc.pose import HeadMotion, euler_to_matrix, keypoints
from nvc.training.dropout import draw_kept, hold_tail
from nvc.training.prior import LANDMARK_INDEX

SIDE = 128
_ANCHOR_WIDTH = 0.3  # half-sides: how far from its first place a keypoint looks at first
_TEMPERATURE = 0.1
_FACE = (0.55, 0.7, -0.05)  # half axes and middle, in y, of the ellipse over which keypoints are spread at first
_MEAN_DEPTH, _DOME = 0.33, 0.4


class Variant(Enum):
    """Which of the two."""

    UNSUPERVISED = "unsupervised"
    PRIOR = "prior"


_HALF_WIDE = ModelConfig(
    name="half-wide",
    side=SIDE,
    channels=(8, 16, 32, 64),
    volume_channels=8,
    motion_channels=32,
    estimator_channels=(8, 16, 32, 64, 96),
    code_size=64,
    embedding=128,
)
CONFIGS = {
    Variant.UNSUPERVISED: replace(_HALF_WIDE, name="unsupervised-128", keypoints=20, expression=0),
    Variant.PRIOR: replace(_HALF_WIDE, name="prior-128", keypoints=len(LANDMARK_INDEX), expression=32, localise=False),
}


def anchors(count: int) -> Tensor:
    """First places of keypoints [count, 3]: a sunflower over an ellipse, on a dome of the paper's mean depth."""
    order = torch.arange(count) + 0.5
    radius, angle = (order / count).sqrt(), order * (math.pi * (3 - math.sqrt(5)))
    z = _MEAN_DEPTH + _DOME * (radius.square() - radius.square().mean())
    spread = torch.stack([_FACE[0] * radius * angle.cos(), _FACE[1] * radius * angle.sin() + _FACE[2], z], 1)
    # A dropped tail should leave gaps everywhere and not a hole at the rim.
    stride = next(s for s in range(max(2, count // 3), count + 2) if math.gcd(s, count) == 1)
    return spread[torch.arange(count) * stride % count]


class AnchoredFinder(KeypointFinder):
    """A `KeypointFinder` whose heat maps start as spots around :func:`anchors`: without labels nothing else tells
    the keypoints apart at first."""

    anchor: Tensor

    def __init__(self, channels: tuple[int, int, int], count: int) -> None:
        super().__init__(channels, count)
        self.register_buffer("anchor", anchors(count)[:, :2])
        nn.init.normal_(self.heat.weight, std=1e-3)  # every keypoint starts at its own place

    def forward(self, shallow: Tensor, middle: Tensor, deep: Tensor) -> Tensor:
        """As of `KeypointFinder`."""
        size = shallow.shape[-1]
        x = shallow + _resized(self.from_middle(middle), size) + _resized(self.from_deep(deep), size)
        logits = self.heat(self.fuse(x)).float().flatten(2) / _TEMPERATURE
        grid = pixel_grid(size, size, logits).flatten(0, 1)
        offset = (grid[None] - self.anchor[:, None]).square().sum(-1)
        heat = torch.softmax(logits - offset / (2 * _ANCHOR_WIDTH**2), dim=2)
        return torch.stack([(heat * grid[:, 0]).sum(2), (heat * grid[:, 1]).sum(2)], 2)


def _resized(x: Tensor, size: int) -> Tensor:
    return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Seen:
    """What the unsupervised variant sees in B pictures: angles [B, 3], places [B, K, 2], depths [B, K]."""

    angles: Tensor
    places: Tensor
    depths: Tensor


class UnsupervisedModel(Model):
    """The lite model with keypoints of its own choice."""

    def __init__(self) -> None:
        config = CONFIGS[Variant.UNSUPERVISED]
        super().__init__(config)
        e3, e4, e5 = config.estimator_channels[2:]
        self.estimator.finder = AnchoredFinder((e3, e4, e5), config.keypoints)
        self.estimator.mean_keypoints.copy_(anchors(config.keypoints))

    def see(self, pictures: Tensor) -> Seen:
        """Angles and keypoints of pictures [B, 3, S, S], 0 to 1."""
        sight: Sight = self.estimator.trunk(pictures)
        if sight.positions is None:
            raise ValueError("the estimator looks for no keypoints")
        depths = self.estimator.canonical_of(sight)[..., 2]
        return Seen(self.estimator.motion_of(sight).angles, sight.positions, depths)

    def canonical_of(self, seen: Seen) -> Tensor:
        """x_c [B, K, 3] of source pictures: where their keypoints are, turned back; their own deformation is zero."""
        placed = torch.cat([seen.places - seen.places.mean(1, keepdim=True), seen.depths[..., None]], 2)
        return placed @ euler_to_matrix(seen.angles)

    def source_motion(self, seen: Seen) -> HeadMotion:
        """Motion of the sources themselves: :func:`nvc.pose.keypoints` of it are their places."""
        return _motion(seen.angles, seen.places.mean(1), torch.zeros_like(seen.places[..., :1]).expand(-1, -1, 3))

    def motion_to(self, x_c: Tensor, seen: Seen) -> HeadMotion:
        """The motion that takes sources' keypoints x_c [B, K, 3] to the places that are seen in driving pictures.

        The deformation is the smallest that does: it lies in the plane of the picture, less its mean, which is t.
        """
        rotation = euler_to_matrix(seen.angles)
        rest = seen.places - (x_c @ rotation.transpose(1, 2))[..., :2]
        shift = rest.mean(1)
        return _motion(seen.angles, shift, F.pad(rest - shift[:, None], (0, 1)) @ rotation)

    def deform_basis(self) -> Tensor:
        """[3 K, K, 3]: number 3 k + c moves keypoint k along axis c."""
        count = self.config.keypoints
        return torch.eye(3 * count, device=self.expression_basis.device).unflatten(1, (count, 3))


def _motion(angles: Tensor, shift: Tensor, deformation: Tensor) -> HeadMotion:
    return HeadMotion(angles, F.pad(shift, (0, 1)), torch.zeros_like(angles[:, :1]), deformation.flatten(1))


def draw(
    model: Model,
    features: SourceFeatures,
    x_s: Tensor,
    x_d: Tensor,
    still: HeadMotion,
    motion: HeadMotion,
    code: Tensor,
) -> tuple[Tensor, Tensor]:
    """Pictures and warped key pictures, each [B, 3, S, S], of heads whose keypoints are known.

    Args:
        model: M and G.
        features: of B sources.
        x_s, x_d: keypoints [B, K, 3] of sources and driving heads.
        still, motion: their poses.
        code: [B, 2 N], driving expression code and its difference to the source's.
    """
    field = model.dense_motion(features, x_s, x_d, still, motion)
    picture, copied = model.generator(features, field, torch.cat([code, motion.angles, still.angles], 1))
    return picture, copied


def draw_unsupervised(
    model: UnsupervisedModel, features: SourceFeatures, x_c: Tensor, still: HeadMotion, motion: HeadMotion
) -> tuple[Tensor, Tensor]:
    """As :func:`draw`, of motion whose expression numbers are deformations [B, 3 K]."""
    basis = model.deform_basis()
    none = motion.angles[:, :0]
    return draw(model, features, keypoints(x_c, still, basis), keypoints(x_c, motion, basis), still, motion, none)


@dataclass(frozen=True)
class PriorMotion:
    """What arrives of B heads: pose and code as of `HeadMotion`, landmark deformations [B, K, 3]."""

    motion: HeadMotion
    deformations: Tensor


def rebuilt(motion: HeadMotion, basis: Tensor) -> PriorMotion:
    """Landmarks rebuilt from the code, as much of it as there is (transform 1)."""
    return PriorMotion(motion, torch.einsum("bn,nkc->bkc", motion.expression, basis))


def arrived(motion: HeadMotion, still: HeadMotion, basis: Tensor, numbers: Tensor, landmarks: Tensor) -> PriorMotion:
    """The first ``numbers`` [B] of the code and ``landmarks`` [B] deformations; the rest are held at the source's."""
    held = torch.einsum("bn,nkc->bkc", still.expression, basis)
    sent = torch.einsum("bn,nkc->bkc", motion.expression, basis)
    here = torch.arange(basis.shape[1], device=landmarks.device)[None] < landmarks[:, None]
    return PriorMotion(hold_tail(motion, still, numbers), torch.where(here[..., None], sent, held))


def draw_prior(
    model: Model, features: SourceFeatures, x_c: Tensor, still: HeadMotion, driving: PriorMotion
) -> tuple[Tensor, Tensor]:
    """As :func:`draw`, of landmarks and code."""
    motion, basis = driving.motion, model.expression_basis
    code = torch.cat([motion.expression, motion.expression - still.expression], 1)
    x_d = keypoints(x_c + driving.deformations, _rigid(motion), basis)
    return draw(model, features, keypoints(x_c, still, basis), x_d, still, motion, code)


def _rigid(motion: HeadMotion) -> HeadMotion:
    return HeadMotion(motion.angles, motion.translation, motion.log2_scale, motion.expression[:, :0])


def prior_drops(motion: HeadMotion, still: HeadMotion, basis: Tensor, *, most_dropped: float) -> PriorMotion:
    """Random dropout for training: half of the heads as :func:`rebuilt` from a cut code, half as :func:`arrived`."""
    heads, device = len(motion.angles), motion.angles.device
    numbers = draw_kept(heads, basis.shape[0], most_dropped=most_dropped).to(device)
    landmarks = draw_kept(heads, basis.shape[1], most_dropped=most_dropped).to(device)
    sent = arrived(motion, still, basis, numbers, landmarks)
    from_code = rebuilt(sent.motion, basis)
    coin = (torch.rand(heads, device=device) < 0.5)[:, None, None]
    return PriorMotion(sent.motion, torch.where(coin, from_code.deformations, sent.deformations))


def build(variant: Variant) -> Model:
    """A fresh model."""
    return UnsupervisedModel() if variant is Variant.UNSUPERVISED else Model(CONFIGS[variant])


def drawing_parts(model: Any) -> Sequence[nn.Module]:
    """F, M and G."""
    return [model.source, model.dense_motion, model.generator]
