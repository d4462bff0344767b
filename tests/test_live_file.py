"""Files coded in one pass through a line: everything comes out, in time, and no more than the line carries."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import marked_frames, write_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import SIDE, make_encoder, tiny

import nvc
from bitstream import UnitType
from nvc.crop import Square
from nvc.decoder import Decoder
from nvc.encoder import NotSquare
from nvc.nvc_file import NvcFile

OPTIONS = {"model": tiny(), "device": "cpu", "live": True}


def test_a_file_in_one_pass(tmp_path: Path, small_clip: np.ndarray) -> None:
    source = write_clip(tmp_path / "a.mp4", list(small_clip.transpose(0, 2, 3, 1)) * 4, audio="aac")
    report = nvc.encode_file(source, tmp_path / "a.nvc", crop="none", bitrate=6000, vbv_ms=400, **OPTIONS)
    assert report.frames == 48 and report.size == (tmp_path / "a.nvc").stat().st_size
    assert sum(report.to_json()["bytes_by_unit_type"].values()) == report.size
    assert len(report.statistics.frame_bytes) == 48
    kinds = [unit.type for unit in NvcFile(tmp_path / "a.nvc").units()]
    assert kinds.count(UnitType.END) == 1 and UnitType.AUDIO in kinds
    assert nvc.decode_file(tmp_path / "a.nvc", tmp_path / "b.mkv", model=tiny(), device="cpu").frames == 48


def test_it_does_not_look_for_the_face(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", marked_frames(4, 80, 120))
    with pytest.raises(ValueError, match="does not look ahead"):
        nvc.encode_file(source, tmp_path / "a.nvc", **OPTIONS)
    with pytest.raises(NotSquare):
        nvc.encode_file(source, tmp_path / "a.nvc", crop="none", **OPTIONS)
    nvc.encode_file(source, tmp_path / "a.nvc", crop=Square(8, 4, SIDE), **OPTIONS)
    sequence = NvcFile(tmp_path / "a.nvc").contents().sequence
    assert (sequence.crop_x, sequence.crop_y, sequence.crop_side, sequence.source_width) == (8, 4, SIDE, 120)


@settings(max_examples=12, deadline=None)
@given(
    bitrate=st.floats(3000, 40_000),
    delay=st.floats(200, 3000),
    absent=st.sets(st.integers(0, 11), max_size=6),
    requests=st.sets(st.integers(0, 11), max_size=3),
)
def test_no_byte_waits_longer_than_the_line_allows(
    small_clip: np.ndarray, bitrate: float, delay: float, absent: set[int], requests: set[int]
) -> None:
    encoder, decoder = make_encoder(bitrate=bitrate, vbv_ms=delay), Decoder(model=tiny(), device="cpu")
    waiting, shown = Fraction(0), 0
    period = Fraction(bitrate) / 25
    for index, frame in enumerate(small_clip):
        if index in requests:
            encoder.request_key_frame()
        units = encoder.encode(frame, face=index not in absent)
        waiting = max(Fraction(0), waiting - period) + 8 * sum(len(unit.to_bytes()) for unit in units)
        assert waiting <= Fraction(bitrate) * Fraction(delay) / 1000
        shown += sum(len(decoder.decode_unit(unit)) for unit in units)
    shown += sum(len(decoder.decode_unit(unit)) for unit in encoder.flush())
    assert shown == len(small_clip)
