"""Training of the prior model in the loop: stages that teach the face model, then stages that draw with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nvc.models.prior import PriorModel
from nvc.models.prior_face import LinearFace
from nvc.pose import HeadMotion
from nvc.training.data import Batch, PackedClips
from nvc.training.dropout import draw_kept
from nvc.training.paper_losses import PerceptualLoss
from nvc.training.paper_task import each, paper_state
from nvc.training.prior import LANDMARK_INDEX, PriorParts, face_terms, prior_terms, take_shape
from nvc.training.recipe import Recipe, Stage
from nvc.training.state import TZ, TrainingState
from nvc.training.task import Outcome, uses_labels


class PriorPass(nn.Module):
    """The forward passes of both kinds of stages as one module, so that DistributedDataParallel can wrap it."""

    def __init__(self, model: PriorModel) -> None:
        super().__init__()
        self.model = model
        self.parts = PriorParts(model)

    def forward(self, batch: Batch, *, draws: bool, use_labels: bool, kept: Tensor) -> dict[str, Tensor] | Tensor:
        """Losses of the face model on a batch, or drawn pictures of its driving frames.

        Args:
            batch: with labels for all keypoints of `nvc.training.labels`.
            draws: which of the two.
            use_labels: whether labels drive, or the face model as it is.
            kept: [B T] how many expression numbers arrive.
        """
        x_c = batch.x_c[:, list(LANDMARK_INDEX)]
        heads = len(batch.driving)
        if not draws:
            pictures = torch.cat([batch.clean, batch.driving])
            motion = torch.cat([batch.source_motion.vector(), batch.motion.vector()])
            shapes = torch.cat([x_c, each(x_c, heads)])
            return face_terms(self._face(), pictures, HeadMotion.from_vector(motion), shapes)
        still, motion = batch.source_motion.vector(), batch.motion.vector()
        if not use_labels:
            x_c, still, motion = self._seen(batch)
        return self.parts(
            each(batch.source, heads),
            each(x_c, heads),
            HeadMotion.from_vector(each(still, heads)),
            HeadMotion.from_vector(motion),
            kept=kept,
        )

    def _face(self) -> LinearFace:
        if not isinstance(self.model.face, LinearFace):
            raise ValueError("only the linear face model is trained here; another one comes trained")
        return self.model.face

    @torch.no_grad()
    def _seen(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        face = self.model.face
        if isinstance(face, nn.Module):
            face.eval()  # the loop will set the mode that it wants before the next step
        source, driven = face.fit(batch.clean), face.fit(batch.driving)
        return source.identity, source.motion.vector(), driven.motion.vector()


class PriorTask:
    """The semantic-prior system: no keypoint regularisers, and no gradient to the face model from what is drawn."""

    def __init__(self, perceptual: PerceptualLoss) -> None:
        self.perceptual = perceptual

    def start(self, recipe: Recipe, data: PackedClips, device: str) -> TrainingState:
        """As of `nvc.training.task.Task`. The linear face takes the labels' mean, basis and statistics."""
        self.perceptual.to(device)
        state = paper_state(recipe, device, ("face",))
        vectors = data.labels[0].vector
        seen = [i for i in range(vectors.shape[1]) if i != TZ]
        for model in (state.model, state.average):
            if isinstance(model.face, LinearFace):
                take_shape(model.face, data.shape)
                with torch.no_grad():
                    model.face.estimator.motion_mean.copy_(vectors.mean(0)[seen])
                    model.face.estimator.motion_std.copy_(vectors.std(0)[seen])
        return state

    def forward_pass(self, model: Any) -> nn.Module:
        """As of `nvc.training.task.Task`."""
        return PriorPass(model)

    def predict(self, forward: nn.Module, state: TrainingState, batch: Batch, stage: Stage) -> Outcome:
        """As of `nvc.training.task.Task`."""
        numbers = state.model.config.expression
        kept = draw_kept(len(batch.driving), numbers, most_dropped=stage.most_dropped).to(batch.driving.device)
        out: dict[str, Tensor] | Tensor = forward(
            batch, draws=stage.draws, use_labels=uses_labels(stage, state.step), kept=kept
        )
        if isinstance(out, dict):
            weights = {"keypoint": stage.keypoint, "canonical": 10 * stage.canonical}
            return Outcome({name: weights[name] * term for name, term in out.items()}, None)
        return Outcome(prior_terms(out, batch.driving, self.perceptual), out)

    def estimators(self, model: Any) -> Sequence[nn.Module]:
        """As of `nvc.training.task.Task`."""
        return [model.face] if isinstance(model.face, nn.Module) else []
