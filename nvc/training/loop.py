"""The training loop: draw, predict, compare, step; checkpoint and validate on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nvc.training.adversarial import discriminator_loss, feature_matching_loss, generator_loss
from nvc.training.data import Batch, PackedClips, Sampler
from nvc.training.recipe import FrozenNorms, Recipe, Stage
from nvc.training.state import TrainingState
from nvc.training.sync_norm import convert_sync_norms
from nvc.training.task import Task

Row = dict[str, Any]
_MAX_NORM = 2.0
_LOG_EVERY = 20


class Trainer:
    """Runs a recipe.

    Attributes:
        state: weights, optimiser and position; resumed from ``out/checkpoint.pt`` when that exists.
    """

    def __init__(self, recipe: Recipe, data: PackedClips, task: Task, out: Path, *, device: str = "cpu") -> None:
        """Set up.

        Args:
            recipe: what to do.
            data: training pack.
            task: what kind of model is trained, and on which losses.
            out: folder for ``checkpoint.pt`` and ``log.jsonl``.
            device: ``cpu`` or ``cuda[:N]``.
        """
        out.mkdir(parents=True, exist_ok=True)
        self.recipe, self.data, self.out, self.device = recipe, data, out, device
        self.task = task
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.state = task.start(recipe, data, device)
        self.checkpoint = out / "checkpoint.pt"
        if self.checkpoint.exists():
            self.state.load(self.checkpoint)
        self.forward: nn.Module = task.forward_pass(self.state.model)
        if dist.is_initialized() and dist.get_world_size() > 1:
            if device != "cpu":
                self.forward = nn.SyncBatchNorm.convert_sync_batchnorm(self.forward)
            elif recipe.sync_norms:  # PyTorch's own works on GPUs only
                convert_sync_norms(self.forward)
            self.forward = DistributedDataParallel(self.forward, find_unused_parameters=True)
        self._sampler: Sampler | None = None
        self._stage: Stage | None = None
        self._mean: dict[str, float] = {}

    def run(
        self,
        *,
        validate: Callable[[Any, int], dict[str, float]] | None = None,
        max_minutes: float | None = None,
        report: Callable[[Row], None] = lambda row: None,
    ) -> TrainingState:
        """Train to the recipe's end, or for ``max_minutes``.

        Args:
            validate: called with the averaged model and the side every ``recipe.validate_every`` steps.
            max_minutes: stop, with a checkpoint, after this long.
            report: called with every row of the log.
        """
        started = saved = time.monotonic()
        while self.state.step < self.recipe.steps:
            row = self.step()
            now = time.monotonic()
            if self.rank == 0:
                self._keep(row, validate, report)
                if now - saved > self.recipe.checkpoint_minutes * 60:
                    self.state.save(self.checkpoint)
                    saved = now
            if max_minutes is not None and self._agreed(now - started > max_minutes * 60):
                break
        if self.rank == 0:
            self.state.save(self.checkpoint)
        return self.state

    def step(self) -> Row:
        """One optimiser step; returns its losses and times."""
        begun = time.monotonic()
        stage, inner = stage_at(self.recipe, self.state.step)
        batch = self._draw(stage)
        drawn = time.monotonic() - begun
        rate = self.state.set_learning_rate(stage, inner)
        self._set_mode(stage)
        with self._precision():
            outcome = self.task.predict(self.forward, self.state, batch, stage)
            terms = dict(outcome.terms)
            judged = outcome.picture if stage.adversarial else None
            if judged is not None:
                terms |= self._adversarial_terms(judged, batch.driving, stage)
        norm = self._descend(torch.stack([t.float() for t in terms.values()]).sum())
        if judged is not None:
            terms["critic"] = self._train_critic(judged.detach(), batch.driving, stage)
        self.state.update_average(self.recipe.ema)
        self.state.step += 1
        spent = time.monotonic() - begun
        self.state.seconds += spent
        row = {name: float(term.detach()) for name, term in terms.items()}
        return row | {"norm": norm, "learning_rate": rate, "draw_s": drawn, "step_s": spent}

    def _set_mode(self, stage: Stage) -> None:
        self.forward.train()
        model = self.state.model
        if stage.frozen_norms is FrozenNorms.NONE:
            return
        parts = [model] if stage.frozen_norms is FrozenNorms.ALL else self.task.estimators(model)
        for part in parts:
            for module in part.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def _agreed(self, stop: bool) -> bool:
        """The first process's decision: one that stops alone would leave the others waiting for its gradients."""
        if not isinstance(self.forward, DistributedDataParallel):
            return stop
        decision = torch.tensor([int(stop)], device=self.device)
        dist.broadcast(decision, 0)
        return bool(decision.item())

    def _descend(self, loss: Tensor) -> float:
        self.state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        # Apart, or the estimator's large gradients would scale down those of the parts that draw.
        groups = self.state.optimiser.param_groups
        norms = torch.stack([nn.utils.clip_grad_norm_(group["params"], _MAX_NORM) for group in groups])
        if torch.isfinite(norms).all():  # one bad batch must not cost the run
            self.state.optimiser.step()
        return float(norms.norm())

    def _adversarial_terms(self, picture: Tensor, real: Tensor, stage: Stage) -> dict[str, Tensor]:
        if self.state.critic is None:
            self.state.begin_adversarial()
            self._agree_on_critic()
        critic = self.state.critic
        assert critic is not None  # noqa: S101 - for the type checker
        critic.requires_grad_(False)
        with torch.no_grad():
            _, real_features = critic(real)
        logits, features = critic(picture)
        scales = slice(stage.judge_scales)
        logits, features, real_features = logits[scales], features[scales], real_features[scales]
        return {
            "adversarial": stage.adversarial * generator_loss(logits),
            "matching": 10 * stage.adversarial * feature_matching_loss(real_features, features),
        }

    def _train_critic(self, picture: Tensor, real: Tensor, stage: Stage) -> Tensor:
        critic, optimiser = self.state.critic, self.state.critic_optimiser
        assert critic is not None and optimiser is not None  # noqa: S101 - for the type checker
        critic.requires_grad_(True)
        with self._precision():
            scales = slice(stage.judge_scales)
            loss = discriminator_loss(critic(real)[0][scales], critic(picture)[0][scales])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._average_critic_gradients()
        optimiser.step()
        return loss

    def _agree_on_critic(self) -> None:
        """The first process's discriminator for all: it is not wrapped, as it sees two batches a step."""
        if isinstance(self.forward, DistributedDataParallel) and self.state.critic is not None:
            for tensor in self.state.critic.state_dict().values():
                dist.broadcast(tensor, 0)

    def _average_critic_gradients(self) -> None:
        if not isinstance(self.forward, DistributedDataParallel) or self.state.critic is None:
            return
        gradients = [p.grad for p in self.state.critic.parameters() if p.grad is not None]
        together = torch.cat([g.flatten() for g in gradients]) / dist.get_world_size()
        dist.all_reduce(together)
        for gradient, mean in zip(gradients, together.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.split(":")[0], torch.bfloat16) if self.recipe.bf16 else nullcontext()

    def _draw(self, stage: Stage) -> Batch:
        if stage is not self._stage or self._sampler is None:
            self._stage = stage
            seed = self.recipe.seed + 1000 * self.state.step + self.rank
            self._sampler = Sampler(self.data, sources=stage.sources, targets=stage.targets, side=stage.side, seed=seed)
        return self._sampler.draw().to(self.device)

    def _keep(
        self, row: Row, validate: Callable[[Any, int], dict[str, float]] | None, report: Callable[[Row], None]
    ) -> None:
        self._mean = {k: v if k not in self._mean else 0.95 * self._mean[k] + 0.05 * v for k, v in row.items()}
        step, seconds = self.state.step, round(self.state.seconds)
        assert self._stage is not None  # noqa: S101 - for the type checker
        if step % _LOG_EVERY == 0:
            kept = {k: round(self._mean[k], 6) for k in row}
            self._log({"step": step, "seconds": seconds, "side": self._stage.side, **kept}, report)
        if validate is not None and step % self.recipe.validate_every == 0:
            self._log({"step": step, "seconds": seconds, **validate(self.state.average, self._stage.side)}, report)

    def _log(self, row: Row, report: Callable[[Row], None]) -> None:
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        report(row)


def stage_at(recipe: Recipe, step: int) -> tuple[Stage, int]:
    """The stage that global step ``step`` belongs to, and the step within it.

    Raises:
        ValueError: past the recipe's end.
    """
    inner = step
    for stage in recipe.stages:
        if inner < stage.steps:
            return stage, inner
        inner -= stage.steps
    raise ValueError(f"step {step} is past the recipe's end, {recipe.steps}")
