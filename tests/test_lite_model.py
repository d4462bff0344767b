"""The lite model: shapes, budgets, the flow of a still head, and weights files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from nvc.models import zoo
from nvc.models.config import PRESETS
from nvc.models.layers import pixel_grid
from nvc.models.model import Model
from nvc.pose import HeadMotion, keypoints


@cache
def _on_paper() -> Model:
    with torch.device("meta"):
        return Model(PRESETS["lite-256"]).eval()


@pytest.fixture
def tiny() -> Model:
    return zoo.random_model(PRESETS["tiny-64"], seed=1)


@pytest.fixture
def weights(tiny: Model, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    zoo.save(tiny, path)
    return path


def _motion(model: Model, heads: int, *, seed: int = 0) -> HeadMotion:
    generator = torch.Generator().manual_seed(seed)
    return HeadMotion.from_vector(0.1 * torch.randn(heads, 7 + model.config.expression, generator=generator))


def _counted(flops: FlopCounterMode) -> float:
    return flops.get_total_flops() / 1e9


def test_shapes_of_every_part() -> None:
    model, c = _on_paper(), PRESETS["lite-256"]
    pictures = torch.empty(3, 3, 256, 256, device="meta")
    source = model.appearance(pictures[:1])
    assert source.full.shape == (1, c.channels[0], 256, 256)
    assert source.half.shape == (1, c.channels[1], 128, 128)
    assert source.quarter.shape == (1, c.channels[2], 64, 64)
    assert source.volume.shape == (1, c.volume_channels, c.depth, 32, 32)
    motion, x_c = model.estimate(pictures), model.canonical(pictures)
    assert motion.vector().shape == (3, 7 + c.expression)
    assert x_c.shape == (3, c.keypoints, 3) and model.mean_keypoints.shape == (c.keypoints, 3)
    assert model.expression_basis.shape == (c.expression, c.keypoints, 3)
    assert model.render(source, x_c[:1], motion[:1], motion).shape == (3, 3, 256, 256)
    picture, copied, field = model.draw(source.repeat(3), x_c, motion, motion)
    assert picture.shape == copied.shape == (3, 3, 256, 256)
    assert field.surface.shape == (3, 64, 64, 2) and field.visible.shape == (3, 3, 64, 64)
    assert field.volume.shape == (3, c.depth, 32, 32, 3) and field.volume_visible.shape == (3, 1, 32, 32)


def test_a_decoded_frame_costs_at_most_six_gflop() -> None:
    model = _on_paper()
    pictures = torch.empty(1, 3, 256, 256, device="meta")
    source, motion, x_c = model.appearance(pictures), model.estimate(pictures), model.canonical(pictures)
    with FlopCounterMode(display=False) as counter:
        model.render(source, x_c, motion, motion)
    assert 1 < _counted(counter) <= 6


def test_an_encoded_frame_costs_at_most_one_gflop() -> None:
    with FlopCounterMode(display=False) as counter:
        _on_paper().estimate(torch.empty(1, 3, 256, 256, device="meta"))
    assert 0.1 < _counted(counter) <= 1


def test_an_unmoved_head_flows_nowhere(tiny: Model) -> None:
    # The learned correction of the surface apart, which is an addition to the flow of the keypoints.
    for parameter in tiny.dense_motion.surface.parameters():
        parameter.zero_()
    source, motion = tiny.appearance(torch.rand(2, 3, 64, 64)), _motion(tiny, 2)
    points = keypoints(tiny.mean_keypoints, motion, tiny.expression_basis)
    field = tiny.dense_motion(source, points, points, motion, motion)
    grid = pixel_grid(16, 16, points)
    assert (field.surface - grid).abs().max() < 1e-4
    assert (field.volume[..., :2] - pixel_grid(8, 8, points)).abs().max() < 1e-4
    zs = (torch.arange(4) * 2 + 1) / 4 - 1
    assert (field.volume[..., 2] - zs[None, :, None, None]).abs().max() < 1e-4


def test_a_moved_head_does_flow(tiny: Model) -> None:
    source, motion = tiny.appearance(torch.rand(1, 3, 64, 64)), _motion(tiny, 2)
    *_, field = tiny.draw(source, tiny.mean_keypoints, motion[:1], motion[1:])
    assert (field.surface - pixel_grid(16, 16, field.surface)).abs().max() > 0.01


def test_a_batch_draws_what_single_frames_draw(tiny: Model) -> None:
    source, motion = tiny.appearance(torch.rand(1, 3, 64, 64)), _motion(tiny, 3)
    together = tiny.render(source, tiny.mean_keypoints, motion[:1], motion)
    alone = [tiny.render(source, tiny.mean_keypoints[None], motion[:1], motion[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-3, rtol=0)
    assert together.min() >= 0 and together.max() <= 1


def test_depth_of_the_head_is_never_estimated(tiny: Model) -> None:
    assert tiny.estimate(torch.rand(2, 3, 64, 64)).translation[:, 2].abs().max() == 0


def test_pictures_of_another_size_are_resized_for_the_estimator(tiny: Model) -> None:
    assert tiny.estimate(torch.rand(1, 3, 96, 96)).vector().shape == (1, 15)


def test_weights_survive_a_round_trip(tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    written = zoo.save(tiny, path, notes={"licence": "CC0"})
    loaded = zoo.load(path)
    assert loaded.model_id == written and len(written) == zoo.MODEL_ID_BYTES
    assert loaded.config == tiny.config and not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    assert zoo.model_id_of(load_file(str(path))) == written
    pictures, motion = torch.rand(1, 3, 64, 64), _motion(tiny, 2)
    torch.testing.assert_close(loaded.canonical(pictures), tiny.canonical(pictures), atol=2e-3, rtol=0)
    drawn = [m.render(m.appearance(pictures), m.mean_keypoints, motion[:1], motion) for m in (loaded, tiny)]
    assert (drawn[0] - drawn[1]).abs().mean() < 5e-3  # float16 weights, batch norm folded


def test_the_id_names_the_content_and_not_the_file(tiny: Model, tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    assert zoo.save(tiny, first) == zoo.save(tiny, second, notes={"author": "somebody else"})
    assert first.read_bytes() != second.read_bytes()
    assert zoo.load(first).model_id == zoo.load(second).model_id


def _changed(tensors: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    name = sorted(tensors)[0]
    value = tensors[name]
    if how == "value":
        changed = value.clone()
        changed.view(-1)[0] += 1
        return {**tensors, name: changed}
    if how == "name":
        return {**{k: v for k, v in tensors.items() if k != name}, name + "x": value}
    if how == "shape":
        return {**tensors, name: value[None]}
    return {**tensors, name: value.float()}


@pytest.mark.parametrize("how", ["value", "name", "shape", "type"])
def test_the_id_changes_with_the_content(tiny: Model, how: str) -> None:
    tensors = zoo.shipped_tensors(tiny)
    assert zoo.model_id_of(_changed(tensors, how)) != zoo.model_id_of(tensors)
    assert zoo.model_id_of(dict(reversed(list(tensors.items())))) == zoo.model_id_of(tensors)


def test_a_type_without_a_name_has_no_id() -> None:
    with pytest.raises(zoo.WeightsError, match="bfloat16"):
        zoo.model_id_of({"x": torch.zeros(1, dtype=torch.bfloat16)})


def test_no_such_model_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(zoo.WeightsError, match="tiny-64"):
        zoo.load("no-such-model")


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64])
def test_a_file_that_is_no_safetensors_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(zoo.WeightsError, match="not a readable safetensors file"):
        zoo.load(path)


def test_a_truncated_file_is_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(zoo.WeightsError, match="not a readable"):
        zoo.load(weights)


@pytest.mark.parametrize("metadata", [None, {"preset": "huge-4096"}])
def test_an_unknown_preset_is_refused(weights: Path, metadata: dict[str, str] | None) -> None:
    save_file(load_file(str(weights)), str(weights), metadata=metadata)
    with pytest.raises(zoo.WeightsError, match="preset"):
        zoo.load(weights)


def _damage(tensors: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    name = "generator.draw.weight"
    value = tensors[name]
    if how == "missing":
        return {k: v for k, v in tensors.items() if k != name}
    if how == "extra":
        return {**tensors, "another": value.clone()}
    if how == "shape":
        return {**tensors, name: value[:, :1].contiguous()}
    broken = value.clone()
    broken.view(-1)[0] = float("nan" if how == "nan" else "inf")
    return {**tensors, name: broken}


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", "1 tensors missing, first 'generator.draw.weight'"),
        ("extra", "1 tensors unknown to tiny-64, first 'another'"),
        ("shape", r"generator.draw.weight is \[4, 1, 3, 3\]"),
        ("nan", "not finite"),
        ("inf", "not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(weights: Path, how: str, says: str) -> None:
    save_file(_damage(load_file(str(weights)), how), str(weights), metadata={"preset": "tiny-64"})
    with pytest.raises(zoo.WeightsError, match=says):
        zoo.load(weights)


def test_the_tiny_model_is_shipped_small_and_is_found_by_its_id() -> None:
    model = zoo.load("tiny-64")
    assert model.config == PRESETS["tiny-64"]
    assert "tiny-64" in zoo.shipped() and zoo.find(model.model_id) == "tiny-64"
    assert zoo.find(bytes(16)) is None
    assert zoo.weights_path("tiny-64").stat().st_size < 200_000
    pictures = torch.rand(2, 3, 64, 64)
    motion = model.estimate(pictures)
    drawn = model.render(model.appearance(pictures[:1]), model.canonical(pictures[:1]), motion[:1], motion)
    assert drawn.shape == (2, 3, 64, 64) and torch.isfinite(drawn).all()


def test_random_weights_are_the_same_every_time() -> None:
    ids = [zoo.model_id_of(zoo.shipped_tensors(zoo.random_model(PRESETS["tiny-64"], seed=s))) for s in (5, 5, 6)]
    assert ids[0] == ids[1] != ids[2]
