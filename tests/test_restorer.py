"""The restorer of small key pictures: it begins as an enlargement, stays within its budget, and learns."""

from __future__ import annotations

import json

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.small_keys import restored, smaller
from nvc.models.restorer import Restorer, load_restorer, save_restorer
from nvc.training import restoring


def pack(folder, small_clip) -> None:
    frames = np.ascontiguousarray(small_clip.transpose(0, 2, 3, 1))
    frames = frames.repeat(2, 1).repeat(2, 2)
    np.save(folder / "frames.npy", frames)
    (folder / "clips.json").write_text(json.dumps([{"name": "a", "start": 0, "count": len(frames), "kind": "train"}]))


def test_untrained_it_only_enlarges():
    small = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    enlarged = F.interpolate(small, scale_factor=2.0, mode="bicubic", align_corners=False)
    assert torch.equal(Restorer()(small), enlarged)


def test_it_is_within_eight_gflop():
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Restorer()(torch.zeros(1, 3, 128, 128))
    assert 3e9 < counter.get_total_flops() < 8e9


def test_weights_come_back(tmp_path):
    model = Restorer()
    torch.nn.init.normal_(model.tail.weight, std=0.01)
    save_restorer(model, tmp_path / "r.safetensors")
    loaded = load_restorer(tmp_path / "r.safetensors")
    small = torch.rand(1, 3, 16, 16)
    assert torch.allclose(loaded(small), model(small), atol=2e-3)
    assert not loaded.tail.weight.requires_grad


def test_a_budget_is_kept_if_it_can_be(small_clip):
    frame = np.ascontiguousarray(small_clip[0].transpose(1, 2, 0))
    data, picture = smaller(frame, 32, 400)
    assert len(data) <= 400 and picture.shape == (32, 32, 3)
    finer, _ = smaller(frame, 32, 4000)
    assert len(finer) > len(data)


def test_restoring_takes_any_coded_side(small_clip):
    frame = np.ascontiguousarray(small_clip[0].transpose(1, 2, 0))
    assert restored(frame[:40, :40].copy(), 64, Restorer().eval()).shape == (64, 64, 3)


def test_training_learns_to_sharpen(tmp_path, small_clip, monkeypatch):
    pack(tmp_path, small_clip)
    monkeypatch.setattr(restoring, "_PATCH", 24)
    ticks = iter(range(10_000))
    monkeypatch.setattr(restoring.time, "monotonic", lambda: float(next(ticks)))
    model = restoring.train(tmp_path, minutes=1.0, pictures=3, report=False)  # 60 steps of a clock that ticks
    large, small = restoring.make_pairs(tmp_path, 3, seed=0)
    batch = torch.from_numpy(small).permute(0, 3, 1, 2).float() / 255
    target = torch.from_numpy(large).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        better = F.l1_loss(model(batch), target)
    assert better < F.l1_loss(Restorer()(batch), target)
