"""One training step's forward pass and its losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nvc.models.attention import attention_map
from nvc.models.model import Model
from nvc.pose import HeadMotion, keypoints
from nvc.training.data import Batch
from nvc.training.losses import keypoint_loss, perceptual_distance, pixel_loss
from nvc.training.recipe import Stage
from nvc.training.state import TZ

_ATTENDED = 26  # mouth and eyes come first among the keypoints
_EXPRESSION_NOISE = 0.25  # expression is quantised this much finer than pose


class ForwardPass(nn.Module):
    """The forward pass of training as one module, so that DistributedDataParallel can wrap it."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, stage: Stage, use_labels: bool) -> dict[str, Tensor]:
        """Predictions of a batch.

        Returns:
            Where the stage estimates, ``estimated`` [B + B T, 7 + N], ``x_c`` [B, K, 3] and, if the model looks
            for keypoints, ``positions`` [B + B T, K, 2]; where it draws,
            ``picture`` and ``copied`` [B T, 3, S, S].
        """
        model, sources = self.model, len(batch.source)
        out: dict[str, Tensor] = {}
        if stage.estimates:
            # The sender sees the original, the receiver the decoded key picture.
            sight = model.estimator.trunk(torch.cat([batch.clean, batch.driving]))
            estimated = model.estimator.motion_of(sight)
            out |= {"estimated": estimated.vector(), "x_c": model.estimator.canonical_of(sight[:sources])}
            if sight.positions is not None:
                out["positions"] = sight.positions
        if stage.draws:
            if use_labels:
                source_motion, motion, x_c = batch.source_motion, batch.motion, batch.x_c
            else:
                source_motion, motion, x_c = estimated[:sources], estimated[sources:], out["x_c"]
            per_source = len(batch.driving) // sources
            features = model.appearance(batch.source).repeat(per_source)
            source_motion = HeadMotion.from_vector(source_motion.vector().repeat_interleave(per_source, 0))
            x_c = x_c.repeat_interleave(per_source, 0)
            motion = _with_noise(motion, stage.motion_noise)
            out["picture"], out["copied"], _ = model.draw(features, x_c, source_motion, motion)
        return out


def _with_noise(motion: HeadMotion, size: float) -> HeadMotion:
    """Motion as after quantisation: uniform noise of one step, none on t_z."""
    vector = motion.vector()
    scale = torch.full((vector.shape[1],), size * _EXPRESSION_NOISE, device=vector.device)
    scale[:7] = size
    scale[TZ] = 0.0
    return HeadMotion.from_vector(vector + (torch.rand_like(vector) - 0.5) * scale)


def loss_terms(
    out: dict[str, Tensor], batch: Batch, stage: Stage, basis: Tensor, features: Callable[[Tensor], list[Tensor]]
) -> dict[str, Tensor]:
    """The weighted terms of the loss, without the adversarial ones."""
    per_source = len(batch.driving) // len(batch.source)
    shape = batch.x_c.repeat_interleave(per_source, 0)
    terms = _motion_terms(out, batch, stage, shape, basis) if stage.estimates else {}
    if stage.draws:
        attention = attention_map(keypoints(shape, batch.motion, basis), _ATTENDED, batch.driving.shape[-1])
        with torch.no_grad():
            target = features(batch.driving)
        terms["pixel"] = stage.pixel * pixel_loss(out["picture"], batch.driving, attention)
        terms["perceptual"] = stage.perceptual * perceptual_distance(
            features(out["picture"]), target, 1 + (attention - 1) / 3
        )
        terms["copied"] = stage.copied * pixel_loss(out["copied"], batch.driving, attention)
    return terms


def _motion_terms(
    out: dict[str, Tensor], batch: Batch, stage: Stage, shape: Tensor, basis: Tensor
) -> dict[str, Tensor]:
    sources = len(batch.source)
    per_source = len(batch.driving) // sources
    label = torch.cat([batch.source_motion.vector(), batch.motion.vector()])
    everyone = torch.cat([batch.x_c, shape])
    estimated = HeadMotion.from_vector(out["estimated"])
    wanted = HeadMotion.from_vector(label)
    # A bias that lasts over a clip moves nothing; what counts is the difference to the key picture.
    change = out["estimated"][sources:] - out["estimated"][:sources].repeat_interleave(per_source, 0)
    true_change = label[sources:] - label[:sources].repeat_interleave(per_source, 0)
    moved = HeadMotion.from_vector(label[sources:] + change - true_change)
    terms = {
        "keypoint": stage.keypoint * keypoint_loss(estimated, wanted, everyone, basis, attended=_ATTENDED),
        "canonical": stage.canonical * (out["x_c"] - batch.x_c).abs().mean() * 10,
        "steady": stage.steady * keypoint_loss(moved, wanted[sources:], shape, basis, attended=_ATTENDED),
    }
    if "positions" in out:
        places = keypoints(everyone, wanted, basis)[..., :2]
        terms["position"] = stage.keypoint * (out["positions"] - places).square().sum(-1).add(1e-8).sqrt().mean()
    return terms
