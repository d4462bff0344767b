"""Learning curves: the log of a run that stopped and went on, made small, and drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from training_pack import mean_face, write_pack

from benchmarks.learning_curves import compact, is_validation, main, read_log, without_repeats
from nvc.training.backbone import load_backbone
from nvc.training.data import PackedClips
from nvc.training.loop import Trainer
from nvc.training.recipe import Recipe, Stage
from nvc.training.task import LiteTask


def _row(step: int, pixel: float, *, side: int = 128, **more: float) -> dict[str, Any]:
    return {"step": step, "seconds": 10 * step, "side": side, "pixel": pixel, **more}


def test_what_a_resumed_run_did_twice_counts_once() -> None:
    rows = [_row(1, 0.9), _row(2, 0.8), _row(3, 0.7), _row(2, 0.5), _row(3, 0.4), _row(3, 0.3)]
    assert [(r["step"], r["pixel"]) for r in without_repeats(rows)] == [(1, 0.9), (2, 0.5), (3, 0.3)]


def test_a_validation_row_stays_beside_the_training_row_of_its_step() -> None:
    rows = [_row(1, 0.9), _row(2, 0.8), {"step": 2, "seconds": 20, "val_codec_psnr": 22.0}, _row(3, 0.7)]
    assert without_repeats(rows) == rows


def test_the_copy_is_small_and_keeps_means_stages_and_validation() -> None:
    rows: list[dict[str, Any]] = [_row(i, float(i % 2)) for i in range(1, 1001)]
    rows += [_row(i, 2.0, side=256, keypoint=1.0) for i in range(1001, 1011)]
    rows.insert(500, {"step": 500, "seconds": 5000, "val_codec_psnr": 22.0})
    small = compact(rows, most=100)
    training = [r for r in small if not is_validation(r)]
    assert len(training) <= 102 and len(small) == len(training) + 1
    coarse = [r for r in training if r["side"] == 128]
    assert all(abs(r["pixel"] - 0.5) <= 0.1 for r in coarse)
    assert all(r["pixel"] == 2.0 and r["keypoint"] == 1.0 for r in training if r["side"] == 256)
    assert training[-1]["step"] == 1010


def test_copy_and_figure_come_from_one_command_and_the_figure_from_the_copy_alone(tmp_path: Path) -> None:
    log, copy, figure = tmp_path / "log.jsonl", tmp_path / "copy.jsonl", tmp_path / "docs" / "curves"
    rows = [_row(i, 1 / i, keypoint=0.5) for i in range(1, 50)]
    rows += [_row(i, 1 / i, side=256, keypoint=0.5) for i in range(50, 60)]
    rows.append({"step": 59, "seconds": 590, "val_codec_psnr": 22.0, "val_keypoint_px": 2.0})
    log.write_text("\n".join(json.dumps(r) for r in rows) + '\n{"step": 60, "sec')  # cut off by a crash
    options = ["--copy", str(copy), "--figure", str(figure)]
    assert main([str(log), *options]) == 0
    assert read_log(copy) == compact(rows)
    first = figure.with_suffix(".svg").read_bytes()
    assert b"keypoint" in first and figure.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert main(["--draw", *options]) == 0
    assert figure.with_suffix(".svg").read_bytes() == first


def test_checkpoints_are_validated_afterwards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack, run = write_pack(tmp_path / "pack"), tmp_path / "run"
    data = PackedClips(pack, mean=mean_face(), keypoints=8, expression=8)
    recipe = Recipe("tiny-64", (Stage(side=64, steps=1, sources=2),), bf16=False)
    Trainer(recipe, data, LiteTask(load_backbone(pack / "squeeze.npz")), run).run()
    torch.save({"average": {"other": torch.zeros(1)}, "step": 9, "seconds": 9.0}, run / "other.pt")
    (run / "log.jsonl").write_text(json.dumps(_row(1, 0.5)) + '\n{"step": 1, "seconds": 10, "val_codec_psnr": 1.0}\n')
    options = ["--train", str(pack), "--val", str(pack), "--face", str(pack / "face.npz"), "--preset", "tiny-64"]
    options += ["--perceptual-weights", str(pack / "squeeze.npz"), "--every", "4"]
    options += ["--copy", str(tmp_path / "copy.jsonl"), "--figure", str(tmp_path / "figure")]
    checkpoints = ["--checkpoints", str(run / "other.pt"), str(run / "checkpoint.pt")]
    assert main([str(run / "log.jsonl"), *checkpoints, *options]) == 0
    rows = read_log(tmp_path / "copy.jsonl")
    (validated,) = [row for row in rows if is_validation(row)]
    assert validated["step"] == 1 and validated["val_codec_psnr"] > 5 and len(rows) == 2
    assert validated["checkpoint"] == "checkpoint.pt"
    assert "other.pt: not of this architecture" in capsys.readouterr().err
    (run / "checkpoint.pt").rename(run / "later.pt")
    assert main([str(run / "log.jsonl"), "--checkpoints", str(run / "later.pt"), *options]) == 0
    again = [row["checkpoint"] for row in read_log(tmp_path / "copy.jsonl") if is_validation(row)]
    assert sorted(again) == ["checkpoint.pt", "later.pt"]  # what was validated before is kept
