"""What a training run carries from step to step, and its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from nvc.models.config import PRESETS, ModelConfig
from nvc.models.discriminator import DISCRIMINATORS, DiscriminatorConfig, PatchDiscriminator
from nvc.models.layers import channels_last
from nvc.models.model import Model
from nvc.pose import HeadMotion, keypoints
from nvc.training.augment import Similarity, transform_motion
from nvc.training.data import PackedClips
from nvc.training.recipe import Recipe, Stage

TZ = 5
"""Place of t_z in a motion vector: depth of the head, which nothing in a picture shows."""

_SINGULAR = ("parametrizations.weight.0._u", "parametrizations.weight.0._v")


@dataclass(frozen=True)
class JudgePlan:
    """The discriminator that an adversarial stage trains, and the AdamW that trains it."""

    config: DiscriminatorConfig = DISCRIMINATORS["light"]
    betas: tuple[float, float] = (0.5, 0.99)
    weight_decay: float = 0.01


@dataclass
class TrainingState:
    """All that a checkpoint holds.

    Attributes:
        model: being trained.
        average: moving average of its weights: what is evaluated and shipped.
        optimiser: of the model.
        judge: what the discriminator will be.
        critic, critic_optimiser: the discriminator, once an adversarial stage has begun.
        step: optimiser steps done.
        seconds: spent on them.
    """

    model: Any
    average: Any
    optimiser: torch.optim.Optimizer
    judge: JudgePlan = JudgePlan()
    critic: PatchDiscriminator | None = None
    critic_optimiser: torch.optim.Optimizer | None = None
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write a checkpoint beside ``path`` and move it there, so that a crash leaves the old one."""
        part = path.with_suffix(".part")
        saved: dict[str, Any] = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        if self.critic is not None and self.critic_optimiser is not None:
            saved |= {"critic": self.critic.state_dict(), "critic_optimiser": self.critic_optimiser.state_dict()}
        torch.save(saved, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Resume from a checkpoint."""
        saved = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.seconds = saved["step"], saved["seconds"]
        if "critic" in saved:
            self.begin_adversarial()
            assert self.critic is not None and self.critic_optimiser is not None  # noqa: S101 - for the type checker
            self.critic.load_state_dict(saved["critic"])
            self.critic_optimiser.load_state_dict(saved["critic_optimiser"])

    def begin_adversarial(self) -> None:
        """Make the discriminator if there is none yet."""
        if self.critic is None:
            device = next(self.model.parameters()).device
            plan = self.judge
            self.critic = PatchDiscriminator(plan.config).to(device)
            self.critic_optimiser = torch.optim.AdamW(
                self.critic.parameters(), lr=2e-4, betas=plan.betas, weight_decay=plan.weight_decay
            )

    @torch.no_grad()
    def update_average(self, decay: float) -> None:
        """Move the average towards the model; statistics are averaged as weights are, counts copied.

        So are the singular vectors of spectral norm: they belong to the weights as they are now, and an average of
        them would not be of unit length.
        """
        decay = min(decay, (self.step + 1) / (self.step + 10))
        new = self.model.state_dict()
        for name, value in self.average.state_dict().items():
            if value.dtype.is_floating_point and not name.endswith(_SINGULAR):
                value.lerp_(new[name].to(value.dtype), 1 - decay)
            else:
                value.copy_(new[name])

    def set_learning_rate(self, stage: Stage, inner: int) -> float:
        """Learning rate of step ``inner`` of a stage: linear from its first to its final one, warm at the start."""
        final = stage.learning_rate if stage.final_learning_rate is None else stage.final_learning_rate
        done = inner / max(1, stage.steps)
        rate = (stage.learning_rate * (1 - done) + final * done) * min(1.0, (self.step + 1) / 100)
        for group in self.optimiser.param_groups:
            own = stage.estimator_learning_rate if group["part"] == "estimator" else None
            group["lr"] = rate if own is None else own * rate / stage.learning_rate
        return rate


def parameter_groups(model: Model) -> list[dict[str, Any]]:
    """The estimator apart from the rest, as stages may give it a learning rate of its own."""
    estimator = list(model.estimator.parameters())
    chosen = {id(p) for p in estimator}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [{"params": rest, "part": "drawing"}, {"params": estimator, "part": "estimator"}]


@torch.no_grad()
def fit_linear_motion(model: Model, data: PackedClips, *, noise: float = 0.008, seed: int = 0) -> None:
    """Start the linear part of the motion estimator from ridge regression on labels.

    Args:
        model: whose estimator.
        data: labels to regress on, moved about by random similarities.
        noise: standard deviation of position errors to be robust against, half-sides.
        seed: of noise and similarities.
    """
    estimator = model.estimator
    if estimator.linear is None:
        return
    generator = torch.Generator().manual_seed(seed)
    inputs, outputs = [], []
    for labels in data.labels:
        similarity = Similarity.draw(len(labels.vector), generator, shift=0.1, scale=0.15, roll=0.2)
        motion = transform_motion(HeadMotion.from_vector(labels.vector), similarity)
        places = keypoints(labels.x_c, motion, model.expression_basis)[..., :2].flatten(1)
        inputs.append(F.pad(places, (0, 1), value=1.0).double())
        vector = motion.vector()
        free = torch.cat([vector[:, :TZ], vector[:, TZ + 1 :]], 1)
        outputs.append(((free - estimator.motion_mean) / estimator.motion_std).double())
    x, y = torch.cat(inputs), torch.cat(outputs)
    ridge = torch.full((x.shape[1],), noise**2 * len(x), dtype=torch.float64)
    ridge[-1] = 1e-6
    solution = torch.linalg.solve(x.T @ x + torch.diag(ridge), x.T @ y)
    estimator.linear.weight.copy_(solution[:-1].T)
    estimator.linear.bias.copy_(solution[-1])


def new_state(recipe: Recipe, data: PackedClips, device: str, *, config: ModelConfig | None = None) -> TrainingState:
    """Fresh weights of a lite model, with the face shape and the label statistics of the data set in.

    Args:
        recipe: names the preset.
        data: gives the face shape and the statistics.
        device: to put the weights on.
        config: instead of the preset's.
    """
    torch.manual_seed(recipe.seed)
    sizes = config or PRESETS[recipe.model]
    model, average = Model(sizes), Model(sizes)
    vectors = data.labels[0].vector
    seen = [i for i in range(vectors.shape[1]) if i != TZ]
    model.expression_basis.copy_(data.shape.basis)
    model.estimator.mean_keypoints.copy_(data.shape.mean_keypoints)
    model.estimator.motion_mean.copy_(vectors.mean(0)[seen])
    model.estimator.motion_std.copy_(vectors.std(0)[seen])
    fit_linear_motion(model, data, seed=recipe.seed)
    average.load_state_dict(model.state_dict())
    model.to(device)
    average.to(device).eval().requires_grad_(False)
    channels_last(model)
    optimiser = torch.optim.AdamW(parameter_groups(model), lr=1e-4, betas=(0.9, 0.99), weight_decay=recipe.weight_decay)
    return TrainingState(model, average, optimiser)
