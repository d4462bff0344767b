"""The commands: options, messages, exit codes, pipes, and JSON that adds up."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clips import marked_frames, write_clip
from streams import SIDE

from nvc.cli import decode, encode, info
from nvc.cli.console import Console
from nvc.nvc_file import NvcFile
from nvc.video import VideoReader

TINY = ["--model", "tiny-64", "--device", "cpu"]
NETWORK = [*TINY, "--preset", "fast"]  # tiny-64 draws noise: who looks at it sends conventional pictures instead


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, small_clip: np.ndarray) -> Path:
    frames = list(small_clip.transpose(0, 2, 3, 1))
    return write_clip(tmp_path_factory.mktemp("cli") / "talk.mp4", frames, options={"qp": "8"}, audio="aac")


@pytest.fixture(scope="module")
def coded(video: Path) -> Path:
    path = video.with_suffix(".nvc")
    assert encode.main([str(video), "-o", str(path), "--crop", "none", "-q", *NETWORK]) == 0
    return path


def python(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=200, check=False, **options)  # type: ignore[call-overload]


def test_encode_and_decode(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coded, copy = tmp_path / "a.nvc", tmp_path / "a.mkv"
    assert encode.main([str(video), "-o", str(coded), "--crop", "none", *TINY]) == 0
    assert "12 frames" in capsys.readouterr().err
    assert decode.main([str(coded), "-o", str(copy), "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "12 frames" in err and len(err.splitlines()) == 1
    assert sum(1 for _ in VideoReader(copy).frames()) == 12


def test_quiet_says_nothing_and_verbose_more(
    video: Path, coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decode.main([str(coded), "-o", str(tmp_path / "a.y4m"), "-q", "--device", "cpu"]) == 0
    assert capsys.readouterr() == ("", "")
    assert encode.main([str(video), "-o", str(tmp_path / "a.nvc"), "--crop", "none", "-v", *NETWORK]) == 0
    err = capsys.readouterr().err
    assert "key frame 0: first" in err and "key_qp=" in err


def test_options_reach_the_encoder(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.nvc"
    options = [
        "--crop",
        "4,2,48",
        "--quality",
        "2",
        "--no-audio",
        "--synthetic",
        "--error-resilient",
        "--keyint",
        "0.2",
    ]
    assert encode.main([str(video), "-o", str(path), "-q", *options, *TINY]) == 0
    contents = NvcFile(path).contents()
    sequence = contents.sequence
    assert (sequence.crop_x, sequence.crop_y, sequence.crop_side) == (4, 2, 48)
    assert sequence.synthetic and sequence.error_resilient and contents.audio is None
    stats = tmp_path / "a.json"
    arguments = [str(video), "-o", str(path), "-f", "--crop", "none", "--bitrate", "20", "--stats", str(stats), *TINY]
    assert encode.main(arguments) == 0
    facts = json.loads(stats.read_text())
    assert facts["video_kbps"] <= 20 and facts["file_bytes"] == path.stat().st_size
    assert facts["bytes_by_unit_type"]["AUDIO"] > 0


def test_the_strength_of_motion_rdo_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[float | None] = []

    def stop(*_: object, motion_rdo: float | None = None, **__: object) -> None:
        asked.append(motion_rdo)
        raise OSError("enough")

    monkeypatch.setattr("nvc.files.encode_file", stop)
    command = [str(tmp_path / "a.mp4"), "-o", str(tmp_path / "a.nvc")]
    for more in ([], ["--motion-rdo", "0.8"]):
        assert encode.main([*command, *more]) == 1
    assert asked == [None, 0.8]
    for bad in ("5", "-1", "nan", "much"):
        with pytest.raises(SystemExit) as stopped:
            encode.main([*command, "--motion-rdo", bad])
        assert stopped.value.code == 2
    assert "not a number from 0 to 4" in capsys.readouterr().err


def test_a_view_turns_the_head(coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, turned = tmp_path / "plain.mkv", tmp_path / "turned.mkv"
    assert decode.main([str(coded), "-o", str(plain), "--device", "cpu"]) == 0
    view = ["--yaw", "40", "--pitch", "-5", "--roll", "3", "--translate", "0.1,-0.05", "--frontal"]
    assert decode.main([str(coded), "-o", str(turned), "--device", "cpu", *view]) == 0
    assert "warning: beyond 30 degrees" in capsys.readouterr().err
    first, second = (next(VideoReader(p).frames()) for p in (plain, turned))
    assert not np.array_equal(first, second)
    assert decode.main([str(coded), "-o", str(tmp_path / "x.mkv"), "--yaw", "500"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["in.mp4"],
        ["in.mp4", "-o", "a.nvc", "--quality", "10"],
        ["in.mp4", "-o", "a.nvc", "--quality", "5", "--bitrate", "3"],
        ["in.mp4", "-o", "a.nvc", "--bitrate", "-3"],
        ["in.mp4", "-o", "a.nvc", "--bitrate", "nan"],
        ["in.mp4", "-o", "a.nvc", "--keyint", "0"],
        ["in.mp4", "-o", "a.nvc", "--crop", "1,2"],
        ["in.mp4", "-o", "a.nvc", "--crop", "face"],
        ["in.mp4", "-o", "a.nvc", "--stats", "a.nvc"],
    ],
)
def test_usage_errors_are_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        encode.main(arguments)
    assert left.value.code == 2
    assert "nvc-encode: error:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["encode", "decode", "info"])
def test_help_names_every_option_and_loads_neither_torch_nor_av(command: str) -> None:
    code = (
        f"import sys; from nvc.cli import {command}\n"
        f"try: {command}.main(['--help'])\n"
        "except SystemExit as left: assert left.code == 0\n"
        "assert not {'torch', 'av'} & set(sys.modules), sorted(sys.modules)"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr.decode()
    assert b"exit codes" in done.stdout


def test_importing_the_package_is_light() -> None:
    code = "import sys, nvc; assert nvc.__version__; assert not {'torch', 'av', 'numpy'} & set(sys.modules)"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr.decode()


def test_pipes(video: Path, tmp_path: Path) -> None:
    first = python("-m", "nvc.cli.encode", "-", "-o", "-", "--crop", "none", *TINY, input=video.read_bytes())
    assert first.returncode == 0, first.stderr.decode()
    second = python("-m", "nvc.cli.decode", "-", "-o", "-", "--device", "cpu", input=first.stdout)
    assert second.returncode == 0, second.stderr.decode()
    assert second.stdout.startswith(b"YUV4MPEG2 W64 H64 F25:1")
    assert len(second.stdout.split(b"FRAME\n", 1)[1]) == 12 * (3 * SIDE * SIDE) + 11 * len(b"FRAME\n")


def test_being_terminated_leaves_nothing(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", marked_frames(4, 64, 64) * 300, options={"qp": "40"})
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "nvc.cli.encode", str(source), "-o", str(out / "a.nvc"), "--crop", "none", *TINY]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    for _ in range(600):
        if os.listdir(out) or process.poll() is not None:
            break
        time.sleep(0.1)
    assert os.listdir(out), "it never began to write"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM
    assert os.listdir(out) == []


def test_the_progress_bar_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (False, True):
        stream = io.StringIO()
        stream.isatty = lambda terminal=terminal: terminal  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stderr", stream)
        console = Console("nvc-test", quiet=False, verbose=False)
        console.progress("working", 1, 10)
        console.progress("working", 10, 10)
        console.close()
        assert ("working" in stream.getvalue()) is terminal


def test_info_tells_what_is_in_a_file(coded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert info.main([str(coded)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for words in ("tiny-64", "64 x 64 at 25", "12 in 0.48 s: ", "aac, 48000 Hz, 2 channels"):
        assert words in out
    assert re.search(r"^key frames  (before )?0 \(\d+ bytes", out, re.MULTILINE)
    assert f"bytes       {coded.stat().st_size}: " in out
    assert "nvc.encoder = nvc " in out


def test_info_prints_every_unit_and_element(coded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert info.main([str(coded), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    kinds = [unit["unit_type"] for unit in facts["units"]]
    assert kinds.count("KEYFRAME") == 1 and kinds[-2:] == ["INDEX", "END"] and facts["error"] is None
    assert sum(unit["size"] for unit in facts["units"]) + 8 == coded.stat().st_size
    assert info.main([str(coded), "--units"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(kinds)
    assert info.main([str(coded), "--trace"]) == 0
    assert "presentation_index = 0" in capsys.readouterr().out


def test_info_reads_bare_units_and_standard_input(
    coded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Pipe:
        buffer = io.BytesIO(coded.read_bytes()[8:])

    monkeypatch.setattr(sys, "stdin", Pipe)
    assert info.main(["-"]) == 0
    assert "12 in 0.48 s" in capsys.readouterr().out
