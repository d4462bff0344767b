"""Folding batch norm changes the cost of a model and not its pictures."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nvc.models.config import PRESETS
from nvc.models.folding import fold_batch_norm
from nvc.models.model import Model
from nvc.models.zoo import random_model


def with_statistics() -> Model:
    """A tiny model whose norms have statistics that differ from their initial ones."""
    model = random_model(PRESETS["tiny-64"], seed=2)
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) * 0.2)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    return model


def test_folding_leaves_no_norm_and_the_same_pictures() -> None:
    model = with_statistics()
    pictures = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    motion = model.estimate(pictures)
    x_c = model.canonical(pictures[:1])
    before = model.render(model.appearance(pictures[:1]), x_c, motion[:1], motion)
    norms = sum(isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d) for m in model.modules())
    assert fold_batch_norm(model) == norms > 20
    assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d) for m in model.modules())
    after = model.render(model.appearance(pictures[:1]), x_c, motion[:1], motion)
    assert torch.allclose(before, after, atol=1e-4)
    assert torch.allclose(model.estimate(pictures).vector(), motion.vector(), atol=1e-4)


def test_a_model_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="evaluation mode"):
        fold_batch_norm(with_statistics().train())
