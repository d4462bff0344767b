"""Synthetic media says so: in the tags of what is decoded, and in what is encoded from that again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from streams import tiny

from benchmarks.clips import Clip, write_lossless
from nvc.cli import decode as decode_command
from nvc.expression import ExpressionEdit
from nvc.files import decode_file, encode_file
from nvc.nvc_file import NvcFile
from nvc.synthetic import is_synthetic
from nvc.transfer import Transfer
from nvc.video import VideoReader
from nvc.view import View


@pytest.fixture(scope="module")
def coded(tmp_path_factory, small_clip) -> Path:
    folder = tmp_path_factory.mktemp("coded")
    write_lossless(Clip("talk", small_clip[:4], Fraction(25)), folder / "talk.mkv")
    encode_file(folder / "talk.mkv", folder / "talk.nvc", crop="none", model=tiny())
    return folder / "talk.nvc"


def tags(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return dict(container.metadata)


def portrait(small_clip) -> np.ndarray:
    return np.ascontiguousarray(small_clip[2].transpose(1, 2, 0))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_transfer_and_editing_are_tagged(tmp_path, coded, small_clip, suffix):
    out = tmp_path / f"out{suffix}"
    report = decode_file(
        coded, out, model=tiny(), transfer=Transfer(portrait(small_clip)), edit=ExpressionEdit.parse("jaw=1")
    )
    assert report.synthetic and report.to_json()["synthetic"]
    assert is_synthetic(tags(out)) and "motion transfer and expression editing" in str(tags(out))


def test_what_is_only_seen_from_elsewhere_is_not(tmp_path, coded):
    report = decode_file(coded, tmp_path / "out.mkv", model=tiny(), view=View(yaw=10))
    assert not report.synthetic and not is_synthetic(tags(tmp_path / "out.mkv"))


def test_y4m_says_it_in_its_header(tmp_path, coded):
    decode_file(coded, tmp_path / "out.y4m", model=tiny(), edit=ExpressionEdit(strength=0))
    assert b"XSYNTHETIC_MEDIA=1" in (tmp_path / "out.y4m").read_bytes()[:120]
    assert len(list(VideoReader(tmp_path / "out.y4m").frames())) == 4


def test_the_mark_survives_being_coded_again(tmp_path, coded):
    decode_file(coded, tmp_path / "out.mp4", model=tiny(), edit=ExpressionEdit(strength=0))
    encode_file(tmp_path / "out.mp4", tmp_path / "again.nvc", crop="none", model=tiny())
    assert NvcFile(tmp_path / "again.nvc").contents().sequence.synthetic
    decode_file(tmp_path / "again.nvc", tmp_path / "again.mkv", model=tiny())
    assert is_synthetic(tags(tmp_path / "again.mkv"))


def test_the_command_does_all_of_it(tmp_path, coded, small_clip, capsys):
    Image.fromarray(portrait(small_clip)).save(tmp_path / "portrait.png")
    out = tmp_path / "out.mkv"
    wishes = [
        "--source",
        str(tmp_path / "portrait.png"),
        "--source-crop",
        "none",
        "--transfer",
        "absolute",
        "--align",
        "first",
    ]
    wishes += ["--expression", "jaw+=0.5", "--exaggerate", "2", "--yaw", "40", "--translate", "0.1,0", "--frontal"]
    assert decode_command.main([str(coded), "-o", str(out), *wishes]) == 0
    assert is_synthetic(tags(out))
    said = capsys.readouterr().err
    assert "lose their likeness" in said and "exaggerated" in said


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        (["--expression", "sneer=1"], "no expression control 'sneer'"),
        (["--source", "nowhere.jpg"], "nowhere.jpg"),
        (["--exaggerate", "7"], "strength is 7"),
        (["--yaw", "400"], "yaw of the view is 400"),
    ],
)
def test_bad_wishes_end_in_one_sentence(tmp_path, coded, capsys, wishes, sentence):
    assert decode_command.main([str(coded), "-o", str(tmp_path / "out.mkv"), *wishes]) in (1, 2)
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    assert not (tmp_path / "out.mkv").exists()
