"""Whatever is wrong with an input or output: one clear line, the right exit code, and no half-written file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from clips import marked_frames, write_clip

from bitstream import SIGNATURE, Sequence, UnitType, make_unit, parse_payload, parse_units
from nvc.cli import decode, encode, info
from nvc.models import zoo

IO, USAGE, INVALID, UNSUPPORTED, DEVICE = 1, 2, 3, 4, 5
TINY = ["--model", "tiny-64", "--device", "cpu"]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, small_clip: np.ndarray) -> Path:
    return write_clip(tmp_path_factory.mktemp("bad") / "talk.mp4", list(small_clip.transpose(0, 2, 3, 1)))


@pytest.fixture(scope="module")
def coded(video: Path) -> bytes:
    path = video.with_suffix(".nvc")
    assert encode.main([str(video), "-o", str(path), "--crop", "none", "-q", *TINY]) == 0
    return path.read_bytes()


@pytest.fixture
def fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Run a command and check exit code, the single line it says, and that no file has appeared."""

    def check(main: Callable[[list[str]], int], arguments: list[str | Path], code: int, words: str) -> None:
        before = sorted(os.listdir(tmp_path))
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == code
        out, err = capsys.readouterr()
        assert words in err, err
        assert len(err.splitlines()) == 1 and "Traceback" not in err and out == ""
        assert sorted(os.listdir(tmp_path)) == before

    return check


def saved(tmp_path: Path, data: bytes, name: str = "in.nvc") -> Path:
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def test_no_such_file(tmp_path: Path, fails: Callable[..., None]) -> None:
    fails(encode.main, [tmp_path / "no.mp4", "-o", tmp_path / "a.nvc", *TINY], IO, "cannot read")
    fails(decode.main, [tmp_path / "no.nvc", "-o", tmp_path / "a.mkv"], IO, "cannot read")
    fails(info.main, [tmp_path / "no.nvc"], IO, "No such file")


def test_a_folder_is_no_file(tmp_path: Path, fails: Callable[..., None]) -> None:
    fails(encode.main, [tmp_path, "-o", tmp_path / "a.nvc", *TINY], IO, str(tmp_path))
    fails(decode.main, [tmp_path, "-o", tmp_path / "a.mkv"], IO, str(tmp_path))
    fails(info.main, [tmp_path], IO, str(tmp_path))


@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)) * 20])
def test_what_is_not_video(tmp_path: Path, fails: Callable[..., None], data: bytes) -> None:
    source = saved(tmp_path, data, "in.mp4")
    fails(encode.main, [source, "-o", tmp_path / "a.nvc", *TINY], IO, "not a video file")


def test_no_video_stream(tmp_path: Path, fails: Callable[..., None]) -> None:
    source = tmp_path / "sound.m4a"
    with av.open(str(source), "w", format="mp4") as output:
        sound = output.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48000
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    fails(encode.main, [source, "-o", tmp_path / "a.nvc", *TINY], IO, "contains no video")


def test_zero_frames(tmp_path: Path, fails: Callable[..., None]) -> None:
    source = saved(tmp_path, b"YUV4MPEG2 W64 H64 F25:1 Ip A1:1 C420jpeg\n", "in.y4m")
    fails(encode.main, [source, "-o", tmp_path / "a.nvc", *TINY], IO, "no frame of the video")


def test_no_frame_that_decodes(tmp_path: Path, fails: Callable[..., None]) -> None:
    source = write_clip(tmp_path / "in.mkv", marked_frames(3, 64, 64))
    with av.open(str(source)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = source.read_bytes()
    for packet in packets:
        data = data.replace(packet, bytes(len(packet)))
    source.write_bytes(data)
    fails(encode.main, [source, "-o", tmp_path / "a.nvc", *TINY], IO, "no frame of the video")


@pytest.mark.parametrize("part", [0.0, 0.01, 0.2, 0.5, 0.8, 0.99])
def test_a_truncated_file(tmp_path: Path, coded: bytes, fails: Callable[..., None], part: float) -> None:
    source = saved(tmp_path, coded[: int(len(coded) * part)])
    fails(decode.main, [source, "-o", tmp_path / "a.mkv", "--device", "cpu"], INVALID, "end")


def test_a_file_without_its_end(tmp_path: Path, coded: bytes, fails: Callable[..., None]) -> None:
    fails(decode.main, [saved(tmp_path, coded[:-2]), "-o", tmp_path / "a.mkv"], INVALID, "no END unit")


@pytest.mark.parametrize("data", [b"RIFF....AVI ", b"\x89PNG\r\n\x1a\n" + bytes(90), bytes(200)])
def test_a_file_that_is_something_else(tmp_path: Path, fails: Callable[..., None], data: bytes) -> None:
    source = saved(tmp_path, data)
    fails(decode.main, [source, "-o", tmp_path / "a.mkv"], INVALID, "not an nvc file")
    fails(info.main, [source], INVALID, "not an nvc file")


def test_a_damaged_file(tmp_path: Path, coded: bytes, fails: Callable[..., None]) -> None:
    for at in (9, len(coded) // 2, len(coded) - 8):
        damaged = bytearray(coded)
        damaged[at] ^= 0x10
        fails(decode.main, [saved(tmp_path, bytes(damaged)), "-o", tmp_path / "a.mkv"], INVALID, "nvc-decode: ")


def test_a_damaged_key_picture_behind_a_good_checksum(tmp_path: Path, coded: bytes, fails: Callable[..., None]) -> None:
    units = parse_units(coded)
    sequence = next(parse_payload(u) for u in units if u.type is UnitType.SEQUENCE)
    assert isinstance(sequence, Sequence)
    data = SIGNATURE
    for unit in units:
        if unit.type is UnitType.KEYFRAME:
            key = parse_payload(unit, sequence)
            unit = make_unit(replace(key, picture=key.picture[:40]))  # type: ignore[union-attr,type-var]
        data += unit.to_bytes()
    fails(decode.main, [saved(tmp_path, data), "-o", tmp_path / "a.mkv", "--device", "cpu"], INVALID, "key picture")


def test_another_version(tmp_path: Path, coded: bytes, fails: Callable[..., None]) -> None:
    units = parse_units(coded)
    data = SIGNATURE
    for unit in units:
        if unit.type is UnitType.SEQUENCE:
            unit = replace(unit, payload=b"\x02" + unit.payload[1:])
        data += unit.to_bytes()
    source = saved(tmp_path, data)
    fails(decode.main, [source, "-o", tmp_path / "a.mkv"], UNSUPPORTED, "bitstream version 2")
    assert info.main([str(source)]) == UNSUPPORTED


def test_a_model_that_is_not_here(tmp_path: Path, coded: bytes, fails: Callable[..., None]) -> None:
    data = SIGNATURE
    for unit in parse_units(coded):
        if unit.type is UnitType.SEQUENCE:
            sequence = parse_payload(unit)
            unit = make_unit(replace(sequence, model_id=bytes(range(16))))  # type: ignore[type-var]
        data += unit.to_bytes()
    source = saved(tmp_path, data)
    wanted = bytes(range(16)).hex()
    fails(decode.main, [source, "-o", tmp_path / "a.mkv", "--device", "cpu"], UNSUPPORTED, wanted)
    fails(decode.main, [source, "-o", tmp_path / "a.mkv", *TINY], UNSUPPORTED, wanted)


def test_another_model_than_the_file_needs(tmp_path: Path, coded: bytes, fails: Callable[..., None]) -> None:
    source = saved(tmp_path, coded)
    other = tmp_path / "other.safetensors"
    zoo.save(zoo.random_model(zoo.load("tiny-64").config, 5), other)
    arguments = [source, "-o", tmp_path / "a.mkv", "--device", "cpu", "--model", other]
    fails(decode.main, arguments, UNSUPPORTED, "the stream needs model")


def test_weights_that_are_not_weights(tmp_path: Path, video: Path, fails: Callable[..., None]) -> None:
    broken = saved(tmp_path, b"not weights at all", "broken.safetensors")
    arguments = [video, "-o", tmp_path / "a.nvc", "--crop", "none"]
    fails(encode.main, [*arguments, "--model", broken], UNSUPPORTED, "broken.safetensors")
    fails(encode.main, [*arguments, "--model", "huge-4096"], UNSUPPORTED, "no model 'huge-4096'")


@pytest.mark.parametrize("place", ["/proc/a", "missing/a"])
def test_an_output_that_cannot_be_written(
    tmp_path: Path, video: Path, coded: bytes, fails: Callable[..., None], place: str
) -> None:
    target = tmp_path / place
    fails(encode.main, [video, "-o", f"{target}.nvc", "--crop", "none", *TINY], IO, "cannot write")
    fails(decode.main, [saved(tmp_path, coded), "-o", f"{target}.mkv", "--device", "cpu"], IO, "cannot write")


def test_an_output_that_is_a_folder(tmp_path: Path, video: Path, fails: Callable[..., None]) -> None:
    (tmp_path / "folder").mkdir()
    fails(encode.main, [video, "-o", tmp_path / "folder", "--crop", "none", *TINY], IO, "is a folder")


def test_an_output_that_exists(tmp_path: Path, video: Path, coded: bytes, fails: Callable[..., None]) -> None:
    source = saved(tmp_path, coded)
    old = {name: saved(tmp_path, b"old", name) for name in ("a.nvc", "a.mkv", "a.json")}
    fails(encode.main, [video, "-o", old["a.nvc"], "--crop", "none", *TINY], IO, "a.nvc exists; use -f")
    fails(decode.main, [source, "-o", old["a.mkv"]], IO, "a.mkv exists; use -f")
    arguments = [video, "-o", tmp_path / "b.nvc", "--crop", "none", "--stats", old["a.json"], *TINY]
    fails(encode.main, arguments, IO, "a.json exists; use -f")
    assert all(path.read_bytes() == b"old" for path in old.values())
    assert encode.main([str(video), "-o", str(old["a.nvc"]), "--crop", "none", "-f", "-q", *TINY]) == 0
    assert old["a.nvc"].read_bytes().startswith(SIGNATURE)


def test_an_output_of_unknown_kind(tmp_path: Path, coded: bytes, fails: Callable[..., None]) -> None:
    fails(decode.main, [saved(tmp_path, coded), "-o", tmp_path / "a.gif"], USAGE, ".mkv, .mp4, .y4m")


def test_a_picture_that_is_not_square(tmp_path: Path, fails: Callable[..., None]) -> None:
    source = write_clip(tmp_path / "wide.mkv", marked_frames(3))
    arguments = [source, "-o", tmp_path / "a.nvc", *TINY]
    fails(encode.main, [*arguments, "--crop", "none"], USAGE, "64 x 48, not square")
    fails(encode.main, [*arguments, "--crop", "30,0,48"], USAGE, "30,0,48 is not inside")


def test_no_face_detector(
    tmp_path: Path, video: Path, fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nvc import crop

    crop._load_detector.cache_clear()
    monkeypatch.setitem(sys.modules, "dlib", None)
    fails(encode.main, [video, "-o", tmp_path / "a.nvc", *TINY], USAGE, "nvc[crop]")


def test_no_face_is_said_and_the_middle_is_coded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("dlib")
    source = write_clip(tmp_path / "wide.mkv", marked_frames(3, 48, 80))
    assert encode.main([str(source), "-o", str(tmp_path / "a.nvc"), *TINY]) == 0
    assert "warning: no face was found" in capsys.readouterr().err
    assert info.main([str(tmp_path / "a.nvc")]) == 0
    assert "80 x 48, square 16,0,48" in capsys.readouterr().out


def test_no_such_device(tmp_path: Path, video: Path, coded: bytes, fails: Callable[..., None]) -> None:
    arguments = [video, "-o", tmp_path / "a.nvc", "--crop", "none", "--model", "tiny-64", "--device"]
    fails(encode.main, [*arguments, "cuda:77"], DEVICE, "cuda:77")
    fails(encode.main, [*arguments, "tpu"], USAGE, "tpu")
    fails(decode.main, [saved(tmp_path, coded), "-o", tmp_path / "a.mkv", "--device", "cuda:77"], DEVICE, "cuda:77")


def test_audio_that_the_output_has_no_place_for(
    tmp_path: Path, small_clip: np.ndarray, fails: Callable[..., None]
) -> None:
    frames = list(small_clip[:3].transpose(0, 2, 3, 1))
    source = write_clip(tmp_path / "in.mkv", frames, audio="pcm_u8")
    assert encode.main([str(source), "-o", str(tmp_path / "a.nvc"), "--crop", "none", "-q", *TINY]) == 0
    fails(decode.main, [tmp_path / "a.nvc", "-o", tmp_path / "a.mp4", "--device", "cpu"], USAGE, "write .mkv")
    assert decode.main([str(tmp_path / "a.nvc"), "-o", str(tmp_path / "a.mkv"), "-q", "--device", "cpu"]) == 0


def test_memory_that_runs_out(
    tmp_path: Path, video: Path, fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise MemoryError("no memory left")

    monkeypatch.setattr("nvc.file_encoder.load_model", full)
    fails(encode.main, [video, "-o", tmp_path / "a.nvc", "--crop", "none", *TINY], DEVICE, "no memory left")


def test_debug_shows_where_an_error_came_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decode.main([str(tmp_path / "no.nvc"), "-o", str(tmp_path / "a.mkv"), "--debug"]) == IO
    assert "Traceback" in capsys.readouterr().err
