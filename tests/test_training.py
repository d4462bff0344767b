"""Training: labels that describe the picture, augmentation that moves both, a loop that learns and resumes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from training_pack import SIDE, mean_face, moving_landmarks, write_pack
from training_processes import train_in_two_processes

from nvc.cli import train as train_cli
from nvc.models import zoo
from nvc.pose import HeadMotion, keypoints
from nvc.training.augment import Similarity, transform_motion, transform_pictures
from nvc.training.backbone import load_backbone
from nvc.training.data import PackedClips, Sampler
from nvc.training.labels import KEYPOINTS, MESH_POINTS, fit_shape, label, mirror_points, to_half_sides
from nvc.training.loop import Trainer, stage_at
from nvc.training.losses import SqueezeFeatures
from nvc.training.recipe import MotionSource, Recipe, Stage, load_recipe
from nvc.training.task import LiteTask
from nvc.training.validate import Validator


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("pack"))


def features_of(pack: Path) -> SqueezeFeatures:
    features = load_backbone(pack / "squeeze.npz")
    assert isinstance(features, SqueezeFeatures)
    return features


def tiny_data(pack: Path) -> PackedClips:
    return PackedClips(pack, mean=mean_face(), keypoints=8, expression=8)


def tiny_recipe(steps: int, **changes: object) -> Recipe:
    settings: dict[str, object] = {"side": SIDE, "steps": steps, "sources": 2, "targets": 2, "learning_rate": 1e-3}
    return Recipe(model="tiny-64", stages=(Stage(**{**settings, **changes}),), bf16=False)  # type: ignore[arg-type]


def test_labels_rebuild_the_keypoints_they_came_from() -> None:
    points = to_half_sides(moving_landmarks(20, 3))
    shape = fit_shape(points, [(0, 20)], mean_face(), expression=16)
    labels = label(points, shape)
    rebuilt = keypoints(labels.x_c, HeadMotion.from_vector(labels.vector), shape.basis)
    assert torch.allclose(rebuilt[..., :2], points[:, list(KEYPOINTS), :2], atol=1e-4)


def test_labels_of_the_mirror_image_turn_the_other_way() -> None:
    points = to_half_sides(moving_landmarks(20, 3, wander=0.0))
    shape = fit_shape(points, [(0, 20)], mean_face(), expression=16)
    plain, mirrored = label(points, shape), label(points, shape, mirrored=True)
    sign = torch.tensor([1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
    assert torch.allclose(mirrored.vector[:, :7], plain.vector[:, :7] * sign, atol=1e-3)


def test_mirror_index_is_an_involution() -> None:
    index = mirror_points(mean_face())
    assert torch.equal(index[index], torch.arange(MESH_POINTS))


def test_pictures_and_poses_move_together() -> None:
    # A bright dot where a keypoint is must stay on the keypoint.
    similarity = Similarity(torch.tensor([0.3]), torch.tensor([0.4]), torch.tensor([[0.15, -0.1]]))
    motion = HeadMotion(torch.zeros(1, 3), torch.tensor([[0.25, -0.125, 0.0]]), torch.zeros(1, 1), torch.zeros(1, 1))
    picture = torch.zeros(1, 1, 128, 128)
    picture[0, 0, 55:57, 79:81] = 1.0  # centre at pixel 80, 56: half-sides 0.25, -0.125
    moved = transform_pictures(picture, similarity)
    at = transform_motion(motion, similarity).translation[0]
    y, x = np.unravel_index(int(moved[0, 0].argmax()), (128, 128))
    assert abs((at[0] + 1) * 64 - (x + 0.5)) < 1.5
    assert abs((at[1] + 1) * 64 - (y + 0.5)) < 1.5


def test_two_similarities_in_a_row_are_one() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (Similarity.draw(4, generator, shift=0.2, scale=0.3, roll=0.5) for _ in range(2))
    motion = HeadMotion(torch.randn(4, 3) * 0.3, torch.randn(4, 3) * 0.2, torch.randn(4, 1) * 0.1, torch.zeros(4, 2))
    once = transform_motion(motion, a.then(b)).vector()
    twice = transform_motion(transform_motion(motion, a), b).vector()
    assert torch.allclose(once, twice, atol=1e-5)


def test_batches_depend_on_the_seed_only(pack: Path) -> None:
    data = tiny_data(pack)
    draws = [Sampler(data, sources=2, targets=3, side=SIDE, seed=s).draw() for s in (1, 1, 2)]
    assert torch.equal(draws[0].driving, draws[1].driving)
    assert not torch.equal(draws[0].driving, draws[2].driving)
    assert draws[0].driving.shape == (6, 3, SIDE, SIDE)


def test_training_lowers_the_loss(pack: Path, tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    recipe = tiny_recipe(60, motion=MotionSource.MIXED, learning_rate=5e-3)
    trainer = Trainer(recipe, tiny_data(pack), LiteTask(features_of(pack)), tmp_path)
    torch.manual_seed(0)
    for _ in range(60):
        rows.append(trainer.step())
    first, last = (np.mean([r["pixel"] for r in part]) for part in (rows[:15], rows[-15:]))
    assert last < 0.97 * first
    first, last = (np.mean([r["keypoint"] for r in part]) for part in (rows[:15], rows[-15:]))
    assert last < 0.97 * first


def test_training_resumes_where_it_stopped(pack: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(6)
    Trainer(tiny_recipe(3), tiny_data(pack), LiteTask(features_of(pack)), tmp_path).run()
    resumed = Trainer(recipe, tiny_data(pack), LiteTask(features_of(pack)), tmp_path)
    assert resumed.state.step == 3
    assert resumed.run().step == 6


def test_an_adversarial_stage_trains_its_critic_and_resumes_with_it(pack: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(2, adversarial=0.1)
    state = Trainer(recipe, tiny_data(pack), LiteTask(features_of(pack)), tmp_path).run()
    assert state.critic is not None
    resumed = Trainer(recipe, tiny_data(pack), LiteTask(features_of(pack)), tmp_path).state
    assert resumed.critic is not None
    for a, b in zip(state.critic.parameters(), resumed.critic.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_stage_without_picture_losses_trains_the_estimator_alone(pack: Path, tmp_path: Path) -> None:
    trainer = Trainer(tiny_recipe(2, pixel=0.0, perceptual=0.0), tiny_data(pack), LiteTask(features_of(pack)), tmp_path)
    before = {k: v.clone() for k, v in trainer.state.model.generator.state_dict().items()}
    estimator = trainer.state.model.estimator.embed[0].weight.clone()
    trainer.step()
    after = trainer.state.model.generator.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert not torch.equal(estimator, trainer.state.model.estimator.embed[0].weight)


def test_validation_reports_figures_and_draws_a_sheet(pack: Path, tmp_path: Path) -> None:
    data = tiny_data(pack)
    row = Validator(data, features_of(pack), tmp_path, every=4)(zoo.load("tiny-64"), SIDE)
    assert set(row) >= {"val_labels_psnr", "val_codec_psnr", "val_codec_perceptual", "val_keypoint_px", "val_change_px"}
    assert all(np.isfinite(v) for v in row.values())
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_stages_follow_one_another() -> None:
    recipe = Recipe("tiny-64", (Stage(side=64, steps=3, sources=1), Stage(side=64, steps=2, sources=2)))
    assert [stage_at(recipe, s)[1] for s in range(5)] == [0, 1, 2, 0, 1]
    with pytest.raises(ValueError, match="past the recipe's end"):
        stage_at(recipe, 5)


@pytest.mark.parametrize("name", train_cli.shipped_recipes())
def test_shipped_recipes_are_valid(name: str) -> None:
    assert load_recipe(train_cli.RECIPES / f"{name}.toml").steps > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = 'tiny-64'", "at least one"),
        ("model = 'tiny-64'\n[[stage]]\nside = 64\nsteps = 1\nsources = 1\ncolour = 2", "unknown key 'colour'"),
        ("model = 'tiny-64'\n[[stage]]\nside = 64", "steps"),
        ("model = [", "recipe.toml"),
    ],
)
def test_a_bad_recipe_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_recipe(path)


def _arguments(pack: Path, recipe: Path, out: Path) -> list[str]:
    return [
        str(recipe), "--data", str(pack), "--val", str(pack), "--face", str(pack / "face.npz"),
        "--perceptual-weights", str(pack / "squeeze.npz"), "-o", str(out), "--export", str(out / "w.safetensors"),
    ]  # fmt: skip


def _recipe_file(folder: Path) -> Path:
    path = folder / "tiny.toml"
    path.write_text(
        "model = 'tiny-64'\nbf16 = false\nvalidate_every = 2\n"
        "[[stage]]\nside = 64\nsteps = 2\nsources = 2\ntargets = 1\nmotion = 'estimated'\n"
    )
    return path


def test_nvc_train_exports_weights_that_load(pack: Path, tmp_path: Path) -> None:
    assert train_cli.main(_arguments(pack, _recipe_file(tmp_path), tmp_path / "out")) == 0
    model = zoo.load(tmp_path / "out" / "w.safetensors")
    assert model.config.name == "tiny-64"
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert any("val_codec_psnr" in row for row in rows)


def test_nvc_train_without_data_is_one_line_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = train_cli.main(_arguments(tmp_path / "nowhere", _recipe_file(tmp_path), tmp_path))
    assert code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_two_processes_train_one_model(pack: Path, tmp_path: Path) -> None:
    arguments = _arguments(pack, _recipe_file(tmp_path), tmp_path / "out")
    train_in_two_processes(["-m", "nvc.cli.train", *arguments])
    assert zoo.load(tmp_path / "out" / "w.safetensors").model_id
