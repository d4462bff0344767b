"""Rate-distortion runs: anchors are counted fairly, runs resume, failures are recorded, and points are named."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import nvc_codec, rd
from benchmarks.anchors import ANCHORS, _encode, _nal_units, code, payload_size
from benchmarks.clips import Clip, read_clip, write_lossless, write_playable
from benchmarks.nvc_codec import NvcPoint
from nvc.demo import make_clip
from nvc.metrics import psnr

FULL_SIZE = [name for name in ANCHORS if "-half" not in name]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip("astronaut", make_clip(seconds=0.24, side=176), Fraction(25))


@pytest.fixture(scope="module")
def clip_file(clip, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "astronaut.mkv"
    write_lossless(clip, path)
    return path


def test_lossless_files_give_the_same_pixels(clip, clip_file):
    again = read_clip(clip_file)
    assert np.array_equal(again.frames, clip.frames)
    assert again.frame_rate == 25 and again.name == "astronaut"


def test_reading_stops_at_the_limit(clip_file):
    assert len(read_clip(clip_file, limit=2).frames) == 2


def test_rate_is_bits_over_playing_time(clip):
    assert clip.kbps(1000) == pytest.approx(8 / 0.24)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_anchors_return_every_frame_at_a_plausible_quality(clip, name):
    anchor = ANCHORS[name]
    coded = code(clip, anchor, anchor.points[0])
    assert coded.clip.frames.shape == clip.frames.shape
    assert psnr(clip.frames, coded.clip.frames) > 28
    assert 0 < coded.size < clip.frames.size


@pytest.mark.parametrize("name", FULL_SIZE)
def test_coarser_points_cost_fewer_bytes(clip, name):
    anchor = ANCHORS[name]
    assert code(clip, anchor, anchor.points[-1]).size < code(clip, anchor, anchor.points[0]).size


@pytest.mark.parametrize("name", FULL_SIZE)
def test_anchors_have_one_key_frame(name):
    noise = np.random.default_rng(1).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)  # a new scene in every frame
    anchor = ANCHORS[name]
    packets = _encode(list(noise), Fraction(25), anchor, anchor.points[-1])
    assert sum(is_key_frame(packet, anchor.encoder) for packet in packets) == 1


def is_key_frame(packet: bytes, encoder: str) -> bool:
    if encoder == "libvpx-vp9":
        return packet[0] & 0b1100 == 0b0000 and packet[0] >> 6 == 0b10  # not show_existing_frame, frame_type 0
    if encoder == "libsvtav1":
        return b"\x0a\x0b" in packet[:16] or b"\x0a\x0a" in packet[:16]  # a sequence header comes with a key frame
    kinds = [unit[unit.index(b"\x01") + 1] for unit in _nal_units(packet)]
    return any(kind & 31 == 5 if encoder == "libx264" else kind >> 1 & 63 in (19, 20) for kind in kinds)


def test_av1_reaches_below_the_range_of_the_usual_option(clip):
    anchor = ANCHORS["av1"]
    assert anchor.points[-1] > 63 and anchor.options_at(70)["svtav1-params"].endswith(":crf=70")
    assert code(clip, anchor, 70).size < code(clip, anchor, 63).size


@pytest.mark.parametrize("filter_name", ["bicubic", "lanczos"])
def test_half_size_costs_fewer_bytes_and_comes_back_at_full_size(clip, filter_name):
    full, half = ANCHORS["x264"], ANCHORS[f"x264-half-{filter_name}"]
    coded = code(clip, half, 40)
    assert coded.clip.frames.shape == clip.frames.shape
    assert coded.size < code(clip, full, 40).size
    assert psnr(clip.frames, coded.clip.frames) > 20


def test_upscaling_filters_differ(clip):
    sharp, soft = (code(clip, ANCHORS[f"x264-half-{name}"], 40).clip.frames for name in ("lanczos", "bicubic"))
    assert not np.array_equal(sharp, soft)


def test_encoder_text_is_not_counted():
    slice_unit = b"\x00\x00\x01\x65abc"
    text = b"\x00\x00\x01\x06\x05\x20x264 - core"
    recovery = b"\x00\x00\x01\x06\x06\x01\x80"
    assert payload_size(text + recovery + slice_unit, "libx264") == len(recovery) + len(slice_unit)
    prefix = b"\x00\x00\x00\x01\x4e\x01\x05\x20x265 (build"
    assert payload_size(prefix + b"\x00\x00\x01\x26\x01abc", "libx265") == 8
    assert payload_size(b"\x12\x00\x0a\x0b", "libsvtav1") == 2
    assert payload_size(text, "libvpx-vp9") == len(text)


def test_real_encoder_text_is_found(clip):
    pictures = [picture.transpose(1, 2, 0) for picture in clip.frames[:1]]
    for name in ("x264", "x265"):
        anchor = ANCHORS[name]
        packet = b"".join(_encode(pictures, clip.frame_rate, anchor, 51))
        if name in packet.decode("latin1"):
            assert len(packet) - payload_size(packet, anchor.encoder) > 100


def test_a_run_resumes_and_repeats_what_failed(clip_file, tmp_path):
    jobs = rd.plan([clip_file], ["x264"], frames=4, faces=False, quick=True)
    broken = rd.plan([tmp_path / "missing.mkv"], ["x264"], frames=4, faces=False, quick=True)
    assert rd.run(jobs + broken[:1], tmp_path / "out", progress=False) == {"done": 2, "failed": 1, "kept": 0}
    failed = json.loads((tmp_path / "out" / f"{broken[0].name}.json").read_text())
    assert failed["status"] == "failed" and "missing.mkv" in failed["error"]
    assert rd.run(jobs + broken[:1], tmp_path / "out", progress=False) == {"done": 0, "failed": 1, "kept": 2}
    assert rd.run(jobs, tmp_path / "out", progress=False, redo=["x264"])["done"] == 2


def test_a_result_says_what_was_measured_and_how(clip_file, tmp_path):
    (job,) = [job for job in rd.plan([clip_file], ["x264"], frames=3, faces=False) if job.point == "crf40"]
    rd.run([job], tmp_path, progress=False)
    result = json.loads((tmp_path / "astronaut--x264--crf40.json").read_text())
    assert result["frames"] == 3 and result["status"] == "ok"
    assert result["kbps"] == pytest.approx(result["bytes"] * 8 / 1000 / (3 / 25))
    assert result["options"]["preset"] == "veryslow" and result["options"]["crf"] == "40"
    assert result["bytes_by_unit"] == {"video": result["bytes"]}
    assert result["versions"]["av"] and result["machine"]["cores"] >= 1
    assert str(tmp_path) not in json.dumps(result) and str(clip_file.parent) not in json.dumps(result)


def test_another_request_is_measured_again(clip_file, tmp_path):
    (job,) = [job for job in rd.plan([clip_file], ["x264"], frames=3, faces=False) if job.point == "crf51"]
    rd.run([job], tmp_path, progress=False)
    (longer,) = [job for job in rd.plan([clip_file], ["x264"], frames=4, faces=False) if job.point == "crf51"]
    assert rd.is_done(job, tmp_path) and not rd.is_done(longer, tmp_path)


def test_a_result_cut_short_is_not_done(clip_file, tmp_path):
    job = rd.plan([clip_file], ["x264"])[0]
    (tmp_path / f"{job.name}.json").write_text('{"status": "o')
    assert not rd.is_done(job, tmp_path)


def test_quick_runs_are_short(clip_file):
    jobs = rd.plan([clip_file], ["x264", "av1-ld-half-lanczos"], quick=True)
    assert len(jobs) == 4 and all(job.frames == 25 for job in jobs)


def test_all_codecs_have_one_name():
    codecs = {job.codec for job in rd.plan(["a.mp4"], ["all"])}
    assert codecs == {"nvc", *ANCHORS} and len(ANCHORS) == 18
    assert {job.codec for job in rd.plan(["a.mp4"], ["nvc", "anchors"])} == codecs


@pytest.mark.parametrize("codecs", [["x266"], ["nvc2"], [""]])
def test_unknown_codecs_are_named(codecs):
    with pytest.raises(rd.BenchmarkError, match="there are nvc, x264"):
        rd.plan(["a.mp4"], codecs)


def test_clips_of_one_name_are_refused():
    with pytest.raises(rd.BenchmarkError, match="same file name"):
        rd.plan(["one/a.mp4", "two/a.mkv"], ["x264"])


def test_results_that_are_not_there_are_said(tmp_path):
    with pytest.raises(rd.BenchmarkError, match="no results"):
        rd.load_results([tmp_path])


def test_playable_files_are_visually_lossless(clip, tmp_path):
    write_playable(clip, tmp_path / "a.mp4")
    assert psnr(clip.frames, read_clip(tmp_path / "a.mp4").frames) > 36


@given(
    st.one_of(
        st.just("default"), st.integers(0, 9).map(lambda q: f"q{q}"), st.integers(1, 640).map(lambda r: f"{r / 10:g}k")
    ),
    st.sampled_from(["", "-fast", "-medium", "-slow"]),
)
def test_points_of_nvc_are_written_as_they_are_read(rate, preset):
    assert str(NvcPoint.parse(rate + preset)) == rate + preset


def test_every_byte_of_a_file_of_ours_is_counted(tmp_path):
    small = Clip("small", make_clip(seconds=0.4, side=64), Fraction(25))
    point = NvcPoint(quality=3, preset="fast")  # which takes the network without looking
    coded = nvc_codec.code(small, point, model="tiny-64", keep=tmp_path / "small.nvc")
    assert coded.size == (tmp_path / "small.nvc").stat().st_size == sum(coded.bytes_by_unit.values())
    assert {"signature", "sequence", "keyframe", "motion", "end"} <= set(coded.bytes_by_unit)
    assert coded.clip.frames.shape == small.frames.shape


@pytest.mark.parametrize("text", ["", "q10", "-3", "fast", "3kk", "q"])
def test_points_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="operating point"):
        NvcPoint.parse(text)
