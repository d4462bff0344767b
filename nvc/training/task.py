"""What the training loop asks of a kind of model: how it starts, its forward pass, and its losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from nvc.training.data import Batch, PackedClips
from nvc.training.losses import SqueezeFeatures
from nvc.training.recipe import MotionSource, Recipe, Stage
from nvc.training.state import TrainingState, new_state
from nvc.training.step import ForwardPass, loss_terms
from nvc.training.vgg import VggFeatures


@dataclass(frozen=True)
class Outcome:
    """What a step predicted.

    Attributes:
        terms: weighted terms of the loss, without the adversarial ones.
        picture: what was drawn of the batch's driving frames, [B T, 3, S, S]; None where nothing was.
    """

    terms: dict[str, Tensor]
    picture: Tensor | None


class Task(Protocol):
    """A kind of model in training."""

    def start(self, recipe: Recipe, data: PackedClips, device: str) -> TrainingState:
        """A run's first state, with fresh weights."""
        ...

    def forward_pass(self, model: Any) -> nn.Module:
        """The whole forward pass as one module, so that DistributedDataParallel can wrap it."""
        ...

    def predict(self, forward: nn.Module, state: TrainingState, batch: Batch, stage: Stage) -> Outcome:
        """Run ``forward`` (of :meth:`forward_pass`, wrapped or not) on a batch and compare."""
        ...

    def estimators(self, model: Any) -> Sequence[nn.Module]:
        """The parts that look at driving frames: those of `nvc.training.recipe.FrozenNorms.ESTIMATOR`."""
        ...


def uses_labels(stage: Stage, step: int) -> bool:
    """Whether labels drive this step: always, never, or every other step when mixed."""
    mixed = stage.motion is MotionSource.MIXED and step % 2 == 0
    return mixed or stage.motion is MotionSource.LABELS


class LiteTask:
    """The lite family: motion from labels, from the model's own estimator, or both in turn."""

    def __init__(self, features: SqueezeFeatures | VggFeatures) -> None:
        self.features = features

    def start(self, recipe: Recipe, data: PackedClips, device: str) -> TrainingState:
        """As of `Task`."""
        self.features.to(device)
        return new_state(recipe, data, device)

    def forward_pass(self, model: Any) -> nn.Module:
        """As of `Task`."""
        return ForwardPass(model)

    def predict(self, forward: nn.Module, state: TrainingState, batch: Batch, stage: Stage) -> Outcome:
        """As of `Task`."""
        out = forward(batch, stage, uses_labels(stage, state.step))
        terms = loss_terms(out, batch, stage, state.model.expression_basis, self.features)
        return Outcome(terms, out.get("picture"))

    def estimators(self, model: Any) -> Sequence[nn.Module]:
        """As of `Task`."""
        return [model.estimator]
