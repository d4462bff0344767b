"""The papers' figures: what is varied is what changes, sources are chosen as said, and all of it can be drawn."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from metric_standins import Channels, PointsAtBrightestPixel

from benchmarks import dropout, hard_subset, key_intervals, paper_curves, streamed
from benchmarks.clips import Clip, write_lossless
from nvc.demo import make_clip
from nvc.rate import coding_point

MODEL = "tiny-64"


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip("small", make_clip(seconds=0.48, side=64), Fraction(25))


def test_a_stream_is_decoded_whole_and_every_byte_is_counted(clip):
    coded = streamed.encode(clip, point=coding_point(5), policy=streamed.ONLY_THE_FIRST, model=MODEL)
    assert coded.size == sum(len(unit.to_bytes()) for unit in coded.units)
    assert coded.motion_bytes_per_frame == coded.bytes_by_unit["motion"] / (len(clip.frames) - 1)
    assert streamed.decode(clip, coded, model=MODEL).frames.shape == clip.frames.shape


def test_one_key_frame_stands_for_whatever_the_head_does():
    noise = Clip("noise", np.random.default_rng(1).integers(0, 256, (12, 3, 64, 64), dtype=np.uint8), Fraction(25))
    coded = streamed.encode(noise, point=coding_point(5), policy=streamed.ONLY_THE_FIRST, model=MODEL)
    assert sum(unit.type.name == "KEYFRAME" for unit in coded.units) == 1


def test_dropout_gives_a_row_for_every_point_and_fewer_coefficients_cost_less(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(dropout, "FACE_STEP", 4)
    write_lossless(clip, tmp_path / "small.mkv")
    rows = dropout.measure_clip(tmp_path / "small.mkv", PointsAtBrightestPixel(), frames=12, model=MODEL)
    assert len(rows) == len(dropout.points()) == len(dropout.means(rows))
    by_count = {row["expression_count"]: row["bytes_per_frame"] for row in rows if row["varied"] == "coefficients"}
    assert by_count[0] < by_count[32]


def test_means_of_dropout_are_over_clips():
    row = {"varied": "steps", "expression_count": None, "expression_quantiser": 1, "pose_quantiser": 1}
    values = [row | {"bytes_per_frame": b, "akd": 1.0, "akd_m": 2.0} for b in (2.0, 4.0)]
    assert dropout.means(values) == [row | {"bytes_per_frame": 3.0, "akd": 1.0, "akd_m": 2.0}]


def test_more_key_frames_and_more_sources_cost_more(clip, monkeypatch):
    monkeypatch.setattr(key_intervals, "INTERVALS", (0.16, 0.32, 8.0))
    monkeypatch.setattr(key_intervals, "SOURCES", (1, 2))
    rows = key_intervals.measure_clip(clip, model=MODEL)
    sizes = {(row["codec"], row["interval"]): row["bytes"] for row in rows}
    assert sizes["nvc, 1 source", 0.16] > sizes["nvc, 1 source", 0.32]
    assert sizes["nvc, 2 sources", 0.32] == sizes["nvc, 1 source", 0.16]
    assert sizes["x264 crf 51", 0.16] > sizes["x264 crf 51", 0.32]
    assert {interval for _, interval in sizes} == {0.16, 0.32}  # the clip is shorter than the third


def test_clips_that_lack_an_interval_stay_out_of_the_mean():
    rows = [{"clip": "long", "codec": "nvc, 1 source", "interval": i, "kbps": 2.0} for i in key_intervals.INTERVALS] + [
        {"clip": "short", "codec": "nvc, 1 source", "interval": 1.0, "kbps": 9.0}
    ]
    assert {(r["kbps"], r["clips"]) for r in key_intervals.means(rows)} == {(2.0, 1)}


def test_the_hardest_frame_looks_furthest_away():
    poses = np.radians(np.array([[0, 5, 80], [20, 0, 0], [-3, -15, 0]], np.float32))  # roll does not count
    assert hard_subset.hardest_frame(poses) == 1
    assert hard_subset.spread(poses) == pytest.approx(np.var([0, 20, -3]) + np.var([5, 0, -15]), rel=1e-4)


def test_every_frame_is_drawn_from_the_hardest_one(clip):
    poses = np.zeros((12, 3), np.float32)
    poses[7, 1] = 0.3
    rows = hard_subset.measure_clip(clip, poses, analyser=PointsAtBrightestPixel(), backbone=Channels(), model=MODEL)
    assert [round(row["degrees"], 1) for row in rows] == [17.2, 17.2, 17.2]
    (found,) = hard_subset.by_difference(rows)
    assert (found["from"], found["to"], found["frames"]) == (15.0, 20.0, 3)


def test_poses_come_from_the_model(clip):
    poses = hard_subset.poses_of(replace(clip, frames=clip.frames[:3]), model=MODEL)
    assert poses.shape == (3, 3) and np.isfinite(poses).all()


def test_the_figures_are_drawn(tmp_path: Path):
    drop = {"clips": 1, "means": [{"varied": "coefficients", "bytes_per_frame": 3.0, "akd": 2.0}]}
    keys = {"means": [{"codec": "x264 crf 51", "interval": 1.0, "kbps": 9.0, "clips": 1}]}
    hard = {"by_difference": [{"degrees": 3.0, "akd": 2.0, "sqp": 0.3}], "variance_of_pose": {"a": 1.0}}
    paper_curves.draw(drop, keys, hard, tmp_path / "figures")
    assert "seconds from one key frame" in (tmp_path / "figures.svg").read_text()
    assert (tmp_path / "figures.png").stat().st_size > 1000
