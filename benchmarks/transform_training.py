"""Training of the variants of `benchmarks.transform_variants` in the ordinary loop, the same losses on pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.transform_variants import (
    Seen,
    UnsupervisedModel,
    Variant,
    build,
    draw_prior,
    draw_unsupervised,
    prior_drops,
)
from nvc.models.attention import attention_map
from nvc.models.layers import channels_last
from nvc.models.model import Model
from nvc.pose import HeadMotion, keypoints
from nvc.training.backbone import load_backbone
from nvc.training.data import Batch, PackedClips
from nvc.training.dropout import draw_kept, hold_tail
from nvc.training.loop import Trainer
from nvc.training.losses import SqueezeFeatures, perceptual_distance, pixel_loss
from nvc.training.paper_losses import deformation_loss, equivariance_loss, head_pose_loss, keypoint_prior_loss
from nvc.training.paper_task import each
from nvc.training.prior import LANDMARK_INDEX
from nvc.training.random_warp import RandomWarp
from nvc.training.recipe import Recipe, Stage
from nvc.training.state import TrainingState, parameter_groups
from nvc.training.task import Outcome
from nvc.training.vgg import VggFeatures

EQUIVARIANCE, KEYPOINT_PRIOR, HEAD_POSE, DEFORMATION = 4.0, 0.2, 0.05, 0.5
"""Weights of the unsupervised variant's own losses: the picture losses here are about a fiftieth of the paper's."""
_ATTENDED = 26  # mouth and eyes come first among the labels' keypoints
Backbone = SqueezeFeatures | VggFeatures


def recipe(steps: int = 1_000_000) -> Recipe:
    """The same for both: whichever ends first, steps or minutes."""
    stage = Stage(side=128, steps=steps, sources=4, targets=2, learning_rate=1e-3)
    return Recipe(model="variant", stages=(stage,), ema=0.985, checkpoint_minutes=2)


class VariantPass(nn.Module):
    """The forward pass of either variant."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """``picture`` and ``copied`` [B T, 3, S, S], and what the unsupervised variant's own losses need."""
        if isinstance(self.model, UnsupervisedModel):
            return self._unsupervised(self.model, batch, stage)
        return self._prior(batch, stage)

    def _prior(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        heads = len(batch.driving)
        features = self.model.appearance(batch.source).repeat(heads // len(batch.source))
        still = HeadMotion.from_vector(each(batch.source_motion.vector(), heads))
        driving = prior_drops(batch.motion, still, self.model.expression_basis, most_dropped=stage.most_dropped)
        x_c = each(batch.x_c[:, list(LANDMARK_INDEX)], heads)
        picture, copied = draw_prior(self.model, features, x_c, still, driving)
        return {"picture": picture, "copied": copied}

    def _unsupervised(self, model: UnsupervisedModel, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        sources, heads = len(batch.source), len(batch.driving)
        warp = RandomWarp.draw(heads).to(batch.driving.device)
        seen = model.see(torch.cat([batch.clean, batch.driving, warp.pictures(batch.driving)]))
        source, driven, warped = (
            Seen(*parts)
            for parts in zip(
                *(f.split([sources, heads, heads]) for f in (seen.angles, seen.places, seen.depths)), strict=True
            )
        )
        x_c = each(model.canonical_of(source), heads)
        still = HeadMotion.from_vector(each(model.source_motion(source).vector(), heads))
        motion = model.motion_to(x_c, driven)
        kept = draw_kept(heads, model.config.keypoints, most_dropped=stage.most_dropped).to(batch.driving.device)
        features = model.appearance(batch.source).repeat(heads // sources)
        picture, copied = draw_unsupervised(model, features, x_c, still, hold_tail(motion, still, kept, group=3))
        return {
            "picture": picture,
            "copied": copied,
            "points": keypoints(x_c, motion, model.deform_basis()),
            "returned": warp.points(warped.places),
            "angles": torch.cat([source.angles, driven.angles]),
            "delta": motion.expression,
        }


class VariantTask:
    """One of the variants, as a `nvc.training.task.Task`."""

    def __init__(self, variant: Variant, backbone: Backbone) -> None:
        self.variant, self.backbone = variant, backbone
        self.basis = torch.zeros(0)  # of the labels; start sets it

    def start(self, recipe: Recipe, data: PackedClips, device: str) -> TrainingState:
        """As of `Task`."""
        torch.manual_seed(recipe.seed)
        model = build(self.variant)
        if self.variant is Variant.PRIOR:
            index = list(LANDMARK_INDEX)
            model.expression_basis.copy_(data.shape.basis[:, index])
            model.mean_keypoints.copy_(data.shape.mean_keypoints[index])
        average = build(self.variant)
        average.load_state_dict(model.state_dict())
        model.to(device)
        self.backbone.to(device)
        self.basis = data.shape.basis.to(device)
        average.to(device).eval().requires_grad_(False)
        channels_last(model)
        optimiser = torch.optim.AdamW(
            parameter_groups(model), lr=1e-4, betas=(0.9, 0.99), weight_decay=recipe.weight_decay
        )
        return TrainingState(model, average, optimiser)

    def forward_pass(self, model: Any) -> nn.Module:
        """As of `Task`."""
        return VariantPass(model)

    def predict(self, forward: nn.Module, state: TrainingState, batch: Batch, stage: Stage) -> Outcome:
        """As of `Task`."""
        out = forward(batch, stage)
        terms = self._picture_terms(out, batch, stage)
        if "delta" in out:
            angles = torch.cat([batch.source_motion.angles, batch.motion.angles])
            terms |= {
                "equivariance": EQUIVARIANCE * equivariance_loss(out["points"], out["returned"]),
                "keypoint_prior": KEYPOINT_PRIOR * keypoint_prior_loss(out["points"]),
                "head_pose": HEAD_POSE * head_pose_loss(out["angles"], angles),
                "deformation": DEFORMATION * deformation_loss(out["delta"]),
            }
        return Outcome(terms, out["picture"])

    def _picture_terms(self, out: dict[str, Tensor], batch: Batch, stage: Stage) -> dict[str, Tensor]:
        # Mouth and eyes are told by labels, for both variants alike.
        shape = each(batch.x_c, len(batch.driving))
        attention = attention_map(keypoints(shape, batch.motion, self.basis), _ATTENDED, stage.side)
        with torch.no_grad():
            target = self.backbone(_half(batch.driving))  # at half size: it would be half of the cost
        return {
            "pixel": stage.pixel * pixel_loss(out["picture"], batch.driving, attention),
            "perceptual": stage.perceptual * perceptual_distance(self.backbone(_half(out["picture"])), target),
            "copied": stage.copied * pixel_loss(out["copied"], batch.driving, attention),
        }

    def estimators(self, model: Any) -> Sequence[nn.Module]:
        """As of `Task`."""
        return [model.estimator]


def _half(pictures: Tensor) -> Tensor:
    return F.avg_pool2d(pictures, 2)


def train(
    variant: Variant, *, pack: Path, face: Path, perceptual_weights: Path, out: Path, minutes: float, steps: int
) -> TrainingState:
    """Train one variant for ``minutes``, or ``steps`` if they end first; resumes from ``out``."""
    with np.load(face) as arrays:
        mean = torch.from_numpy(arrays["mean"].astype(np.float32))
    data = PackedClips(pack, mean=mean)
    trainer = Trainer(recipe(steps), data, VariantTask(variant, load_backbone(perceptual_weights)), out)
    torch.save(vars(data.shape), out / "shape.pt")
    before, stage = time.process_time(), recipe(steps).stages[0]
    state = trainer.run(max_minutes=minutes)
    spent_in = out / "spent.json"
    earlier = json.loads(spent_in.read_text())["cpu_minutes"] if spent_in.exists() else 0.0
    cpu = earlier + (time.process_time() - before) / 60
    spent = {"steps": state.step, "pictures": state.step * stage.sources * stage.targets, "minutes": state.seconds / 60}
    spent_in.write_text(json.dumps(spent | {"cpu_minutes": cpu}))
    return state
