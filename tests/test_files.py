"""Whole files: frames one to one, audio in its place, the bitrate kept, and nothing left behind when it fails."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import SAMPLE_RATE, marked_frames, write_clip
from streams import SIDE, tiny

import nvc
from bitstream import ModelMismatch, UnitType, parse_payload
from nvc.audio import time_base_of
from nvc.crop import CropPlan, Segment, Square
from nvc.encoder import NotSquare
from nvc.nvc_file import NvcFile
from nvc.reports import EncodeReport
from nvc.video import VideoReader


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, small_clip: np.ndarray) -> Path:
    """Three seconds of the demo clip at 64 x 64, back and forth, with sound."""
    there = list(small_clip.transpose(0, 2, 3, 1))
    frames = (there + there[::-1]) * 3
    return write_clip(tmp_path_factory.mktemp("video") / "talk.mp4", frames, options={"qp": "5"}, audio="aac")


def encode(source: Path, target: Path, **options: object) -> EncodeReport:
    """With tiny-64, whose pictures are noise: an encoder that looked at them would send conventional ones instead."""
    usual = {"model": tiny(), "device": "cpu", "crop": "none", "preset": "fast"}
    return nvc.encode_file(source, target, **{**usual, **options})


def test_frames_come_back_one_to_one(video: Path, tmp_path: Path) -> None:
    report = encode(video, tmp_path / "a.nvc")
    decoded = nvc.decode_file(tmp_path / "a.nvc", tmp_path / "a.mkv", device="cpu")
    original, copy = VideoReader(video), VideoReader(tmp_path / "a.mkv")
    assert report.frames == decoded.frames == sum(1 for _ in original.frames()) == sum(1 for _ in copy.frames()) == 72
    assert copy.info.frame_rate == original.info.frame_rate == 25
    assert (copy.info.width, copy.info.height) == (SIDE, SIDE)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(15), Fraction(47, 2)])
def test_any_frame_rate_is_kept(tmp_path: Path, small_clip: np.ndarray, rate: Fraction) -> None:
    frames = list(small_clip.transpose(0, 2, 3, 1))
    source = write_clip(tmp_path / "a.mkv", frames, rate=rate)
    encode(source, tmp_path / "a.nvc")
    nvc.decode_file(tmp_path / "a.nvc", tmp_path / "b.mp4", device="cpu")
    copy = VideoReader(tmp_path / "b.mp4")
    assert abs(copy.info.frame_rate / rate - 1) < Fraction(1, 1000)
    assert sum(1 for _ in copy.frames()) == 12


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_audio_is_untouched_and_in_sync_within_a_frame(
    tmp_path: Path, small_clip: np.ndarray, suffix: str, delay: float
) -> None:
    frames = list(np.concatenate([small_clip] * 3).transpose(0, 2, 3, 1))
    source = write_clip(tmp_path / "in.mp4", frames, audio="aac", audio_delay=delay)
    encode(source, tmp_path / "a.nvc")
    report = nvc.decode_file(tmp_path / "a.nvc", tmp_path / f"out.{suffix}", device="cpu")
    before, after = VideoReader(source), VideoReader(tmp_path / f"out.{suffix}")
    assert report.warnings == ()
    assert before.audio is not None and after.audio is not None
    sent, heard = list(before.audio_packets()), list(after.audio_packets())
    assert [p.data for p in heard] == [p.data for p in sent]
    for a, b in zip(sent, heard, strict=True):
        assert abs(a.pts * time_base_of(before.audio) - b.pts * time_base_of(after.audio)) < Fraction(1, 25)


def test_without_audio_none_is_carried(video: Path, tmp_path: Path) -> None:
    with_audio = encode(video, tmp_path / "a.nvc")
    report = encode(video, tmp_path / "b.nvc", audio=False)
    assert NvcFile(tmp_path / "b.nvc").contents().audio is None
    assert report.size == report.video_bytes
    assert abs(with_audio.video_bytes - report.video_bytes) <= 2  # the index has larger offsets
    assert with_audio.audio_kbps > 10 and report.audio_kbps == 0


def test_y4m_and_open_files(video: Path, tmp_path: Path) -> None:
    coded, decoded = io.BytesIO(), io.BytesIO()
    encode(video, coded)  # type: ignore[arg-type]
    (tmp_path / "a.nvc").write_bytes(coded.getvalue())
    report = nvc.decode_file(tmp_path / "a.nvc", decoded, device="cpu")
    assert report.warnings and "audio" in report.warnings[0]
    nvc.decode_file(tmp_path / "a.nvc", tmp_path / "a.y4m", device="cpu")
    assert (tmp_path / "a.y4m").read_bytes() == decoded.getvalue()
    assert sum(1 for _ in VideoReader(tmp_path / "a.y4m").frames()) == 72


def test_the_report_counts_every_byte(video: Path, tmp_path: Path) -> None:
    report = encode(video, tmp_path / "a.nvc")
    size = (tmp_path / "a.nvc").stat().st_size
    facts = report.to_json()
    assert report.size == size == facts["file_bytes"] == sum(facts["bytes_by_unit_type"].values())
    assert facts["video_bytes"] == size - facts["bytes_by_unit_type"]["AUDIO"]
    assert facts["video_kbps"] == pytest.approx(facts["video_bytes"] * 8 * 25 / 72 / 1000, abs=0.001)
    assert len(facts["frame_bytes"]) == 72
    assert facts["key_frames"] == [{"index": 0, "reason": "first"}]
    assert facts["schema"] == 1 and facts["warnings"] == []
    assert {"reading", "motion estimation", "key pictures"} <= set(facts["ms_per_frame_by_stage"])
    assert "72 frames" in report.summary() and "1 key frame," in report.summary() and "audio" in report.summary()


def test_qualities_rise(video: Path, tmp_path: Path) -> None:
    sizes = [encode(video, tmp_path / f"{q}.nvc", quality=q).video_bytes for q in (0, 3, 6, 9)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("bitrate", [2500, 4000, 9000])
def test_a_bitrate_is_kept_and_nearly_used_up(video: Path, tmp_path: Path, bitrate: int) -> None:
    report = encode(video, tmp_path / "a.nvc", bitrate=bitrate)
    assert report.reached and report.warnings == ()
    assert 0.85 * bitrate <= 1000 * report.video_kbps <= bitrate


def test_a_bitrate_below_what_is_possible_is_the_lowest_and_said(video: Path, tmp_path: Path) -> None:
    report = encode(video, tmp_path / "a.nvc", bitrate=100)
    assert not report.reached
    assert "0.1 kbit/s cannot be reached" in report.warnings[0]
    assert report.video_bytes == encode(video, tmp_path / "b.nvc", quality=0).video_bytes


def test_key_frames_by_the_clock(video: Path, tmp_path: Path) -> None:
    report = encode(video, tmp_path / "a.nvc", keyint=1.0)
    assert [index for index, _ in report.statistics.key_frames] == [0, 25, 50]


def test_the_middle_is_coded_where_no_face_is_found(tmp_path: Path) -> None:
    pytest.importorskip("dlib")
    source = write_clip(tmp_path / "a.mkv", marked_frames(6, 80, 120))
    report = encode(source, tmp_path / "a.nvc", crop="auto")
    assert report.warnings == ("no face was found: the square in the middle is coded",)
    sequence = NvcFile(tmp_path / "a.nvc").contents().sequence
    assert (sequence.crop_x, sequence.crop_y, sequence.crop_side) == (20, 0, 80)
    assert (sequence.source_width, sequence.source_height) == (120, 80)


def test_a_given_square_is_taken_as_it_is(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", marked_frames(4, 80, 120))
    encode(source, tmp_path / "a.nvc", crop=Square(10, 6, 64))
    sequence = NvcFile(tmp_path / "a.nvc").contents().sequence
    assert (sequence.crop_x, sequence.crop_y, sequence.crop_side) == (10, 6, 64)
    with pytest.raises(ValueError, match="100,0,64 is not inside the picture of 120 x 80"):
        encode(source, tmp_path / "b.nvc", crop=Square(100, 0, 64))


def test_a_new_square_begins_a_new_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_clip: np.ndarray
) -> None:
    squares = (Segment(0, Square(0, 0, 48)), Segment(7, Square(16, 10, 54)))
    monkeypatch.setattr("nvc.file_encoder.survey", lambda reader, progress: CropPlan(squares))
    source = write_clip(tmp_path / "a.mkv", list(small_clip.transpose(0, 2, 3, 1)))
    report = encode(source, tmp_path / "a.nvc", crop="auto")
    assert report.statistics.key_frames == [(0, "first"), (7, "crop")]
    units = list(NvcFile(tmp_path / "a.nvc").units())
    sequences = [parse_payload(u) for u in units if u.type is UnitType.SEQUENCE]
    assert [(s.crop_x, s.crop_y, s.crop_side) for s in sequences] == [(0, 0, 48), (16, 10, 54)]  # type: ignore
    assert nvc.decode_file(tmp_path / "a.nvc", tmp_path / "a.mkv", device="cpu", force=True).frames == 12


def test_what_is_there_without_a_face_is_sent_as_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_clip: np.ndarray
) -> None:
    plan = CropPlan((Segment(0, Square(0, 0, SIDE)),), absent=(range(20, 110),))
    monkeypatch.setattr("nvc.file_encoder.survey", lambda reader, progress: plan)
    face = list(np.concatenate([small_clip] * 10).transpose(0, 2, 3, 1))
    scenery = [np.full((SIDE, SIDE, 3), (60, 90, 40 + i), np.uint8) for i in range(90)]
    source = write_clip(tmp_path / "a.mkv", face[:20] + scenery + face[:30], options={"qp": "8"})
    report = encode(source, tmp_path / "a.nvc", crop="auto")
    assert [index for index, _ in report.statistics.key_frames] == [0, 20, 110]
    assert report.pictures == 90
    assert nvc.decode_file(tmp_path / "a.nvc", tmp_path / "b.mkv", device="cpu").frames == 140
    shown = list(VideoReader(tmp_path / "b.mkv").frames())
    for index in (20, 21, 70, 109):
        assert np.abs(shown[index].astype(int) - scenery[index - 20]).mean() < 4


def test_progress_reaches_the_end(video: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    encode(video, tmp_path / "a.nvc", progress=lambda *now: seen.append(now))
    nvc.decode_file(tmp_path / "a.nvc", tmp_path / "a.y4m", device="cpu", progress=lambda *now: seen.append(now))
    assert ("analysing", 72, 72) in seen and seen[-1] == ("decoding", 72, 72)


def test_options_that_make_no_sense_are_refused(video: Path, tmp_path: Path) -> None:
    for options, words in (
        ({"bitrate": 3000, "quality": 5}, "not both"),
        ({"bitrate": 0}, "more than 0"),
        ({"quality": 11}, "0 to 9"),
        ({"keyint": -1}, "keyint"),
        ({"crop": "left"}, "left"),
    ):
        with pytest.raises(ValueError, match=words):
            encode(video, tmp_path / "a.nvc", **options)
    with pytest.raises(ValueError, match=r"\.mkv, \.mp4, \.y4m"):
        nvc.decode_file(tmp_path / "a.nvc", tmp_path / "a.gif")
    assert os.listdir(tmp_path) == []


def test_nothing_is_left_of_what_failed(video: Path, tmp_path: Path) -> None:
    wide = write_clip(tmp_path / "wide.mkv", marked_frames(3))
    with pytest.raises(NotSquare, match="64 x 48"):
        encode(wide, tmp_path / "a.nvc")
    encode(video, tmp_path / "b.nvc")
    with pytest.raises(ModelMismatch):
        other = nvc.models.zoo.random_model(tiny().config, 5)  # type: ignore[attr-defined]
        other.model_id = bytes(16)
        nvc.decode_file(tmp_path / "b.nvc", tmp_path / "b.mkv", model=other, device="cpu")
    assert sorted(os.listdir(tmp_path)) == ["b.nvc", "wide.mkv"]


def test_sound_lasts_as_long_as_it_did(video: Path, tmp_path: Path) -> None:
    encode(video, tmp_path / "a.nvc")
    nvc.decode_file(tmp_path / "a.nvc", tmp_path / "a.mkv", device="cpu")
    reader = VideoReader(tmp_path / "a.mkv")
    assert reader.audio is not None and reader.audio.sample_rate == SAMPLE_RATE
    last = list(reader.audio_packets())[-1]
    assert float((last.pts + last.duration) * time_base_of(reader.audio)) == pytest.approx(72 / 25, abs=0.06)
