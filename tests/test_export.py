"""Exported graphs give the numbers and pictures of the networks that they were made from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nvc.cli.export import main
from nvc.export import OnnxCodec, export
from nvc.models import zoo
from nvc.models.model import Model
from nvc.pose import HeadMotion

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx")
    assert main(["-o", str(path / "tiny"), "--model", "tiny-64"]) == 0
    return path / "tiny"


@pytest.fixture(scope="module")
def model() -> Model:
    return zoo.load("tiny-64")  # type: ignore[return-value]


def test_the_estimator_gives_the_same_numbers_for_any_batch(folder: Path, model: Model, small_clip: np.ndarray) -> None:
    pictures = small_clip[:3].astype(np.float32) / 255
    motion, canonical = OnnxCodec(folder, threads=1).estimate(pictures)
    assert np.allclose(motion, model.estimate(torch.from_numpy(pictures)).vector().numpy(), atol=1e-4)
    assert np.allclose(canonical, model.canonical(torch.from_numpy(pictures)).numpy(), atol=1e-4)
    assert not np.allclose(motion[0], motion[2], atol=1e-4)


def test_the_frame_decoder_draws_the_same_pictures(folder: Path, model: Model, small_clip: np.ndarray) -> None:
    codec = OnnxCodec(folder, threads=1)
    picture = small_clip[:1].astype(np.float32) / 255
    canonical = model.mean_keypoints.numpy()
    generator = torch.Generator().manual_seed(4)
    motion = 0.1 * torch.randn(3, 7 + codec.expression, generator=generator)
    drawn = np.stack(list(codec.render(codec.appearance(picture), canonical, motion[:1].numpy(), motion.numpy())))
    features = model.appearance(torch.from_numpy(picture))
    still, moving = HeadMotion.from_vector(motion[:1]), HeadMotion.from_vector(motion)
    wanted = model.render(features, model.mean_keypoints, still, moving).numpy()
    assert drawn.shape == (3, 3, codec.side, codec.side)
    assert -10 * np.log10(np.mean((drawn - wanted) ** 2)) > 45
    assert np.abs(drawn[1] - drawn[2]).max() > 0.01


def test_the_files_say_which_model_they_are_and_are_not_overwritten(folder: Path, model: Model, capsys) -> None:
    facts = json.loads((folder / "model.json").read_text())
    assert facts["model_id"] == model.model_id.hex() and facts["opset"] >= 20
    assert main(["-o", str(folder), "--model", "tiny-64"]) == 1
    assert "not empty" in capsys.readouterr().err
    assert main(["-o", str(folder), "--model", "tiny-64", "-f"]) == 0
    assert main(["-o", str(folder), "--model", "no-such-model", "-f"]) == 4


def test_what_cannot_be_exported_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lite models"):
        export(torch.nn.Identity(), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(OSError):
        OnnxCodec(tmp_path)
