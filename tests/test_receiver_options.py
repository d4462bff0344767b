"""README's reference of what a receiver may ask for: complete, and every example works."""

from __future__ import annotations

import argparse
import re
import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streams import tiny

from benchmarks.clips import Clip, read_clip, write_lossless
from nvc.cli import decode
from nvc.cli.console import add_common_options
from nvc.files import encode_file

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(--[a-z-]+)` \| .+ \| `(nvc-decode .+)` \|$", README, re.MULTILINE)


@pytest.fixture(scope="module")
def talk(tmp_path_factory, small_clip) -> Path:
    """A folder with talk.nvc and portrait.png."""
    folder = tmp_path_factory.mktemp("talk")
    write_lossless(Clip("talk", small_clip[:3], Fraction(25)), folder / "talk.mkv")
    encode_file(folder / "talk.mkv", folder / "talk.nvc", crop="none", model=tiny())
    Image.fromarray(np.ascontiguousarray(small_clip[2].transpose(1, 2, 0))).save(folder / "portrait.png")
    return folder


def test_every_wish_of_the_command_is_in_the_reference():
    common = argparse.ArgumentParser()
    add_common_options(common)
    known = {name for action in common._actions for name in action.option_strings} | {"-o", "--output", "--model"}
    options = {name for action in decode._parser()._actions for name in action.option_strings} - known
    wishes = {name for name in options if name.startswith("--")}
    assert {option for option, _ in ROWS} >= wishes - OTHERS


OTHERS = {"--precision"}
"""Options that are no wishes about the picture."""


@pytest.mark.parametrize(("option", "example"), ROWS)
def test_the_example_works(talk, monkeypatch, option, example):
    monkeypatch.chdir(talk)
    _, *arguments = shlex.split(example)
    assert option in arguments
    if "--source" in arguments and "--source-crop" not in arguments:
        arguments += ["--source-crop", "none"]  # at 64 pixels no detector finds the face
    if option == "--expression":
        arguments = ["jaw=0.6" if "smile" in a else a for a in arguments]  # the tiny model has but a mouth
    assert decode.main([*arguments, "-f"]) == 0
    assert len(read_clip(talk / "out.mkv").frames) == 3
