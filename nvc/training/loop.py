"""The training loop: draw, predict, compare, step; checkpoint and validate on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nvc.models.config import PRESETS
from nvc.models.model import Model
from nvc.pose import HeadMotion
from nvc.training.data import Batch, PackedClips, Sampler
from nvc.training.losses import (
    SqueezeFeatures,
    attention_map,
    keypoint_loss,
    perceptual_distance,
    pixel_loss,
)
from nvc.training.recipe import MotionSource, Recipe, Stage

_ATTENDED = 26  # mouth and eyes come first among the keypoints
_LABEL_FREEZE_TZ = 5


@dataclass
class TrainingState:
    """All that a checkpoint holds."""

    model: Model
    average: Model
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write a checkpoint beside ``path`` and move it there, so that a crash leaves the old one."""
        part = path.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
            },
            part,
        )
        part.replace(path)

    def load(self, path: Path) -> None:
        """Resume from a checkpoint."""
        saved = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.seconds = saved["step"], saved["seconds"]


class TrainedParts(nn.Module):
    """The forward pass of training as one module, so that DistributedDataParallel can wrap it."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, stage: Stage, use_labels: bool) -> dict[str, Tensor]:
        """Predictions of a batch: motion of source and driving frames, pictures, copied pictures."""
        model = self.model
        sources, driven = len(batch.source), len(batch.driving)
        embedding = model.estimator.trunk(torch.cat([batch.clean, batch.driving]))
        estimated = model.estimator.motion_of(embedding)
        x_c = model.estimator.canonical_of(embedding[:sources])
        per_source = driven // sources
        repeat = lambda t: t.repeat_interleave(per_source, 0)  # noqa: E731
        if use_labels:
            source_motion, motion, shape = batch.source_motion, batch.motion, batch.x_c
        else:
            source_motion, motion, shape = estimated[:sources], estimated[sources:], x_c
        noise = torch.rand_like(motion.vector()) - 0.5
        scale = torch.full((noise.shape[1],), 0.25, device=noise.device)
        scale[:7] = 1.0
        scale[_LABEL_FREEZE_TZ] = 0.0
        motion = HeadMotion.from_vector(motion.vector() + noise * scale * stage.motion_noise)
        source_motion = HeadMotion.from_vector(repeat(source_motion.vector()))
        features = model.appearance(batch.source).repeat(per_source)
        picture, copied, _ = model.draw(features, repeat(shape), source_motion, motion)
        return {
            "picture": picture,
            "copied": copied,
            "estimated": estimated.vector(),
            "x_c": x_c,
        }


def losses(
    out: dict[str, Tensor], batch: Batch, stage: Stage, basis: Tensor, features: SqueezeFeatures
) -> dict[str, Tensor]:
    """The weighted terms of the loss of one batch."""
    sources, driven = len(batch.source), len(batch.driving)
    per_source = driven // sources
    side = batch.driving.shape[-1]
    from nvc.pose import keypoints

    shape = batch.x_c.repeat_interleave(per_source, 0)
    points = keypoints(shape, batch.motion, basis)
    attention = attention_map(points, _ATTENDED, side)
    picture = out["picture"]
    with torch.no_grad():
        target = features(batch.driving)
    terms = {
        "pixel": stage.pixel * pixel_loss(picture, batch.driving, attention),
        "perceptual": stage.perceptual * perceptual_distance(features(picture), target),
        "copied": stage.copied * pixel_loss(out["copied"], batch.driving, attention),
    }
    label = torch.cat([batch.source_motion.vector(), batch.motion.vector()])
    estimated = HeadMotion.from_vector(out["estimated"])
    everyone = torch.cat([batch.x_c, shape])
    terms["keypoint"] = stage.keypoint * keypoint_loss(estimated, HeadMotion.from_vector(label), everyone, basis)
    terms["canonical"] = stage.canonical * (out["x_c"] - batch.x_c).abs().mean() * 10
    # A bias that lasts over a clip moves nothing; what counts is the difference to the key picture.
    change = out["estimated"][sources:] - out["estimated"][:sources].repeat_interleave(per_source, 0)
    true = label[sources:] - label[:sources].repeat_interleave(per_source, 0)
    base = label[sources:]
    moved, wanted = HeadMotion.from_vector(base + change - true), HeadMotion.from_vector(base)
    terms["steady"] = stage.steady * keypoint_loss(moved, wanted, shape, basis)
    return terms


def parameter_groups(model: Model) -> list[dict[str, Any]]:
    """The estimator apart from the rest, as stages may give it a learning rate of its own."""
    estimator = list(model.estimator.parameters())
    chosen = {id(p) for p in estimator}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [{"params": rest, "part": "drawing"}, {"params": estimator, "part": "estimator"}]


def new_state(recipe: Recipe, data: PackedClips) -> TrainingState:
    """Fresh weights, with the face shape and the label statistics of the data set in."""
    torch.manual_seed(recipe.seed)
    models = []
    for _ in range(2):
        model = Model(PRESETS[recipe.model])
        models.append(model)
    model, average = models
    vectors = data.labels[0].vector
    keep = [i for i in range(vectors.shape[1]) if i != _LABEL_FREEZE_TZ]
    model.expression_basis.copy_(data.shape.basis)
    model.estimator.mean_keypoints.copy_(data.shape.mean_keypoints)
    model.estimator.motion_mean.copy_(vectors.mean(0)[keep])
    model.estimator.motion_std.copy_(vectors.std(0)[keep])
    average.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(parameter_groups(model), lr=1e-4, betas=(0.9, 0.99), weight_decay=recipe.weight_decay)
    return TrainingState(model, average, optimiser)


def stage_at(recipe: Recipe, step: int) -> tuple[Stage, int]:
    """The stage that global step ``step`` belongs to, and the step within it."""
    for stage in recipe.stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise ValueError(f"step is {step} past the recipe's end")


def _set_learning_rate(optimiser: torch.optim.Optimizer, stage: Stage, inner: int, step: int) -> float:
    final = stage.learning_rate if stage.final_learning_rate is None else stage.final_learning_rate
    done = inner / max(1, stage.steps)
    rate = (stage.learning_rate * (1 - done) + final * done) * min(1.0, (step + 1) / 100)
    for group in optimiser.param_groups:
        own = stage.estimator_learning_rate if group["part"] == "estimator" else None
        group["lr"] = rate if own is None else own * rate / stage.learning_rate
    return rate


@torch.no_grad()
def update_average(average: Model, model: Model, decay: float, step: int) -> None:
    """Exponential moving average of weights; buffers are copied for counts and averaged for statistics."""
    decay = min(decay, (step + 1) / (step + 10))
    new = model.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(new[name].to(value.dtype), 1 - decay)
        else:
            value.copy_(new[name])


def train(
    recipe: Recipe,
    data: PackedClips,
    features: SqueezeFeatures,
    out: Path,
    *,
    validate: Callable[[Model, int], dict[str, float]] | None = None,
    max_minutes: float | None = None,
    device: str = "cpu",
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> TrainingState:
    """Run a recipe, resuming from ``out/checkpoint.pt`` when it exists.

    Args:
        recipe: what to do.
        data: training pack.
        features: frozen perceptual backbone.
        out: folder for the checkpoint and ``log.jsonl``.
        validate: called every ``recipe.validate_every`` steps with the averaged model.
        max_minutes: stop, with a checkpoint, after this long.
        device: of the model.
        report: called with every row of the log.

    Returns:
        The final state.
    """
    out.mkdir(parents=True, exist_ok=True)
    rank = dist.get_rank() if dist.is_initialized() else 0
    world = dist.get_world_size() if dist.is_initialized() else 1
    state = new_state(recipe, data)
    state.model.to(device), state.average.to(device)
    features.to(device)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state.load(checkpoint)
    parts: nn.Module = TrainedParts(state.model)
    if world > 1:
        parts = DistributedDataParallel(nn.SyncBatchNorm.convert_sync_batchnorm(parts) if device != "cpu" else parts)
    for module in state.model.modules():
        if isinstance(module, nn.Conv2d):  # a fifth faster on the CPU, and what tensor cores want
            module.to(memory_format=torch.channels_last)
    state.average.eval()
    started = last_save = time.monotonic()
    sampler: Sampler | None = None
    current: Stage | None = None
    mean: dict[str, float] = {}
    while state.step < recipe.steps:
        stage, inner = stage_at(recipe, state.step)
        if stage is not current or sampler is None:
            current = stage
            seed = recipe.seed + 1000 * state.step + rank
            sampler = Sampler(data, sources=stage.sources, targets=stage.targets, side=stage.side, seed=seed)
        begun = time.monotonic()
        batch = _to_device(sampler.draw(), device)
        drawn = time.monotonic() - begun
        rate = _set_learning_rate(state.optimiser, stage, inner, state.step)
        use_labels = stage.motion is MotionSource.LABELS or (stage.motion is MotionSource.MIXED and state.step % 2 == 0)
        parts.train()
        precision = torch.autocast(device.split(":")[0], torch.bfloat16) if recipe.bf16 else nullcontext()
        with precision:
            predicted = parts(batch, stage, use_labels)
            terms = losses(predicted, batch, stage, state.model.expression_basis, features)
        total = torch.stack([t.float() for t in terms.values()]).sum()
        state.optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), 2.0)
        if torch.isfinite(norm):
            state.optimiser.step()
        update_average(state.average, state.model, recipe.ema, state.step)
        state.step += 1
        state.seconds += time.monotonic() - begun
        row = {k: float(v.detach()) for k, v in terms.items()} | {
            "total": float(total.detach()),
            "norm": float(norm),
            "draw_s": drawn,
        }
        row["step_s"] = time.monotonic() - begun
        mean = {k: v if k not in mean else 0.95 * mean[k] + 0.05 * v for k, v in row.items()}
        if rank == 0:
            _log(out, state, stage, rate, mean, report)
            if validate is not None and state.step % recipe.validate_every == 0:
                row = {"step": state.step, "seconds": round(state.seconds), **validate(state.average, stage.side)}
                _append(out / "log.jsonl", row)
                report(row)
            if time.monotonic() - last_save > recipe.checkpoint_minutes * 60:
                state.save(checkpoint)
                last_save = time.monotonic()
        if max_minutes is not None and time.monotonic() - started > max_minutes * 60:
            break
    if rank == 0:
        state.save(checkpoint)
    return state


def _to_device(batch: Batch, device: str) -> Batch:
    if device == "cpu":
        return batch
    move = lambda t: t.to(device, non_blocking=True)  # noqa: E731
    return Batch(
        move(batch.source),
        move(batch.clean),
        move(batch.driving),
        HeadMotion.from_vector(move(batch.source_motion.vector())),
        HeadMotion.from_vector(move(batch.motion.vector())),
        move(batch.x_c),
    )


def _log(
    out: Path, state: TrainingState, stage: Stage, rate: float, mean: dict[str, float], report: Callable[..., None]
) -> None:
    if state.step % 20:
        return
    row = {"step": state.step, "seconds": round(state.seconds), "side": stage.side, "learning_rate": rate}
    row |= {k: round(v, 5) for k, v in mean.items()}
    _append(out / "log.jsonl", row)
    report(row)


def _append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
