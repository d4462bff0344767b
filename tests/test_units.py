"""Framing: units, sizes, CRCs, the signature, and a reader that does not care how bytes are cut up."""

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import (
    SIGNATURE,
    BitstreamError,
    Corrupt,
    LimitExceeded,
    Limits,
    Resync,
    Truncated,
    Unit,
    UnitReader,
    UnitType,
    Unsupported,
    find_resync,
    make_unit,
    parse_units,
    write_file_header,
)


@st.composite
def units(draw):
    kind = draw(st.sampled_from([kind for kind in UnitType if kind is not UnitType.END] + [12, 15]))
    crc = draw(st.booleans()) if kind in (UnitType.MOTION, 12, 15) else True
    extension = draw(st.none() | st.integers(0, 255))
    return Unit(kind, draw(st.binary(max_size=300)), crc=crc, extension=extension, reserved=draw(st.booleans()))


def read(data, cuts=(), **options):
    """All units of ``data`` fed in portions cut at ``cuts``, then the class of the error or None."""
    reader, found, edges = UnitReader(**options), [], sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    try:
        for a, b in zip(edges, edges[1:], strict=False):
            found += reader.feed(data[a:b])
        reader.close()
    except BitstreamError as error:
        return found, type(error)
    return found, None


@given(st.lists(units(), max_size=6))
def test_a_stream_of_units_comes_back_and_is_rewritten_to_the_same_bytes(stream):
    data = b"".join(unit.to_bytes() for unit in stream)
    back = parse_units(data, keep_unknown=True)
    assert back == stream
    assert b"".join(unit.to_bytes() for unit in back) == data


@given(st.lists(units(), max_size=4), st.lists(st.integers(0, 5000), max_size=8), st.booleans(), st.data())
def test_how_a_stream_is_cut_up_does_not_matter_even_when_it_is_damaged(stream, cuts, signed, data):
    whole = (SIGNATURE if signed else b"") + b"".join(unit.to_bytes() for unit in stream)
    if whole and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    assert read(whole, cuts) == read(whole) == read(whole, range(len(whole)))


@given(st.binary(max_size=200))
def test_any_bytes_give_units_or_a_bitstream_error(data):
    read(data)
    read(SIGNATURE + data)


def test_unknown_ancillary_units_are_skipped_unless_asked_for():
    data = Unit(13, b"later", crc=False).to_bytes() + Unit(UnitType.METADATA, b"").to_bytes()
    assert [unit.type for unit in parse_units(data)] == [UnitType.METADATA]
    assert [unit.type for unit in parse_units(data, keep_unknown=True)] == [13, UnitType.METADATA]


@pytest.mark.parametrize("kind", [4, 5, 6])
def test_unknown_critical_units_stop_the_reader_at_their_header(kind):
    with pytest.raises(Unsupported):
        UnitReader().feed(bytes([kind << 3 | 4]))
    with pytest.raises(Unsupported):
        Unit(kind, b"")


def test_every_single_bit_flip_is_noticed_where_there_is_a_crc():
    for kind in (UnitType.MOTION, UnitType.SEQUENCE, UnitType.AUDIO):
        good = Unit(kind, b"some payload").to_bytes()
        for bit in range(8 * len(good)):
            bad = bytearray(good)
            bad[bit // 8] ^= 128 >> bit % 8
            found, error = read(bytes(bad))
            assert error is not None or kind is UnitType.MOTION and found[0].crc is False, (kind, bit)


def test_layout_of_a_unit_is_the_documented_one():
    body = bytes([UnitType.METADATA << 3 | 4 | 2, 0x55, 3]) + b"abc"
    assert Unit(UnitType.METADATA, b"abc", extension=0x55).to_bytes() == body + zlib.crc32(body).to_bytes(4, "big")
    assert Unit(UnitType.END, b"").to_bytes() == bytes([0x38, 0])
    assert len(Unit(UnitType.MOTION, b"x").to_bytes()) == 5
    assert len(Unit(UnitType.MOTION, b"x", crc=False).to_bytes()) == 3


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (bytes([0x80]), Corrupt),  # forbidden bit
        (bytes([UnitType.SEQUENCE << 3, 0]), Corrupt),  # CRC is required
        (bytes([UnitType.END << 3 | 4, 0]), Corrupt),  # and must not be there
        (bytes([UnitType.END << 3, 1]), Corrupt),  # END is empty
        (bytes([UnitType.MOTION << 3, 0x80, 0x00]), Corrupt),  # size not in its shortest form
        (bytes([UnitType.AUDIO << 3 | 4, 0xFF, 0xFF, 0xFF, 0xFF]), Corrupt),  # size of five bytes
        (bytes([UnitType.MOTION << 3, 0x80, 0x20]), LimitExceeded),  # 4096
        (bytes([UnitType.KEYFRAME << 3 | 4, 0x80, 0x80, 0x80, 0x08]), LimitExceeded),  # 2^24
        (bytes([UnitType.END << 3, 0, UnitType.END << 3]), Corrupt),  # something after END
    ],
)
def test_bad_headers_are_refused_before_any_payload_arrives(data, error):
    found, got = read(data)
    assert got is error


def test_limits_are_checked_before_the_payload_is_held():
    limits = Limits(max_unit_bytes=100, max_motion_bytes=10, max_ancillary_bytes=20)
    for kind, most in ((UnitType.KEYFRAME, 100), (UnitType.MOTION, 10), (UnitType.INDEX, 20)):
        assert len(parse_units(Unit(kind, bytes(most)).to_bytes(), limits)) == 1
        with pytest.raises(LimitExceeded):
            UnitReader(limits).feed(Unit(kind, bytes(most + 1)).to_bytes()[:3])
    with pytest.raises(ValueError, match="max_motion_bytes"):
        Limits(max_motion_bytes=4096)


def test_the_signature_is_required_forbidden_or_taken_as_it_comes():
    unit = Unit(UnitType.END, b"")
    file = io.BytesIO()
    assert write_file_header(file) == 8
    whole = file.getvalue() + unit.to_bytes()
    assert read(whole) == read(whole, signature=True) == ([unit], None)
    assert read(unit.to_bytes()) == read(unit.to_bytes(), signature=False) == ([unit], None)
    assert read(unit.to_bytes(), signature=True)[1] is Corrupt
    assert read(whole, signature=False)[1] is Corrupt
    assert read(b"", signature=True)[1] is Truncated
    assert read(whole[:5])[1] is Truncated
    assert read(whole.replace(b"\r\n", b"\n"))[1] is Corrupt  # a text-mode copy


def test_an_error_comes_after_the_units_before_it_and_stays():
    reader = UnitReader()
    good = Unit(UnitType.MOTION, b"good")
    assert reader.feed(good.to_bytes() + b"\xff") == [good]
    for _ in range(2):
        with pytest.raises(Corrupt):
            reader.feed(good.to_bytes())
    with pytest.raises(Corrupt):
        reader.close()


def test_closing_inside_a_unit_is_truncation_and_offsets_count_whole_units():
    data = Unit(UnitType.AUDIO, b"1234").to_bytes()
    for size in range(1, len(data)):
        assert read(data[:size])[1] is Truncated
    reader = UnitReader()
    reader.feed(SIGNATURE + data + data[:3])
    assert reader.offset == 8 + len(data)


def test_resync_is_found_behind_damage_and_only_where_its_crc_holds():
    mark = make_unit(Resync(77, 20)).to_bytes()
    damaged = b"\x5c\x06" + mark[:-1] + b"\0" + b"\x5c" * 5
    data = damaged + mark + b"tail"
    assert find_resync(data) == len(damaged)
    assert find_resync(data, len(damaged) + 1) is None
    assert parse_units(data[len(damaged) : -4]) == [make_unit(Resync(77, 20))]
