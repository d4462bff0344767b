"""nvc-call over real sockets of this computer: what goes in comes out, through losses too."""

from __future__ import annotations

import socket
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clips import Clip, read_clip, write_lossless
from nvc.cli.call import _parser, main
from nvc.demo import make_clip


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("call") / "clip.mkv"
    write_lossless(Clip("clip", make_clip(seconds=2, side=64), Fraction(10)), path)
    return path


def test_a_call_to_oneself_is_shown_and_written(clip_file: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "call.mkv"
    assert main([str(clip_file), "-o", str(output), "--model", "tiny-64", "--delay", "1"]) == 0
    told = capsys.readouterr().out
    assert "frames" in told and "kbit/s" in told
    frames = read_clip(output).frames
    assert len(frames) >= 40 and np.ptp(frames[0].astype(int)) > 20
    assert main([str(clip_file), "-o", str(output), "--model", "tiny-64"]) == 1  # nothing is overwritten


def test_two_programs_call_each_other(clip_file: Path, tmp_path: Path, capsys) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    output, codes = tmp_path / "received.mkv", []
    arguments = ["--listen", str(port), "-o", str(output), "--model", "tiny-64", "--delay", "0.5"]
    listening = threading.Thread(target=lambda: codes.append(main(arguments)))
    listening.start()
    time.sleep(1.0)
    assert main([str(clip_file), "--to", f"127.0.0.1:{port}", "--model", "tiny-64"]) == 0
    listening.join(60)
    assert codes == [0] and len(read_clip(output).frames) > 20
    assert "sent" in capsys.readouterr().out


def test_a_bad_network_ends_no_call(clip_file: Path, capsys) -> None:
    bad = ["--loss", "20", "--jitter", "30", "--reorder", "10", "--seed", "3"]
    assert main([str(clip_file), "--model", "tiny-64", "--delay", "0.5", *bad]) == 0
    assert "concealed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["in.mp4", "--listen", "5000"], ["in.mp4", "--to", "nowhere"], ["in.mp4", "--to", "a:1", "-o", "x.mkv"]],
)
def test_options_that_make_no_sense_are_usage_errors(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_missing_file_and_an_unknown_output_are_said(tmp_path: Path, clip_file: Path, capsys) -> None:
    assert main([str(tmp_path / "none.mp4"), "--model", "tiny-64"]) == 1
    assert main([str(clip_file), "--model", "tiny-64", "-o", str(tmp_path / "x.y4m")]) == 2
    assert main(["/dev/video99", "--model", "tiny-64"]) == 1
    assert main([str(clip_file), "--model", "tiny-64", "--loss", "100"]) == 2
    assert "loss" in capsys.readouterr().err


def test_every_option_has_its_line_and_example_in_the_reference() -> None:
    reference = (Path(__file__).parent.parent / "docs" / "calls.md").read_text()
    rows = [line for line in reference.splitlines() if line.startswith("| `-")]
    options = [action.option_strings[-1] for action in _parser()._actions if action.option_strings]
    for option in set(options) - {"--help", "--version"}:
        (row,) = [row for row in rows if f"`{option}`" in row.split("|")[1]]
        assert "`nvc-call " in row and (
            option in row.split("|")[3] or row.split("|")[1].split("`")[1] in row.split("|")[3]
        )
    assert len(rows) == len(set(options)) - 2
