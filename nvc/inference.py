"""What both roads need of a network: the model on its device, and pictures in the form that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nvc.colour import Rgb
from nvc.models import zoo
from nvc.models.interface import CodecModel


def load_model(model: str | Path | CodecModel, device: torch.device) -> CodecModel:
    """A model by name or path, or the given one, on a device. Raises zoo.WeightsError."""
    return zoo.load(model, device=device) if isinstance(model, (str, Path)) else model.to(device)


def to_network(pictures: Sequence[Rgb], device: torch.device) -> Tensor:
    """uint8 pictures ``[S, S, 3]`` as the networks take them: float ``[B, 3, S, S]``, 0 to 1."""
    stacked = torch.from_numpy(np.stack(pictures))
    if device.type == "cuda":  # from pinned memory the copy needs no stop on the way
        stacked = stacked.pin_memory()
    stacked = stacked.to(device, non_blocking=True)
    return stacked.permute(0, 3, 1, 2).contiguous().float().div_(255)
