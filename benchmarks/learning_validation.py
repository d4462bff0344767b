"""Validation of a run's checkpoints, one after the other, on the same pairs: points for the learning curves."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nvc.models import zoo
from nvc.training.backbone import load_backbone
from nvc.training.data import PackedClips
from nvc.training.kinds import label_index, label_sizes
from nvc.training.validate import Validator


def validate_checkpoints(
    checkpoints: Iterable[Path],
    *,
    preset: str,
    train: Path,
    val: Path,
    face: Path,
    perceptual_weights: Path,
    every: int,
    side: int | None = None,
) -> list[dict[str, Any]]:
    """Figures of the averaged weights in each checkpoint, in order of step.

    Args:
        checkpoints: files that `nvc-train` wrote. One of another architecture is left out, with a line on stderr.
        preset: what they are checkpoints of.
        train: the training pack, whose face shape labels the validation pack.
        val: pack of other people.
        face: .npz with the mean face.
        perceptual_weights: of the perceptual backbone.
        every: one frame in this many is drawn.
        side: of the pictures; the preset's when not given.
    """
    keypoints, expression = label_sizes(preset)
    with np.load(face) as arrays:
        mean = torch.from_numpy(arrays["mean"].astype(np.float32))
    shape = PackedClips(train, mean=mean, keypoints=keypoints, expression=expression).shape
    people, backbone = PackedClips(val, shape=shape), load_backbone(perceptual_weights)
    rows = []
    with tempfile.TemporaryDirectory() as sheets:
        validator = Validator(people, backbone, Path(sheets), every=every, index=label_index(preset))
        for path in checkpoints:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            model = zoo.build(preset)
            try:
                model.load_state_dict(saved["average"])
            except RuntimeError as error:
                print(f"{path}: not of this architecture: {str(error).splitlines()[0]}", file=sys.stderr)
                continue
            model.eval().requires_grad_(False)
            figures = validator(model, side or model.config.side)
            rows.append({"step": saved["step"], "seconds": round(saved["seconds"]), "checkpoint": path.name, **figures})
    return sorted(rows, key=lambda row: row["step"])
