"""Training of the paper models in the loop: six losses, keypoint dropout, coarse to fine by stages of other sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nvc.models import zoo
from nvc.models.discriminator import DISCRIMINATORS
from nvc.training.data import Batch, PackedClips
from nvc.training.dropout import draw_kept
from nvc.training.paper import PaperParts, PaperPrediction, paper_terms
from nvc.training.paper_losses import PerceptualLoss
from nvc.training.random_warp import RandomWarp
from nvc.training.recipe import Recipe, Stage
from nvc.training.state import JudgePlan, TrainingState
from nvc.training.task import Outcome

BETAS = (0.5, 0.999)
"""Of Adam, for both players (paper, section 4)."""


def paper_state(recipe: Recipe, device: str, estimators: Sequence[str]) -> TrainingState:
    """First state of a paper or prior model: Adam as in the paper, the patch discriminator of its preset.

    Args:
        recipe: names the preset.
        device: to put the weights on.
        estimators: names of the parts that look at driving frames; they may have a learning rate of their own.
    """
    torch.manual_seed(recipe.seed)
    model = zoo.build(recipe.model)
    average = zoo.build(recipe.model)
    average.load_state_dict(model.state_dict())
    model.to(device)
    average.to(device).eval().requires_grad_(False)
    looking = [p for name in estimators for p in model.get_submodule(name).parameters()]
    chosen = {id(p) for p in looking}
    drawing = [p for p in model.parameters() if id(p) not in chosen]
    groups = [{"params": drawing, "part": "drawing"}, {"params": looking, "part": "estimator"}]
    optimiser = torch.optim.Adam(groups, lr=1e-4, betas=BETAS)
    config = DISCRIMINATORS.get(recipe.model, DISCRIMINATORS["paper-256"])
    return TrainingState(model, average, optimiser, JudgePlan(config, BETAS, weight_decay=0.0))


class PaperTask:
    """face-vid2vid. Labels give nothing but the three angles, which the paper takes from a pose network."""

    def __init__(self, perceptual: PerceptualLoss) -> None:
        self.perceptual = perceptual

    def start(self, recipe: Recipe, data: PackedClips, device: str) -> TrainingState:
        """As of `nvc.training.task.Task`."""
        self.perceptual.to(device)
        return paper_state(recipe, device, ("detector", "estimator"))

    def forward_pass(self, model: Any) -> nn.Module:
        """As of `nvc.training.task.Task`."""
        return PaperParts(model)

    def predict(self, forward: nn.Module, state: TrainingState, batch: Batch, stage: Stage) -> Outcome:
        """As of `nvc.training.task.Task`."""
        heads, keypoints = len(batch.driving), state.model.config.keypoints
        out: PaperPrediction = forward(
            each(batch.source, heads),
            each(batch.clean, heads),
            batch.driving,
            warp=RandomWarp.draw(heads).to(batch.driving.device),
            kept=draw_kept(heads, keypoints, most_dropped=stage.most_dropped).to(batch.driving.device),
        )
        return Outcome(paper_terms(out, batch.driving, batch.motion.angles, self.perceptual), out.picture)

    def estimators(self, model: Any) -> Sequence[nn.Module]:
        """As of `nvc.training.task.Task`."""
        return [model.detector, model.estimator]


def each(sources: Tensor, heads: int) -> Tensor:
    """What belongs to B sources, once for each of their driving heads, [heads, ...]."""
    return sources.repeat_interleave(heads // len(sources), 0)
