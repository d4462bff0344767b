"""LPIPS, DISTS and VMAF in a run: from files by published names, in the result by name, and part of the request."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_standins import brighter

from benchmarks import extra_metrics
from benchmarks.extra_metrics import ExtraMetrics
from benchmarks.rd import Job
from nvc.metrics import MetricError, measure
from nvc.metrics.backbones import AlexNet


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory) -> tuple[str, str, str]:
    folder = tmp_path_factory.mktemp("weights")
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for (name, inputs, side, *_), outputs in zip(AlexNet._LAYERS, AlexNet.channels, strict=True):
        tensors[f"{name}.weight"] = torch.randn(outputs, inputs, side, side, generator=generator) / side
        tensors[f"{name}.bias"] = torch.zeros(outputs)
    linear = {f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1) for i, c in enumerate(AlexNet.channels)}
    np.savez(folder / "alex.npz", **{name: value.numpy() for name, value in tensors.items()})
    np.savez(folder / "linear.npz", **{name: value.numpy() for name, value in linear.items()})
    return "alex", str(folder / "alex.npz"), str(folder / "linear.npz")


def test_lpips_from_files_is_zero_for_the_same_and_grows_with_damage(alexnet):
    lpips = ExtraMetrics(lpips=alexnet).measures()["lpips"]
    clip = np.random.default_rng(2).integers(0, 200, (1, 3, 64, 64), dtype=np.uint8)
    noise = np.random.default_rng(3).integers(0, 200, (1, 3, 64, 64), dtype=np.uint8)
    assert lpips(clip, clip) == pytest.approx(0, abs=1e-6)
    assert 0 < lpips(clip, brighter(clip, 9)) < lpips(clip, noise)


def test_extra_measurements_stand_beside_the_usual_ones(face_clip):
    quality = measure(face_clip, face_clip, extra={"vmaf": lambda a, b: 100.0 * len(a) / len(b)})
    assert quality.as_dict()["vmaf"] == 100.0 and "extra" not in quality.as_dict()


def test_a_request_names_what_was_measured_without_paths():
    plain = Job(clip="a.mp4", codec="x264", point="crf51", frames=4)
    job = Job(clip="a.mp4", codec="x264", point="crf51", frames=4, extra=ExtraMetrics(lpips=("vgg", "/x/v", "/x/l")))
    assert job.request() == plain.request() | {"lpips": "vgg"}
    assert ExtraMetrics(dists=("v", "w"), vmaf=True).request() == {"dists": True, "vmaf": True}


def test_unknown_networks_and_incomplete_weights_are_named(alexnet, tmp_path, monkeypatch):
    with pytest.raises(MetricError, match="alex, vgg"):
        ExtraMetrics(lpips=("resnet", "a", "b")).measures()
    np.savez(tmp_path / "half.npz", alpha=np.ones(1475, np.float32))
    monkeypatch.setattr(extra_metrics, "SmoothVgg16", lambda tensors: None)
    with pytest.raises(MetricError, match="beta"):
        ExtraMetrics(dists=(alexnet[1], str(tmp_path / "half.npz"))).measures()
