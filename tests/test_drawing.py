"""The fast way to draw gives the pictures of the network as it is, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nvc.drawing import FastDrawer, PlainDrawer, Precision, drawer_for
from nvc.models import packed, zoo
from nvc.models.folding import is_folded
from nvc.models.layers import warp
from nvc.models.model import Model
from nvc.models.sampling import FlatTaps, VolumeTaps, doubling, rows_of
from nvc.pose import HeadMotion

CPU = torch.device("cpu")


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def heads(model: Model, count: int) -> HeadMotion:
    generator = torch.Generator().manual_seed(3)
    return HeadMotion.from_vector(0.1 * torch.randn(count, 7 + model.config.expression, generator=generator))


def drawn(drawer: FastDrawer | PlainDrawer, model: Model, picture: np.ndarray, count: int) -> np.ndarray:
    motion = heads(model, count)
    with torch.inference_mode():
        source = drawer.prepare(picture, model.mean_keypoints, motion[:1])
        return np.stack(list(drawer.draw(source, motion)))


@pytest.fixture(scope="module")
def tiny() -> Model:
    return zoo.load("tiny-64")  # type: ignore[return-value]


@pytest.fixture
def picture(small_clip: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(small_clip[0].transpose(1, 2, 0))


@pytest.fixture
def face(face_clip: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(face_clip[0].transpose(1, 2, 0))


def test_float32_is_the_network_as_it_is(tiny: Model, picture: np.ndarray) -> None:
    fast = drawn(FastDrawer(tiny, precision=Precision.FLOAT32, workers=1), tiny, picture, 3)
    plain = drawn(PlainDrawer(tiny, CPU), tiny, picture, 3)
    assert fast.shape == plain.shape == (3, 3, 64, 64)
    assert decibels(fast, plain) > 70
    assert decibels(plain[1], plain[2]) < 60  # other heads are other pictures


def test_bfloat16_of_the_default_model_is_within_the_tolerance(face: np.ndarray) -> None:
    model = zoo.load("lite-256")
    assert isinstance(model, Model)
    rounded = drawn(FastDrawer(model, precision=Precision.BFLOAT16, workers=1), model, face, 2)
    exact = drawn(PlainDrawer(model, CPU), model, face, 2)
    assert 45 < decibels(rounded, exact) < 200


def test_workers_give_the_same_pictures_in_the_same_order(tiny: Model, picture: np.ndarray) -> None:
    before = torch.get_num_threads()
    alone = drawn(FastDrawer(tiny, workers=1), tiny, picture, 7)
    together = drawn(FastDrawer(tiny, workers=3), tiny, picture, 7)
    assert np.array_equal(alone, together)
    assert torch.get_num_threads() == before


def test_without_the_fused_operators_the_pictures_are_the_same(
    tiny: Model, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = drawn(FastDrawer(tiny, workers=1), tiny, picture, 2)
    monkeypatch.setattr(packed, "has_fused_convolutions", lambda: False)
    plain = drawn(FastDrawer(tiny, precision=Precision.FLOAT32, workers=1), tiny, picture, 2)
    assert decibels(fused, plain) > 70


def test_the_choice_of_drawer_follows_model_and_precision(tiny: Model) -> None:
    assert isinstance(drawer_for(tiny, CPU), FastDrawer)
    unfolded = zoo.random_model(tiny.config, 1)
    assert not is_folded(unfolded)
    assert isinstance(drawer_for(unfolded, CPU), PlainDrawer)
    with pytest.raises(ValueError, match="float8"):
        Precision("float8")


def test_volumes_are_computed_directly_to_the_same_numbers(tiny: Model) -> None:
    volume = torch.randn(1, 4, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    layer = next(module for module in tiny.source.modules() if isinstance(module, torch.nn.Conv3d))
    plain = torch.nn.functional.conv3d(volume, layer.weight, layer.bias, padding=1)
    with torch.inference_mode():
        direct = layer(volume)
    assert type(layer) is not torch.nn.Conv3d
    assert torch.allclose(direct, plain, atol=1e-4) and torch.equal(layer(volume), plain)


def test_taps_sample_as_grid_sample_does_beyond_the_border_too() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, 5, 8, 8, generator=generator)
    flow = 2.6 * torch.rand(6, 6, 2, generator=generator) - 1.3
    wanted = warp(features, flow[None])[0].flatten(1).t()
    taps = FlatTaps(8, 36)(flow.view(-1, 2).t().contiguous())
    assert torch.allclose(taps.sample(rows_of(features)), wanted, atol=1e-5)
    assert torch.allclose(taps.weights.sum(1), torch.ones(36), atol=1e-6)


def test_volume_taps_sample_as_grid_sample_does() -> None:
    generator = torch.Generator().manual_seed(1)
    volume = torch.randn(1, 3, 4, 6, 6, generator=generator)
    flow = 2.6 * torch.rand(40, 3, generator=generator) - 1.3
    grid = flow.view(1, 1, 1, 40, 3)
    wanted = torch.nn.functional.grid_sample(volume, grid, padding_mode="border", align_corners=False)
    got = VolumeTaps(6, 4, 40)(flow.t().contiguous()).sample(rows_of(volume))
    assert torch.allclose(got, wanted.view(3, 40).t(), atol=1e-5)


def test_doubling_is_bilinear_enlargement() -> None:
    x = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    matrix: Tensor = doubling(4, 16)
    wanted = torch.nn.functional.interpolate(x, size=(16, 16), mode="bilinear", align_corners=False)[0, 0]
    assert torch.allclose(matrix @ x[0, 0] @ matrix.t(), wanted, atol=1e-6)
