"""Payloads of every unit: what is built comes back, what parses is rewritten to the bit, the rest is refused."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import (
    Audio,
    AudioHeader,
    AudioPacket,
    BitstreamError,
    Corrupt,
    End,
    ExpressionTransform,
    Index,
    InvalidField,
    KeyFrame,
    Level,
    Metadata,
    ModelMismatch,
    Motion,
    MotionCrc,
    Picture,
    Resync,
    Sequence,
    Truncation,
    Unit,
    UnitType,
    Unsupported,
    make_unit,
    parse_payload,
    smallest_level,
)
from bitstream.bytefields import FieldReader, FieldWriter
from bitstream.rangecoder import RangeEncoder

SEQUENCE = Sequence(
    side=256,
    source_width=1280,
    source_height=720,
    crop_side=600,
    frame_rate_numerator=25,
    model_id=bytes(range(16)),
    keypoint_count=3,
    expression_count=4,
    pose_quantiser=28,
    expression_quantiser=24,
    canonical_quantiser=24,
)


@st.composite
def sequences(draw):
    rate = draw(st.fractions(min_value="1/1000", max_value=60, max_denominator=90000))
    side = 2 * draw(st.integers(8, 256))
    keypoints = draw(st.integers(1, 512))
    transform = draw(st.sampled_from(ExpressionTransform))
    threes = transform is ExpressionTransform.KEYPOINTS
    count = 3 * draw(st.integers(1, keypoints)) if threes else draw(st.integers(1, 4089))
    byte, step = st.integers(0, 255), st.integers(0, 63)
    return Sequence(
        micro_version=draw(byte),
        level=draw(st.sampled_from([level for level in Level if level >= smallest_level(side, rate)])),
        side=side,
        source_width=draw(st.integers(1, 65535)),
        source_height=draw(st.integers(1, 65535)),
        crop_x=draw(st.integers(-65535, 65535)),
        crop_y=draw(st.integers(-65535, 65535)),
        crop_side=draw(st.integers(1, 131070)),
        frame_rate_numerator=rate.numerator,
        frame_rate_denominator=rate.denominator,
        colour_primaries=draw(byte),
        transfer_characteristics=draw(byte),
        matrix_coefficients=draw(byte),
        full_range=draw(st.booleans()),
        model_id=draw(st.binary(min_size=16, max_size=16)),
        keypoint_count=keypoints,
        expression_count=count,
        expression_transform=transform,
        pose_quantiser=draw(step),
        expression_quantiser=draw(step),
        canonical_quantiser=draw(step),
        motion_group=draw(st.integers(1, 64)),
        error_resilient=draw(st.booleans()),
        motion_crc=draw(st.sampled_from(MotionCrc)),
        synthetic=draw(st.booleans()),
        extension=draw(st.binary(max_size=1024)),
    )


def integers(count):
    return st.lists(st.integers(-40, 40) | st.integers(-32768, 32767), min_size=count, max_size=count).map(tuple)


indices = st.integers(0, (1 << 28) - 1)
key_frames = st.builds(
    KeyFrame,
    presentation_index=indices,
    source_slot=st.integers(0, 3),
    coded_width=st.integers(8, 128).map(lambda n: 2 * n),
    coded_height=st.integers(8, 128).map(lambda n: 2 * n),
    canonical=integers(9),
    pose=integers(7),
    expression=integers(4),
    picture=st.binary(min_size=1, max_size=50),
)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=32)
audio_headers = st.builds(
    AudioHeader,
    codec=names,
    time_base_numerator=st.integers(1, 2**31 - 1),
    time_base_denominator=st.integers(1, 2**31 - 1),
    sample_rate=st.integers(1, 192000),
    channels=st.integers(1, 255),
    extradata=st.binary(max_size=40),
)
packets = st.builds(AudioPacket, st.integers(-(2**59), 2**59 - 1), st.integers(0, 2**31 - 1), st.binary(max_size=40))
audios = st.builds(Audio, st.none() | audio_headers, st.lists(packets, max_size=5).map(tuple))
texts = st.text(max_size=20)
metadatas = st.builds(Metadata, st.lists(st.tuples(st.text(min_size=1, max_size=20), texts), max_size=4).map(tuple))
rising = st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 1 << 40)), max_size=8).map(
    lambda steps: tuple(
        (sum(a for a, _ in steps[: k + 1]), sum(b for _, b in steps[: k + 1])) for k in range(len(steps))
    )
)
payloads = (
    sequences()
    | key_frames
    | audios
    | metadatas
    | st.builds(Index, rising)
    | st.builds(
        Picture,
        presentation_index=st.integers(0, (1 << 28) - 64),
        picture_count=st.integers(1, 64),
        picture=st.binary(min_size=1, max_size=50),
    )
    | st.tuples(indices, indices).map(lambda pair: Resync(max(pair), min(pair)))
    | st.just(End())
)


@given(payloads)
def test_every_payload_comes_back_through_its_unit(payload):
    unit = make_unit(payload, SEQUENCE)
    assert parse_payload(unit, SEQUENCE) == payload
    assert Unit(unit.type, unit.payload).to_bytes() == unit.to_bytes()


@given(st.sampled_from(UnitType), st.binary(max_size=120))
@settings(max_examples=500)
def test_bytes_that_parse_are_rewritten_to_the_bit_and_others_raise_a_bitstream_error(kind, data):
    try:
        payload = parse_payload(Unit(kind, data), SEQUENCE)
    except BitstreamError:
        return
    assert payload.to_payload() == data


@given(payloads, st.data())
@settings(max_examples=300)
def test_damaged_payloads_parse_canonically_or_raise_a_bitstream_error(payload, data):
    unit = make_unit(payload, SEQUENCE)
    damaged = bytearray(unit.payload)
    if damaged and data.draw(st.booleans()):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))] + data.draw(st.binary(max_size=3))
    try:
        again = parse_payload(Unit(unit.type, bytes(damaged)), SEQUENCE)
    except BitstreamError:
        return
    assert again.to_payload() == bytes(damaged)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("version", 2, Unsupported),
        ("profile", 1, Unsupported),
        ("level", 9, Unsupported),
        ("picture_codec", 1, Unsupported),
        ("expression_transform", 2, Unsupported),
        ("motion_crc", 2, Unsupported),
        ("side", 255, InvalidField),
        ("side", 2050, InvalidField),
        ("source_width", 0, InvalidField),
        ("crop_x", -65536, InvalidField),
        ("crop_side", 0, InvalidField),
        ("frame_rate_numerator", 0, InvalidField),
        ("frame_rate_numerator", 241, InvalidField),
        ("frame_rate_denominator", 5, InvalidField),
        ("colour_primaries", 256, InvalidField),
        ("model_id", bytes(15), InvalidField),
        ("keypoint_count", 513, InvalidField),
        ("expression_count", 0, InvalidField),
        ("expression_count", 4090, InvalidField),
        ("pose_quantiser", 64, InvalidField),
        ("expression_quantiser", -1, InvalidField),
        ("canonical_quantiser", 64, InvalidField),
        ("motion_group", 0, InvalidField),
        ("motion_group", 65, InvalidField),
        ("extension", bytes(1025), InvalidField),
    ],
)
def test_sequence_fields_outside_their_range_are_refused(field, value, error):
    with pytest.raises(error, match=field.split("_")[0]):
        replace(SEQUENCE, **{field: value})


def test_per_keypoint_expressions_come_in_threes():
    transform = ExpressionTransform.KEYPOINTS
    assert replace(SEQUENCE, expression_transform=transform, expression_count=9).expression_count == 9
    for count in (4, 12):
        with pytest.raises(InvalidField, match="expression_count"):
            replace(SEQUENCE, expression_transform=transform, expression_count=count)


def test_levels_bound_side_rate_and_picture_bytes():
    assert smallest_level(64, 25) is Level.L1
    assert smallest_level(256, 25) is Level.L2
    assert smallest_level(2048, 240) is Level.L5
    with pytest.raises(InvalidField):
        smallest_level(2048, 241)
    with pytest.raises(InvalidField, match="side at level 1"):
        replace(SEQUENCE, level=Level.L1)
    large = Picture(presentation_index=1, picture=bytes((1 << 18) + 1))
    with pytest.raises(InvalidField):
        parse_payload(make_unit(large), replace(SEQUENCE, level=Level.L2))


def test_sequence_extension_is_ignored_and_kept():
    payload = SEQUENCE.to_payload() + b"from the future"
    parsed = Sequence.from_payload(payload)
    assert replace(parsed, extension=b"") == SEQUENCE
    assert parsed.to_payload() == payload
    with pytest.raises(Corrupt):
        Sequence.from_payload(SEQUENCE.to_payload() + bytes(1025))


def test_sequence_is_small_and_unknown_flags_are_unsupported():
    payload = bytearray(SEQUENCE.to_payload())
    assert len(payload) <= 44
    payload[-1] |= 1
    with pytest.raises(Unsupported):
        Sequence.from_payload(bytes(payload))


def test_the_model_is_checked():
    SEQUENCE.check_model(bytes(range(16)))
    with pytest.raises(ModelMismatch, match="000102"):
        SEQUENCE.check_model(bytes(16))


@pytest.mark.parametrize(
    "change",
    [
        {"presentation_index": 1 << 28},
        {"source_slot": 4},
        {"coded_width": 15},
        {"coded_height": 17},
        {"pose": (0,) * 6},
        {"expression": (32768, 0, 0, 0)},
        {"picture": b""},
    ],
)
def test_key_frame_fields_outside_their_range_are_refused(change):
    fields = {"presentation_index": 0, "coded_width": 64, "coded_height": 64, "canonical": (0,) * 9}
    fields |= {"pose": (0,) * 7, "expression": (0,) * 4, "picture": b"p"}
    KeyFrame(**fields).check(SEQUENCE)
    with pytest.raises(InvalidField):
        KeyFrame(**{**fields, **change})
    for misfit in ({"canonical": (0,) * 6}, {"expression": (0,) * 3}, {"coded_width": 258}):
        with pytest.raises(InvalidField):
            KeyFrame(**{**fields, **misfit}).check(SEQUENCE)


def test_other_fields_outside_their_range_are_refused():
    header = {"codec": "aac", "time_base_numerator": 1, "time_base_denominator": 48000, "sample_rate": 48000}
    for change in ({"codec": ""}, {"codec": "AAC"}, {"codec": "a" * 33}, {"channels": 0}, {"time_base_numerator": 0}):
        with pytest.raises(InvalidField):
            AudioHeader(**{**header, "channels": 2, **change})
    for entries in (((1, 5), (1, 6)), ((1, 5), (2, 5)), ((-1, 5),), ((1 << 28, 0),)):
        with pytest.raises(InvalidField):
            Index(entries)
    for entries in ((("", "x"),), (("k" * 256, "x"),), (("k", "\ud800"),)):
        with pytest.raises(InvalidField):
            Metadata(entries)
    with pytest.raises(InvalidField):
        AudioPacket(1 << 59, 0, b"")
    with pytest.raises(Unsupported):
        Audio.from_payload(b"\x02")
    with pytest.raises(Corrupt):
        Metadata.from_payload(b"\x01\xff\x01a")
    with pytest.raises(Corrupt):
        Resync.from_payload(b"\xd5NVS\x00\x00")
    with pytest.raises(InvalidField):
        Resync(5, 6)


headers = st.builds(
    Motion,
    frame_count=st.integers(1, 64),
    sources=st.none() | st.sets(st.integers(0, 3), min_size=1).map(tuple),
    truncation=st.sampled_from([Truncation.NONE, Truncation.FRAME]),
) | st.builds(Motion, frame_count=st.integers(1, 64), truncation=st.just(1), count=st.integers(0, 3))


@given(headers, st.integers(1, 64))
def test_motion_headers_come_back_and_the_usual_one_costs_nothing(header, group):
    sequence = replace(SEQUENCE, motion_group=group)
    encoder = RangeEncoder()
    header.code_header(encoder, sequence)
    payload = encoder.finish()
    assert len(payload) <= (0 if header == Motion(frame_count=group) else 3)
    assert replace(Motion.from_payload(payload, sequence), coded=b"") == header
    assert Motion.from_payload(payload, sequence).to_payload() == payload


def test_motion_headers_that_spell_out_the_default_are_refused():
    encoder = RangeEncoder()
    encoder.bit(1 << 10, 1)
    for bits, value in ((6, 0), (2, 0), (1, 0)):
        encoder.bypass(bits, value)
    with pytest.raises(Corrupt, match="defaults"):
        Motion.from_payload(encoder.finish(), SEQUENCE)
    with pytest.raises(InvalidField):
        Motion(frame_count=65)
    with pytest.raises(InvalidField):
        Motion(frame_count=1, sources=())
    with pytest.raises(InvalidField):
        Motion(frame_count=1, truncation=Truncation.UNIT)


def test_units_are_refused_without_what_they_need():
    motion = Motion(frame_count=1)
    with pytest.raises(Corrupt, match="before any SEQUENCE"):
        parse_payload(Unit(UnitType.MOTION, b""))
    with pytest.raises(InvalidField):
        make_unit(motion)
    bare = replace(SEQUENCE, motion_crc=MotionCrc.NONE)
    assert make_unit(motion, bare).crc is False
    assert make_unit(motion, SEQUENCE).crc is True
    for sequence, other in ((bare, SEQUENCE), (SEQUENCE, bare)):
        with pytest.raises(Corrupt, match="crc_flag"):
            parse_payload(make_unit(motion, sequence), other)
    with pytest.raises(Unsupported):
        parse_payload(Unit(14, b""))


@given(st.integers(0, 2**62 - 1), st.integers(-(2**61), 2**61 - 1), st.binary(max_size=300))
def test_byte_fields_come_back(number, signed, block):
    out = FieldWriter()
    out.leb128(number)
    out.signed(signed)
    out.block(block)
    read = FieldReader(bytes(out))
    assert (read.leb128(62), read.signed(62), read.block()) == (number, signed, block)
    read.end()


@pytest.mark.parametrize("data", ["8000", "ff00", "", "80", "ffffffff01"])
def test_numbers_that_are_long_cut_or_too_large_are_refused(data):
    with pytest.raises(Corrupt):
        FieldReader(bytes.fromhex(data)).leb128()


def test_reading_leaves_nothing_over():
    read = FieldReader(b"ab")
    with pytest.raises(Corrupt, match="2 bytes"):
        read.end()
    with pytest.raises(Corrupt, match="1 bytes early"):
        read.raw(3)


def test_importing_the_package_brings_neither_torch_nor_av():
    code = "import bitstream, sys; sys.exit(any(m in sys.modules for m in ('torch', 'av', 'nvc')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
