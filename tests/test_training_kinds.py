"""The paper and the prior models in the ordinary training loop: losses, stages, checkpoints, recipes, processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from paper_standins import TINY_JUDGE, TINY_PAPER, TINY_PRIOR, StandInBackbone, register_tiny_presets
from training_pack import mean_face, write_pack
from training_processes import train_in_two_processes

from nvc.cli import train as train_cli
from nvc.models import zoo
from nvc.models.discriminator import DISCRIMINATORS
from nvc.models.paper_config import PAPER_PRESETS
from nvc.models.prior import PRIOR_PRESETS
from nvc.models.prior_face import LinearFace
from nvc.training.data import PackedClips
from nvc.training.kinds import label_index, label_sizes, task_for
from nvc.training.loop import Trainer
from nvc.training.paper_losses import PerceptualLoss
from nvc.training.paper_task import PaperTask
from nvc.training.prior_task import PriorTask
from nvc.training.recipe import MotionSource, Recipe, Stage, load_recipe
from nvc.training.task import Task

SIX_LOSSES = {"perceptual", "equivariance", "keypoint_prior", "head_pose", "deformation", "adversarial"}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture(autouse=True)
def tiny_presets() -> Iterator[None]:
    with ExitStack() as stack:
        for table in (PAPER_PRESETS, PRIOR_PRESETS, DISCRIMINATORS):
            stack.enter_context(patch.dict(table))
        register_tiny_presets()
        yield


def _stage(steps: int, **changes: object) -> Stage:
    settings: dict[str, object] = {"side": 32, "steps": steps, "sources": 2, "targets": 1, "learning_rate": 2e-2}
    return Stage(**{**settings, **changes})  # type: ignore[arg-type]


def _trainer(model: str, stages: list[Stage], pack: Path, out: Path) -> Trainer:
    perceptual = PerceptualLoss(StandInBackbone())
    task: Task = PaperTask(perceptual) if model == "tiny-paper" else PriorTask(perceptual)
    keypoints, expression = label_sizes(model)
    data = PackedClips(pack, mean=mean_face(), keypoints=keypoints, expression=expression)
    return Trainer(Recipe(model, tuple(stages), bf16=False), data, task, out)


def _same_batch(trainer: Trainer) -> None:
    """Let the trainer see one batch again and again: what ten steps learn must not drown in what they saw."""
    stage = trainer.recipe.stages[0]
    batch = trainer._draw(stage)
    trainer._draw = lambda stage: batch  # type: ignore[method-assign]


@pytest.mark.parametrize("model", ["tiny-paper", "tiny-prior"])
def test_ten_steps_lower_the_loss(model: str, pack: Path, tmp_path: Path) -> None:
    trainer = _trainer(model, [_stage(11, motion=MotionSource.LABELS)], pack, tmp_path)
    _same_batch(trainer)
    torch.manual_seed(0)
    rows = [trainer.step() for _ in range(11)]
    losses = [sum(v for k, v in row.items() if k in SIX_LOSSES) for row in rows]
    assert losses[-1] < 0.95 * losses[0]
    assert rows[-1]["perceptual"] < rows[0]["perceptual"]


def test_the_paper_trains_on_six_losses_and_the_prior_on_pictures_alone(pack: Path, tmp_path: Path) -> None:
    stages = [_stage(1, adversarial=1.0)]
    paper = _trainer("tiny-paper", stages, pack, tmp_path / "paper").step()
    prior = _trainer("tiny-prior", stages, pack, tmp_path / "prior").step()
    assert set(paper) >= SIX_LOSSES
    assert SIX_LOSSES & set(prior) == {"perceptual", "adversarial"}
    for row in (paper, prior):
        assert {"matching", "critic"} <= set(row) and all(np.isfinite(v) for v in row.values())


@pytest.mark.parametrize("model", ["tiny-paper", "tiny-prior"])
def test_a_run_resumes_with_its_discriminator(model: str, pack: Path, tmp_path: Path) -> None:
    stages = [_stage(2, adversarial=1.0), _stage(1, adversarial=1.0)]
    state = _trainer(model, stages[:1], pack, tmp_path).run()
    resumed = _trainer(model, stages, pack, tmp_path)
    assert resumed.state.step == 2
    assert state.critic is not None and resumed.state.critic is not None
    assert state.critic.config == TINY_JUDGE
    for name, value in state.critic.state_dict().items():
        assert torch.equal(value, resumed.state.critic.state_dict()[name])
    for name, value in state.model.state_dict().items():
        assert torch.equal(value, resumed.state.model.state_dict()[name])
    assert resumed.run().step == 3


def test_coarse_to_fine_is_two_stages_of_one_run(pack: Path, tmp_path: Path) -> None:
    stages = [_stage(1, adversarial=1.0, judge_scales=1), _stage(1, side=64, adversarial=1.0, judge_scales=2)]
    trainer = _trainer("tiny-paper", stages, pack, tmp_path)
    trainer.step()
    assert trainer.state.critic is not None
    fine = {k: v.clone() for k, v in trainer.state.critic.scales[1].state_dict().items() if k.endswith("bias")}
    # The scale that did not judge has learnt nothing, the other has.
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in trainer.state.critic.scales[1].parameters())
    trainer.step()
    assert any(not torch.equal(v, trainer.state.critic.scales[1].state_dict()[k]) for k, v in fine.items())


def test_keypoint_dropout_follows_the_stage(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def draw_kept(heads: int, units: int, *, most_dropped: float) -> torch.Tensor:
        seen.append(most_dropped)
        return torch.full((heads,), units)

    monkeypatch.setattr("nvc.training.paper_task.draw_kept", draw_kept)
    monkeypatch.setattr("nvc.training.prior_task.draw_kept", draw_kept)
    _trainer("tiny-paper", [_stage(1)], pack, tmp_path / "a").step()
    _trainer("tiny-prior", [_stage(1, most_dropped=0.5)], pack, tmp_path / "b").step()
    assert seen == [0.75, 0.5]


def test_the_face_learns_from_labels_first_and_is_left_alone_by_pictures(pack: Path, tmp_path: Path) -> None:
    face_alone = _stage(10, pixel=0.0, perceptual=0.0, sources=4, learning_rate=5e-3)
    trainer = _trainer("tiny-prior", [face_alone, _stage(2, motion=MotionSource.MIXED)], pack, tmp_path)
    _same_batch(trainer)
    drawing = {k: v.clone() for k, v in trainer.state.model.generator.state_dict().items()}
    rows = [trainer.step() for _ in range(10)]
    assert "perceptual" not in rows[0] and {"keypoint", "canonical"} <= set(rows[0])
    assert rows[-1]["keypoint"] < 0.98 * rows[0]["keypoint"]
    assert all(torch.equal(v, trainer.state.model.generator.state_dict()[k]) for k, v in drawing.items())
    face = {k: v.clone() for k, v in trainer.state.model.face.state_dict().items()}
    rows = [trainer.step() for _ in range(2)]  # one driven by labels, one by the face model
    assert set(rows[0]) & set(rows[1]) & SIX_LOSSES == {"perceptual"}
    assert all(torch.equal(v, trainer.state.model.face.state_dict()[k]) for k, v in face.items())


def test_the_linear_face_starts_with_the_labels_shape_and_statistics(pack: Path, tmp_path: Path) -> None:
    trainer = _trainer("tiny-prior", [_stage(1)], pack, tmp_path)
    index = label_index("tiny-prior")
    assert index is not None
    for model in (trainer.state.model, trainer.state.average):
        assert isinstance(model.face, LinearFace)
        assert torch.equal(model.expression_basis, trainer.data.shape.basis[:, list(index)])
        assert torch.equal(model.face.estimator.motion_mean[:5], trainer.data.labels[0].vector.mean(0)[:5])


def test_labels_that_each_kind_needs() -> None:
    assert label_sizes("lite-256") == (48, 32) and label_sizes("prior-256") == (48, 32)
    assert label_sizes("paper-256")[0] == 48 and label_index("paper-256") is None
    with pytest.raises(ValueError, match="lite-256"):
        label_sizes("paper-1024")
    with pytest.raises(ValueError, match="lite-256"):
        task_for("paper-1024", StandInBackbone())  # type: ignore[arg-type]


def test_the_paper_recipe_is_the_papers_schedule() -> None:
    recipe = load_recipe(train_cli.RECIPES / "paper.toml")
    coarse, fine = recipe.stages
    assert recipe.model == "paper-512" and (coarse.side, fine.side) == (256, 512)
    assert coarse.learning_rate == fine.learning_rate == 2e-4
    assert (coarse.judge_scales, fine.judge_scales) == (1, 2) and DISCRIMINATORS["paper-512"].scales == 2
    assert coarse.adversarial == fine.adversarial == 1 and coarse.most_dropped == fine.most_dropped == 0.75
    assert coarse.steps == 10 * fine.steps  # 100 epochs and 10


def test_the_prior_recipe_teaches_the_face_before_it_draws() -> None:
    recipe = load_recipe(train_cli.RECIPES / "prior.toml")
    assert recipe.model == "prior-256" and [stage.draws for stage in recipe.stages] == [False, True]


def _recipe_file(folder: Path, model: str) -> Path:
    path = folder / "tiny.toml"
    path.write_text(
        f"model = '{model}'\nbf16 = false\nvalidate_every = 2\nsync_norms = true\n"
        "[[stage]]\nside = 32\nsteps = 2\nsources = 2\ntargets = 1\nadversarial = 1\n"
    )
    return path


def _arguments(pack: Path, recipe: Path, out: Path) -> list[str]:
    return [
        str(recipe), "--data", str(pack), "--val", str(pack), "--face", str(pack / "face.npz"),
        "--perceptual-weights", str(pack / "squeeze.npz"), "-o", str(out), "--export", str(out / "w.safetensors"),
    ]  # fmt: skip


@pytest.mark.parametrize(("model", "config"), [("tiny-paper", TINY_PAPER), ("tiny-prior", TINY_PRIOR)])
def test_nvc_train_logs_validates_and_exports(model: str, config: object, pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert train_cli.main(_arguments(pack, _recipe_file(tmp_path, model), out)) == 0
    assert zoo.load(out / "w.safetensors").config == config
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    validated = next(row for row in rows if "val_codec_psnr" in row)
    assert ("val_labels_psnr" in validated) is (model == "tiny-prior") and "val_angle_deg" in validated
    assert (out / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_two_processes_train_one_paper_model_with_common_batch_norm(pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = Path(__file__).parent / "train_tiny.py"
    train_in_two_processes([str(script), *_arguments(pack, _recipe_file(tmp_path, "tiny-paper"), out)])
    assert zoo.load(out / "w.safetensors").config == TINY_PAPER


def adversarial_steps(rank: int, pack: Path, out: Path) -> None:
    """What one of two processes does: two adversarial steps; its discriminator goes to a file."""
    import torch.distributed as dist

    dist.init_process_group("gloo")
    register_tiny_presets()
    torch.manual_seed(rank)  # whatever each process has drawn before
    trainer = _trainer("tiny-paper", [_stage(2, adversarial=1.0)], pack, out / str(rank))
    for _ in range(2):
        trainer.step()
    assert trainer.state.critic is not None
    torch.save(trainer.state.critic.state_dict(), out / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_one_discriminator(pack: Path, tmp_path: Path) -> None:
    script = (
        "import os, pathlib, test_training_kinds as t;"
        f"t.adversarial_steps(int(os.environ['RANK']), pathlib.Path({str(pack)!r}), pathlib.Path({str(tmp_path)!r}))"
    )
    train_in_two_processes(["-c", script])
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], atol=1e-6, rtol=1e-5)
