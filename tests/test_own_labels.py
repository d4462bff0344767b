"""Labels by our own motion network: its keypoints come back from the mesh that it is extended to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from training_pack import mean_face

from nvc.cli import prepare
from nvc.models import zoo
from nvc.pose import HeadMotion, keypoints
from nvc.training.labels import KEYPOINTS, canonical_keypoints, to_half_sides
from nvc.training.own_labels import OwnLabeller, interpolation


@dataclass(frozen=True)
class Sizes:
    name: str = "stand-in"
    side: int = 32


class KnownFace:
    """A stand-in for a model: frame t of a clip holds its number, and the head's motion is known for every t."""

    model_id = b""
    config = Sizes()

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.reference = mean_face() * 0.42
        self.mean_keypoints = self.reference[list(KEYPOINTS)]
        self.expression_basis = 0.02 * torch.randn(4, len(KEYPOINTS), 3, generator=generator)
        self.x_c = self.mean_keypoints + 0.01 * torch.randn(len(KEYPOINTS), 3, generator=generator)
        self.vectors = 0.2 * torch.randn(40, 11, generator=generator)
        self.vectors[:, 5] = 0

    def estimate(self, pictures: Tensor) -> HeadMotion:
        return HeadMotion.from_vector(self.vectors[(pictures[:, 0, 0, 0] * 255).round().long()])

    def canonical(self, pictures: Tensor) -> Tensor:
        noise = 0.2 * (torch.arange(len(pictures)) % 2)[:, None, None]  # every other frame is far off
        return self.x_c + noise * torch.ones(1, len(KEYPOINTS), 3)


def _labels() -> tuple[KnownFace, Tensor]:
    model = KnownFace()
    frames = np.zeros((39, 32, 32, 3), np.uint8) + np.arange(39, dtype=np.uint8)[:, None, None, None]
    labels = OwnLabeller(model, mean_face()).label_clip(frames)  # type: ignore[arg-type]
    assert labels.shape == (39, 478, 3) and labels.dtype == np.int32
    return model, to_half_sides(labels)


def test_keypoints_of_the_network_are_points_of_the_mesh() -> None:
    model, points = _labels()
    expected = keypoints(model.x_c, HeadMotion.from_vector(model.vectors[:39]), model.expression_basis)
    # To the rounding of labels, 1/32 pixel.
    torch.testing.assert_close(points[:, list(KEYPOINTS)], expected, atol=1.1 / (32 * 128), rtol=0)


def test_the_pose_comes_back_from_the_mesh() -> None:
    model, points = _labels()
    pose, _ = canonical_keypoints(points, model.reference, len(KEYPOINTS))
    assert (pose[:, :3] - model.vectors[:39, :3]).abs().mean() < 0.05
    assert (pose[:, 6] - model.vectors[:39, 6]).abs().mean() < 0.05


def test_interpolation_is_exact_where_values_are_known_and_for_affine_ones() -> None:
    points = torch.randn(30, 3, generator=torch.Generator().manual_seed(1))
    weights = interpolation(points, list(range(12)))
    torch.testing.assert_close(weights[:12], torch.eye(12), atol=1e-4, rtol=0)
    affine = points @ torch.tensor([[1.0, 2, 0], [0, 1, 3], [1, 0, -1]]) + 0.5
    torch.testing.assert_close(weights @ affine[:12], affine, atol=1e-3, rtol=0)


def test_a_model_with_other_keypoints_is_refused() -> None:
    with pytest.raises(ValueError, match="48"):
        OwnLabeller(zoo.load("tiny-64"), mean_face())


def test_own_labels_need_the_mean_face(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare.main([str(tmp_path), "-o", str(tmp_path / "out"), "--label", "own"]) == 2
    error = capsys.readouterr().err
    assert "--face" in error and error.count("\n") == 1
