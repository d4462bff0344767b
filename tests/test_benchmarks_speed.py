"""Speed runs report every measurement for every device and number of threads. No timing is asserted."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks import speed
from benchmarks.clips import Clip, write_lossless
from benchmarks.rd import BenchmarkError
from nvc.demo import make_clip


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "small.mkv"
    write_lossless(Clip("small", make_clip(seconds=0.24, side=64), Fraction(25)), path)
    return path


def test_each_thread_count_has_its_row_with_stages(clip_file, tmp_path):
    result = speed.measure_speed(clip_file, frames=4, models=["tiny-64"], threads=[1, 2], repeats=1, conventional=False)
    assert [(row["codec"], row["threads"], row["frames"]) for row in result["rows"]] == [
        ("tiny-64", n, 4) for n in (1, 2)
    ]
    for row in result["rows"]:
        measured = (
            "encode_fps",
            "decode_fps",
            "encode_file_fps",
            "decode_file_fps",
            "first_frame_ms",
            "load_seconds",
            "start_seconds",
            "estimate_ms",
        )
        assert all(row[name] > 0 for name in (*measured, "peak_megabytes"))
        assert any(name.startswith("decode ") and name.endswith("ms/frame") for name in row)
    text = speed.as_text(result)
    assert text.count("tiny-64 cpu") == 4  # in the table of totals and in that of stages
    assert "\ndecode " in text
    speed.save(result, tmp_path / "speed.json")
    assert json.loads((tmp_path / "speed.json").read_text()) == result


def test_conventional_encoders_are_timed_the_same_way(clip_file):
    row = speed.run_job(speed.SpeedJob(clip=str(clip_file), frames=4, codec="x264", crf=51, repeats=1))
    assert row["encode_fps"] > 0 and row["decode_fps"] > 0 and row["crf"] == 51
    assert row["first_frame_ms"] > 0 and row["peak_megabytes"] > 0


def test_a_preset_without_weights_is_timed_on_few_frames_with_random_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(speed.zoo, "shipped", lambda: [])
    first, second = speed._jobs("a.mkv", 100, ["tiny-64", "x.safetensors"], [1], ["cpu"], 3, tmp_path)
    assert (first.codec, first.frames, first.repeats) == ("tiny-64", speed.FRAMES_WITHOUT_WEIGHTS, 1)
    assert first.weights == str(tmp_path / "tiny-64.safetensors") and Path(first.weights).exists()
    assert (second.codec, second.frames, second.repeats, second.weights) == ("x.safetensors", 100, 3, None)


def test_a_device_that_is_missing_is_said(clip_file):
    with pytest.raises(BenchmarkError, match="cuda:99"):
        speed.measure_speed(
            clip_file, frames=2, models=["tiny-64"], threads=[1], devices=["cuda:99"], conventional=False, repeats=1
        )
