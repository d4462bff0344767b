"""Recipes: how a model is trained, read from TOML."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any


class MotionSource(Enum):
    """Whose motion drives the generator in training."""

    LABELS = "labels"
    MIXED = "mixed"
    ESTIMATED = "estimated"


class FrozenNorms(Enum):
    """Whose batch norms keep their statistics: small batches of large pictures give poor ones."""

    NONE = "none"
    ESTIMATOR = "estimator"
    ALL = "all"


@dataclass(frozen=True)
class Stage:
    """One stage of a recipe.

    Attributes:
        side: picture side in pixels.
        steps: optimiser steps.
        sources: key pictures in a batch (of each process).
        targets: driving frames for each of them.
        learning_rate: of AdamW at the stage's start.
        final_learning_rate: at its end, reached linearly; the same as the start's when not given.
        motion: labels, mixed (half of the batches each) or estimated.
        estimator_learning_rate: of the motion estimator, when it differs.
        pixel, perceptual, copied, keypoint, canonical, steady: weights of the losses.
        adversarial: weight of the GAN loss, 0 for none; feature matching has ten times this weight.
        frozen_norms: whose batch norms normalise by their running statistics.
        motion_noise: quantisation steps (angles and translation in half-sides) of the noise added to motion.
        most_dropped: largest share of the keypoints' or the code's tail that a driving head loses (paper and prior).
        judge_scales: how many of the discriminator's scales judge, from the full size down; all when not given.
    """

    side: int
    steps: int
    sources: int
    targets: int = 2
    learning_rate: float = 4e-4
    final_learning_rate: float | None = None
    motion: MotionSource = MotionSource.LABELS
    estimator_learning_rate: float | None = None
    pixel: float = 4.0
    perceptual: float = 1.0
    copied: float = 1.0
    keypoint: float = 10.0
    canonical: float = 1.0
    steady: float = 10.0
    adversarial: float = 0.0
    frozen_norms: FrozenNorms = FrozenNorms.NONE
    motion_noise: float = 1 / 128
    most_dropped: float = 0.75
    judge_scales: int | None = None

    @property
    def estimates(self) -> bool:
        """Whether the motion estimator runs; a stage driven by labels without losses on motion spares it."""
        return self.motion is not MotionSource.LABELS or self.keypoint > 0 or self.steady > 0

    @property
    def draws(self) -> bool:
        """Whether pictures are drawn at all; a stage without picture losses trains the motion estimator alone."""
        return self.pixel > 0 or self.perceptual > 0 or self.adversarial > 0


@dataclass(frozen=True)
class Recipe:
    """A whole training run.

    Attributes:
        model: preset name.
        stages: run one after the other.
        seed: of weights and batches.
        ema: decay of the moving average of weights, which is what is evaluated and shipped.
        weight_decay: of AdamW.
        checkpoint_minutes: between checkpoints.
        validate_every: steps between validations.
        bf16: compute in bfloat16 where it is safe.
        sync_norms: batch norm over the batches of all processes on CPUs too; on GPUs it always is. Every layer then
            waits for the slowest process.
    """

    model: str
    stages: tuple[Stage, ...] = field(default_factory=tuple)
    seed: int = 0
    ema: float = 0.998
    weight_decay: float = 1e-4
    checkpoint_minutes: float = 5.0
    validate_every: int = 500
    bf16: bool = True
    sync_norms: bool = False

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)


def _build(cls: type, table: dict[str, Any], where: str) -> Any:
    known = {field.name for field in fields(cls)}
    unknown = set(table) - known
    if unknown:
        raise ValueError(f"{where}: unknown key {sorted(unknown)[0]!r}; known are {', '.join(sorted(known))}")
    try:
        return cls(**table)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ValueError: not TOML, an unknown key, or a stage without side, steps or sources.
    """
    try:
        table = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    stages = []
    for number, entry in enumerate(table.pop("stage", []), 1):
        if "motion" in entry:
            entry["motion"] = MotionSource(entry["motion"])
        if "frozen_norms" in entry:
            entry["frozen_norms"] = FrozenNorms(entry["frozen_norms"])
        stages.append(_build(Stage, entry, f"{path}, stage {number}"))
    if not stages:
        raise ValueError(f"{path}: a recipe needs at least one [[stage]]")
    return _build(Recipe, {**table, "stages": tuple(stages)}, str(path))
