"""README's reference of what a sender may ask for: every example works, and says what it did."""

from __future__ import annotations

import json
import re
import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clips import Clip, write_lossless
from nvc.cli import encode
from nvc.nvc_file import NvcFile

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(--[a-z-]+)` \| .+ \| `(nvc-encode .+)` \|$", README, re.MULTILINE)
FRAMES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_clip: np.ndarray) -> Path:
    """A folder with a short talk.mkv."""
    found = tmp_path_factory.mktemp("talk")
    write_lossless(Clip("talk", small_clip[:FRAMES], Fraction(25)), found / "talk.mkv")
    return found


def test_the_reference_names_what_rate_control_takes() -> None:
    known = {name for action in encode._parser()._actions for name in action.option_strings}
    named = {option for option, _ in ROWS}
    assert {"--bitrate", "--quality", "--tune", "--preset", "--min-quality", "--live", "--stats"} <= named <= known
    assert "--vbv-ms" in README


@pytest.mark.parametrize(("option", "example"), ROWS)
def test_the_example_works(folder: Path, monkeypatch: pytest.MonkeyPatch, option: str, example: str) -> None:
    monkeypatch.chdir(folder)
    _, *arguments = shlex.split(example.replace("talk.mp4", "talk.mkv"))
    assert option in arguments
    arguments += [] if "--crop" in arguments else ["--crop", "none"]
    assert encode.main([*arguments, "--model", "tiny-64", "--device", "cpu", "-f"]) == 0
    assert NvcFile("talk.nvc").contents().frame_count == FRAMES
    if option == "--stats":
        stats = json.loads(Path("talk.json").read_text())
        assert len(stats["frame_bytes"]) == FRAMES and stats["key_frames"]
        assert sum(stats["bytes_by_unit_type"].values()) == stats["file_bytes"]
