"""Presets by name: what can be built, saved and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from paper_standins import TINY_PAPER

from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.models.paper import PaperModel
from nvc.models.paper_blocks import fix_spectral_norm
from nvc.models.paper_config import PAPER_PRESETS
from nvc.pose import HeadMotion


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> PaperModel:
    monkeypatch.setitem(PAPER_PRESETS, "tiny-paper", TINY_PAPER)
    torch.manual_seed(0)
    model = PaperModel(TINY_PAPER).train()
    with torch.no_grad():  # statistics and norms that are not those of a fresh model
        for _ in range(3):
            pictures = torch.rand(2, 3, 32, 32)
            model.draw(model.appearance(pictures), model.canonical(pictures), *[model.estimate(pictures)] * 2)
    return model.eval()


def _drawn(model: CodecModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    pictures = torch.rand(2, 3, 32, 32, generator=generator)
    motion = HeadMotion.from_vector(0.2 * torch.randn(2, 19, generator=generator))
    with torch.no_grad():
        source, x_c = model.appearance(pictures[:1]), model.canonical(pictures[:1])
        return model.render(source, x_c, model.estimate(pictures[:1]), motion)


@pytest.mark.parametrize("name", ["lite-256", "tiny-64", "paper-256", "paper-512", "prior-256"])
def test_every_preset_is_built_by_name(name: str) -> None:
    assert name in zoo.presets()
    with torch.device("meta"):
        model = zoo.build(name)
    assert model.config.name == name and model.config.side == int(name.split("-")[1])
    assert model.mean_keypoints.shape == (model.config.keypoints, 3)
    assert model.expression_basis.shape == (model.config.expression, model.config.keypoints, 3)
    assert model.model_id == b""


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(zoo.WeightsError, match="paper-256"):
        zoo.build("paper-1024")


def test_a_preset_without_weights_here_says_which_have_some() -> None:
    assert "paper-512" not in zoo.shipped()
    with pytest.raises(zoo.WeightsError, match="tiny-64"):
        zoo.load("paper-512")


def test_a_loaded_paper_model_draws_what_was_saved(tiny: PaperModel, tmp_path: Path) -> None:
    path = tmp_path / "paper.safetensors"
    written = zoo.save(tiny, path)
    loaded = zoo.load(path)
    assert loaded.model_id == written and loaded.config == TINY_PAPER
    # Shipped as float16, with batch norm and spectral norm folded away.
    assert (_drawn(loaded) - _drawn(tiny)).abs().max() < 2e-2
    names = list(loaded.state_dict())
    assert not [n for n in names if "parametrizations" in n]
    assert len([n for n in names if "running_mean" in n]) < len([n for n in tiny.state_dict() if "running_mean" in n])


def test_fixing_spectral_norm_changes_no_picture(tiny: PaperModel) -> None:
    before = _drawn(tiny)
    assert fix_spectral_norm(tiny) > 0
    torch.testing.assert_close(_drawn(tiny), before, atol=1e-5, rtol=0)
    assert fix_spectral_norm(tiny) == 0


def test_spectral_norm_is_not_fixed_in_training(tiny: PaperModel) -> None:
    with pytest.raises(ValueError, match="evaluation mode"):
        fix_spectral_norm(tiny.train())
