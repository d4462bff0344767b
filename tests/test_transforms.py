"""The comparison of expression transforms: what is coded comes back, less costs less, the figure follows the JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from training_pack import mean_face, write_pack

import bitstream
from benchmarks import transform_measure, transforms
from benchmarks.transform_coding import GROUP, LEVELS, Curve, code_motion, curves, held_to_grid, sequence_for
from benchmarks.transform_training import train
from benchmarks.transform_variants import Variant
from bitstream import POSE_COUNT, ExpressionTransform, KeyFrame, MotionDecoder, MotionEncoder
from nvc.metrics.faces import Box
from nvc.training.data import PackedClips


def _wandering(frames: int, values: int) -> np.ndarray:
    rng = np.random.default_rng(4)
    return np.cumsum(rng.normal(0, 0.02, (frames, POSE_COUNT + values)), 0).astype(np.float32)


def test_vectors_are_what_a_receiver_decodes() -> None:
    sequence, vectors = sequence_for(12, 4, ExpressionTransform.KEYPOINTS), _wandering(9, 12)
    coded = code_motion(sequence, vectors, 6)
    steps = bitstream.frame_steps(sequence)
    integers = bitstream.quantise(vectors, steps)
    key = KeyFrame(
        presentation_index=0, coded_width=128, coded_height=128, canonical=(0,) * 12,
        pose=tuple(integers[0, :7].tolist()), expression=tuple(integers[0, 7:].tolist()), picture=b"\x00",
    )  # fmt: skip
    encoder, decoder = MotionEncoder(sequence), MotionDecoder(sequence)
    encoder.start(key)
    decoder.start(key)
    # Whatever is put in place of numbers that are not sent.
    payload = encoder.encode(np.concatenate([integers[1:, :13], 0 * integers[1:, 13:]], 1), [6] * 8)
    received = bitstream.dequantise(decoder.decode(payload), steps)
    np.testing.assert_array_equal(coded.vectors[1:], received)
    assert len(payload) < coded.size <= len(payload) + 4  # a unit's header


def test_fewer_numbers_cost_fewer_bytes_and_groups_are_units() -> None:
    sequence, vectors = sequence_for(30, 10, ExpressionTransform.KEYPOINTS), _wandering(2 * GROUP + 1, 30)
    sizes = [code_motion(sequence, vectors, count).size for count in (0, 12, 30)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_every_curve_goes_from_little_to_everything() -> None:
    for curve in Curve:
        sent = [level.sent for level in LEVELS if level.curve is curve]
        assert len(sent) >= 4 and sent == sorted(sent)
    whole = {level.sent for level in LEVELS if level.keypoints == 16 and level.numbers == 32}
    assert whole == {3 * 16 + 32}
    assert min(level.keypoints for level in LEVELS if level.curve is Curve.KEYPOINTS) == 5  # of 20: 75 % dropped


def test_canonical_keypoints_are_rounded_to_the_streams_grid() -> None:
    found = held_to_grid(np.array([0.1, -0.3], np.float32))
    assert np.abs(found - [0.1, -0.3]).max() < 1 / 128 and (found * 128 % 1 == 0).all()


class StandInAnalyser:
    """Sees a face in every picture; its landmarks follow the picture's brightness."""

    def find(self, picture: np.ndarray) -> Box | None:
        return Box(0, 0, 10, 10)

    def landmarks(self, picture: np.ndarray, box: Box) -> np.ndarray:
        return np.full((68, 2), picture.mean(), np.float32)


@pytest.mark.parametrize("variant", list(Variant))
def test_a_variant_is_trained_and_measured_at_every_level(
    variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack, out = write_pack(tmp_path / "pack"), tmp_path / "run"
    state = train(
        variant, pack=pack, face=pack / "face.npz", perceptual_weights=pack / "squeeze.npz", out=out, minutes=9, steps=1
    )
    assert state.step == 1
    monkeypatch.setattr(transform_measure, "FaceAnalyser", StandInAnalyser)
    wanted = [level for level in LEVELS if level.curve.variant is variant]
    monkeypatch.setattr(transform_measure, "LEVELS", tuple(wanted[::3]))
    found = transform_measure.measure(variant, out, val=pack, frames=5, every=2)
    assert found["training"]["pictures"] == 8 and found["training"]["cpu_minutes"] > 0
    assert len(found["points"]) == len(wanted[::3])
    for point in found["points"]:
        assert point["bytes_per_frame"] > 0 and np.isfinite([point["akd"], point["akd_m"], point["psnr"]]).all()
    assert found["still"]["akd"] >= 0


def test_levels_that_send_everything_agree(tmp_path: Path) -> None:
    # Landmarks sent one by one, or rebuilt from the whole code, are the same landmarks but for rounding.
    pack = write_pack(tmp_path / "pack")
    data = PackedClips(pack, mean=mean_face())
    model = transform_measure.build(Variant.PRIOR).eval().requires_grad_(False)
    model.expression_basis.copy_(0.05 * torch.randn(model.expression_basis.shape))
    shot, _ = next(transform_measure.shots(data, frames=5, every=2))
    view = transform_measure.PriorShot(model, shot)
    sent, rebuilt = (
        next(lv for lv in LEVELS if lv.curve is curve and lv.numbers == 32 and lv.keypoints in (0, 16))
        for curve in (Curve.BOTH, Curve.REBUILT)
    )
    drawn = [view.draw(level, view.code(level), shot.at) for level in (sent, rebuilt)]
    assert (drawn[0] - drawn[1]).abs().mean() < 0.02


def test_the_figure_follows_the_json(tmp_path: Path) -> None:
    points = [
        {"curve": level.curve.value, "bytes_per_frame": float(level.sent), "akd": 2.0, "akd_m": 1.0, "psnr": 22.0}
        for level in reversed(LEVELS)
    ]
    result = {
        "points": points,
        "still": {"akd": 3.0, "akd_m": 3.0, "psnr": 20.0},
        "training": {v.value: {"pictures": 8, "cpu_minutes": 1.0, "steps": 1, "minutes": 2.0} for v in Variant},
    }
    (tmp_path / "t.json").write_text(json.dumps(result))
    lines = curves(points)
    assert all(
        [p["bytes_per_frame"] for p in line] == sorted(p["bytes_per_frame"] for p in line) for line in lines.values()
    )
    arguments = ["--draw", "-o", str(tmp_path / "t.json"), "--figure", str(tmp_path / "docs" / "t")]
    assert transforms.main(arguments) == 0
    first = (tmp_path / "docs" / "t.svg").read_bytes()
    assert b"unsupervised" in first and transforms.main(arguments) == 0
    assert (tmp_path / "docs" / "t.svg").read_bytes() == first


def test_measuring_without_data_says_what_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert transforms.main(["-o", str(tmp_path / "t.json")]) == 2
    assert "--val" in capsys.readouterr().err
