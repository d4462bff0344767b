"""The file layout: audio between the frames it is heard with, an index that points right, an end that is required."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from streams import encode, joined, types_of

from bitstream import (
    SIGNATURE,
    AudioHeader,
    AudioPacket,
    Corrupt,
    Index,
    LimitExceeded,
    Limits,
    Truncated,
    Unit,
    UnitType,
    Unsupported,
    parse_payload,
    parse_units,
)
from nvc.key_placement import KeyPolicy
from nvc.nvc_file import NvcFile, NvcWriter

HEADER = AudioHeader(codec="aac", time_base_numerator=1, time_base_denominator=1000, sample_rate=48000, channels=2)
PACKETS = [AudioPacket(pts, 20, bytes([k]) * 30) for k, pts in enumerate(range(-20, 600, 20))]


@pytest.fixture(scope="module")
def units(small_clip: np.ndarray) -> list[Unit]:
    return [u for u in encode(small_clip, key_policy=KeyPolicy(interval=5)) if u.type is not UnitType.END]


def written(units: list[Unit], *, audio: bool = False) -> bytes:
    file = io.BytesIO()
    packets = iter(PACKETS) if audio else None
    writer = NvcWriter(file, frame_rate=Fraction(25), audio=HEADER if audio else None, packets=packets)
    index = -1
    for unit in units:
        index += unit.type in (UnitType.KEYFRAME, UnitType.MOTION)
        writer.write([unit], max(0, index))
    writer.finish()
    assert writer.size == len(file.getvalue())
    return file.getvalue()


def save(tmp_path: Path, data: bytes) -> NvcFile:
    (tmp_path / "a.nvc").write_bytes(data)
    return NvcFile(tmp_path / "a.nvc")


def test_units_come_back_with_index_and_end(tmp_path: Path, units: list[Unit]) -> None:
    data = written(units)
    assert data.startswith(SIGNATURE)
    back = list(save(tmp_path, data).units())
    assert types_of(back) == [*types_of(units), UnitType.INDEX, UnitType.END]
    assert joined(back[:-2]) == joined(units)


def test_the_index_points_at_the_units_where_decoding_can_begin(units: list[Unit]) -> None:
    data = written(units)
    index = next(parse_payload(u) for u in parse_units(data) if u.type is UnitType.INDEX)
    assert isinstance(index, Index)
    assert [frame for frame, _ in index.entries] == [0, 5, 10]
    for _, offset in index.entries:
        assert types_of(parse_units(data[offset:]))[:2] == [UnitType.SEQUENCE, UnitType.KEYFRAME]
    bare = [u for i, u in enumerate(units) if u.type is not UnitType.SEQUENCE or i < 2]
    data = written(bare)
    index = next(parse_payload(u) for u in parse_units(data) if u.type is UnitType.INDEX)
    assert isinstance(index, Index)
    kinds = [types_of(parse_units(data[offset:]))[0] for _, offset in index.entries]
    assert kinds == [UnitType.SEQUENCE, UnitType.KEYFRAME, UnitType.KEYFRAME]


def test_audio_is_near_the_frames_that_it_is_heard_with(tmp_path: Path, units: list[Unit]) -> None:
    file = save(tmp_path, written(units, audio=True))
    packets, seconds = [], 0.0
    for unit in file.units():
        if unit.type is UnitType.AUDIO:
            found = parse_payload(unit).packets  # type: ignore[union-attr]
            packets += found
            if seconds < 0.43:
                assert all(abs(p.pts / 1000 - seconds) <= 0.06 for p in found)
        seconds += (unit.type in (UnitType.KEYFRAME, UnitType.MOTION)) / 25
    assert packets == PACKETS
    assert file.contents().audio == HEADER


def test_contents_are_known_before_anything_is_decoded(tmp_path: Path, units: list[Unit]) -> None:
    contents = save(tmp_path, written(units)).contents()
    assert contents.frame_count == 12 and contents.audio is None
    assert contents.sequence.frame_rate == 25


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_file_is_truncated(tmp_path: Path, units: list[Unit], part: float) -> None:
    data = written(units)
    with pytest.raises(Truncated):
        save(tmp_path, data[: int(len(data) * part)]).contents()


def test_a_file_that_ends_between_units_is_truncated_too(tmp_path: Path, units: list[Unit]) -> None:
    with pytest.raises(Truncated, match="no END unit"):
        save(tmp_path, SIGNATURE + joined(units)).contents()


def test_what_is_not_such_a_file_is_corrupt(tmp_path: Path, units: list[Unit]) -> None:
    for data in (b"RIFF" + bytes(50), b"\x89PNG\r\n\x1a\n" + bytes(50), joined(units)):
        with pytest.raises(Corrupt, match="not an nvc file"):
            save(tmp_path, data).contents()
    with pytest.raises(Corrupt, match="no key frame"):
        save(tmp_path, written([u for u in units if u.type is UnitType.SEQUENCE])).contents()
    with pytest.raises(Corrupt, match="before any SEQUENCE"):
        save(tmp_path, written([u for u in units if u.type is not UnitType.SEQUENCE])).contents()


def test_a_frame_rate_that_changes_cannot_be_one_video(tmp_path: Path, small_clip: np.ndarray) -> None:
    both = [u for rate in (25, 30) for u in encode(small_clip[:1], frame_rate=rate) if u.type is not UnitType.END]
    with pytest.raises(Unsupported, match="frame rate change"):
        save(tmp_path, written(both)).contents()


def test_limits_are_kept(tmp_path: Path, units: list[Unit]) -> None:
    path = tmp_path / "a.nvc"
    path.write_bytes(written(units))
    with pytest.raises(LimitExceeded):
        NvcFile(path, limits=Limits(max_unit_bytes=100)).contents()


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="cannot read .*nothing.nvc"):
        NvcFile(tmp_path / "nothing.nvc").contents()
