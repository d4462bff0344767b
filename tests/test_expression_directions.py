"""The script that finds expression controls: planted movements are found again."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from nvc.training import expression_directions as directions
from nvc.training.labels import KEYPOINTS, MESH_POINTS


def mean_face() -> np.ndarray:
    """Points of a symmetric face, spread so that alignment is well posed."""
    rng = np.random.default_rng(5)
    points = rng.uniform(-0.8, 0.8, (MESH_POINTS, 3))
    points[:, 2] *= 0.3
    return points.astype(np.float32)


def write_clip(path, mean: np.ndarray, frames: int) -> None:
    """A face whose lower inner lip alone moves, by up to 20 pixels."""
    points = np.repeat((mean * 0.42 + [1, 1, 0])[None], frames, 0) * 128
    for point in (14, 178, 402):
        points[:, point, 1] += np.linspace(0, 20, frames)
    landmarks = np.round(points * 32).astype(np.int32)
    delta = np.diff(landmarks, axis=0, prepend=np.zeros_like(landmarks[:1]))
    np.savez_compressed(path, landmarks_delta=delta.astype(np.int16))


def test_a_planted_jaw_is_found_and_written(tmp_path, capsys):
    mean = mean_face()
    np.savez(tmp_path / "mean.npz", mean=mean)
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "a.npz", mean, 30)
    out = tmp_path / "controls.json"
    assert directions.main([str(tmp_path / "clips"), "--mean", str(tmp_path / "mean.npz"), "-o", str(out)]) == 0
    table = json.loads(out.read_text())
    assert set(table["controls"]) == set(directions.MEASURES) and table["keypoints"] == len(KEYPOINTS)
    jaw = np.array(table["controls"]["jaw"]["displacement"])
    moved = np.abs(jaw).sum(1)
    assert {int(i) for i in np.argsort(-moved)[:3]} == {KEYPOINTS.index(p) for p in (14, 178, 402)}
    read = (jaw * np.array(table["controls"]["jaw"]["measure"])).sum()
    assert read == pytest.approx(1, abs=0.02)
    assert "jaw" in capsys.readouterr().out


def test_every_measure_is_of_keypoints_and_balanced():
    """A shift of the whole face is no expression."""
    assert torch.allclose(directions.measure_rows().sum(1), torch.zeros(len(directions.MEASURES), 3), atol=1e-6)


def test_folders_without_labels_are_a_usage_error(tmp_path):
    with pytest.raises(SystemExit):
        directions.main([str(tmp_path), "--mean", "x.npz", "-o", "y.json"])
