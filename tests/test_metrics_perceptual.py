"""Feature distances: known answers on stand-ins, published shapes and names, and weights that are never unpickled."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from metric_standins import Channels, brighter
from torch import Tensor

from nvc import metrics
from nvc.metrics import MetricError
from nvc.metrics.backbones import AlexNet, SmoothVgg16, SqueezeNet10, Vgg16, load_tensors, standardise


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (3, 3, 48, 40), dtype=np.uint8)


def random_tensors(network: type, seed: int = 0) -> dict[str, Tensor]:
    """Weights of the shapes that a network asks for, found by asking it."""
    generator, tensors = torch.Generator().manual_seed(seed), {}
    while True:
        try:
            network(tensors)
            return tensors
        except MetricError as error:
            message = str(error)
            if "no tensor" in message:
                missing = message.split()[-1]
                tensors[missing] = torch.zeros(1)
            else:
                name, shape = message.split()[1], message.rsplit("must be ", 1)[1]
                sides = [int(number) for number in shape.strip("[]").split(",")]
                scale = math.prod(sides[1:]) ** -0.5
                tensors[name] = torch.randn(sides, generator=generator) * scale


def test_perceptual_distance_of_opposite_colours():
    red, green = np.zeros((1, 3, 8, 8), np.uint8), np.zeros((1, 3, 8, 8), np.uint8)
    red[:, 0], green[:, 1] = 200, 90
    assert metrics.perceptual(red, green, backbone=Channels()) == pytest.approx(2.0, abs=1e-5)


def test_lpips_weighs_channels_and_sums_layers():
    red, green = np.zeros((1, 3, 8, 8), np.uint8), np.zeros((1, 3, 8, 8), np.uint8)
    red[:, 0], green[:, 1] = 200, 90
    linear = [torch.tensor([0.5, 0.25, 9.0]), torch.tensor([1.0, 0.0, 9.0])]
    assert metrics.lpips(red, green, backbone=Channels(), linear=linear) == pytest.approx(1.75, abs=1e-5)


@pytest.mark.parametrize("linear", [[torch.ones(3)], [torch.ones(3), torch.ones(4)], [torch.ones(3), -torch.ones(3)]])
def test_linear_weights_that_do_not_fit_are_refused(noise, linear):
    with pytest.raises(MetricError, match="linear weights"):
        metrics.lpips(noise, noise, backbone=Channels(), linear=linear)


def test_lpips_linear_reads_published_names():
    tensors = {f"lin{index}.model.1.weight": torch.full((1, 3, 1, 1), float(index)) for index in range(2)}
    assert [weights.tolist() for weights in metrics.lpips_linear(tensors, Channels())] == [[0.0] * 3, [1.0] * 3]


@pytest.mark.parametrize(
    ("network", "sides"),
    [
        (SqueezeNet10, [29, 14, 7, 7, 3]),
        (AlexNet, [15, 7, 3, 3, 3]),
        (Vgg16, [64, 32, 16, 8, 4]),
        (SmoothVgg16, [64, 32, 16, 8, 4]),
    ],
)
def test_backbones_have_the_published_widths_and_sizes(network, sides):
    backbone = network(random_tensors(network))
    maps = backbone(torch.full((1, 3, 64, 64), 128.0))
    assert [features.shape[1] for features in maps] == list(backbone.channels)
    assert [features.shape[2] for features in maps] == sides


def test_alexnet_is_its_sequential_self():
    tensors = random_tensors(AlexNet)
    layers = [
        torch.nn.Conv2d(3, 64, 11, 4, 2),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2),
        torch.nn.Conv2d(64, 192, 5, 1, 2),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2),
        torch.nn.Conv2d(192, 384, 3, 1, 1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(384, 256, 3, 1, 1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(256, 256, 3, 1, 1),
        torch.nn.ReLU(),
    ]
    network = torch.nn.Sequential(*layers)
    network.load_state_dict({name.removeprefix("features."): tensor for name, tensor in tensors.items()})
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        expected = network(standardise(pictures))
    assert torch.allclose(AlexNet(tensors)(pictures)[-1], expected, atol=1e-5)


def test_dists_is_zero_for_identity_and_grows_with_damage(noise):
    backbone = SmoothVgg16(random_tensors(SmoothVgg16))
    alpha, beta = torch.full((1475,), 0.5), torch.full((1475,), 0.5)
    weights = {"backbone": backbone, "alpha": alpha, "beta": beta}
    blurred = torch.nn.functional.avg_pool2d(torch.from_numpy(noise).float(), 3, 1, 1).round().byte().numpy()
    assert metrics.dists(noise, noise, **weights) == pytest.approx(0.0, abs=1e-4)
    assert metrics.dists(noise, blurred, **weights) > metrics.dists(noise, brighter(noise, 3), **weights) > 1e-5


def test_dists_texture_term_ignores_where_things_are(noise):
    backbone = SmoothVgg16(random_tensors(SmoothVgg16))
    colours_only = torch.zeros(1475)
    colours_only[:3] = 1.0
    rolled = np.roll(noise, 7, axis=3)
    options = {"backbone": backbone, "alpha": colours_only, "beta": torch.zeros(1475)}
    assert metrics.dists(noise, rolled, **options) == pytest.approx(0.0, abs=1e-5)
    assert metrics.dists(noise, rolled, backbone=backbone, alpha=torch.zeros(1475), beta=colours_only) > 0.5


def test_dists_needs_1475_weights(noise):
    backbone = SmoothVgg16(random_tensors(SmoothVgg16))
    with pytest.raises(MetricError, match="1475"):
        metrics.dists(noise, noise, backbone=backbone, alpha=torch.ones(3), beta=torch.ones(1475))


def test_weights_load_from_npz_and_safetensors(tmp_path):
    from safetensors.torch import save_file

    tensors = {"a.weight": torch.arange(6.0).view(2, 3).half()}
    np.savez(tmp_path / "w.npz", **{name: tensor.numpy() for name, tensor in tensors.items()})
    save_file(tensors, tmp_path / "w.safetensors")
    for name in ("w.npz", "w.safetensors"):
        loaded = load_tensors(tmp_path / name)
        assert loaded["a.weight"].dtype == torch.float32
        assert torch.equal(loaded["a.weight"], tensors["a.weight"].float())


def test_weights_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "evil.npz", payload=np.array([{"a": 1}], dtype=object))
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    (tmp_path / "damaged.safetensors").write_bytes(b"\x00" * 20)
    np.savez(tmp_path / "nan.npz", a=np.array([np.nan], np.float32))
    for name in ("evil.npz", "w.pth", "damaged.safetensors", "nan.npz", "missing.npz"):
        with pytest.raises(MetricError):
            load_tensors(tmp_path / name)
