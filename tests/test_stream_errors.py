"""A whole stream, damaged in every small way: nothing but BitstreamError comes out, and damage is noticed."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_motion import SEQUENCE, key, walk

from bitstream import (
    SIGNATURE,
    Audio,
    AudioHeader,
    AudioPacket,
    BitstreamError,
    Corrupt,
    End,
    Index,
    InvalidField,
    LimitExceeded,
    Metadata,
    ModelMismatch,
    MotionDecoder,
    MotionEncoder,
    Picture,
    Resync,
    Truncated,
    UnitReader,
    UnitType,
    Unsupported,
    make_unit,
    parse_payload,
    parse_units,
)
from bitstream.syntax import Motion


def build():
    """A file with every type of unit, as a list of units."""
    encoder = MotionEncoder(SEQUENCE)
    encoder.start(key())
    header = AudioHeader(
        codec="aac",
        time_base_numerator=1,
        time_base_denominator=48000,
        sample_rate=48000,
        channels=1,
        extradata=b"\x12",
    )
    motion = [Motion(frame_count=1, coded=encoder.encode(frame[None])) for frame in walk(4)]
    grouped = Motion(frame_count=3, coded=encoder.encode(walk(3, seed=9)))
    payloads = [
        Metadata((("nvc.made", "test"),)),
        SEQUENCE,
        key(),
        Audio(header, (AudioPacket(-1024, 1024, b"abc"),)),
        *motion,
        Resync(5, 5),
        grouped,
        Picture(presentation_index=8, picture=b"\0\0\1\x41"),
        Index(((0, 40),)),
        End(),
    ]
    return [make_unit(payload, SEQUENCE) for payload in payloads]


UNITS = build()
FILE = SIGNATURE + b"".join(unit.to_bytes() for unit in UNITS)


def decode(data):
    """Parse everything as a decoder would; returns the motion frames and the number of units."""
    reader = UnitReader()
    units = reader.feed(data)
    sequence = decoder = None
    frames = []
    for unit in units:
        payload = parse_payload(unit, sequence)
        if unit.type is UnitType.SEQUENCE:
            sequence, decoder = payload, MotionDecoder(payload)
        elif unit.type is UnitType.KEYFRAME:
            decoder.start(payload)
        elif unit.type is UnitType.MOTION:
            frames.append(decoder.decode(unit.payload))
    reader.close()
    if not reader.ended:
        raise Truncated("no END")
    return frames, len(units)


def test_the_whole_file_decodes():
    frames, count = decode(FILE)
    assert count == len(UNITS)
    assert (np.concatenate(frames) == np.concatenate([walk(4), walk(3, seed=9)])).all()


def test_every_truncation_is_noticed():
    for size in range(len(FILE)):
        with pytest.raises(Truncated):
            decode(FILE[:size])


def test_every_bit_flip_is_noticed():
    for bit in range(8 * len(FILE)):
        damaged = bytearray(FILE)
        damaged[bit // 8] ^= 128 >> bit % 8
        try:
            decode(bytes(damaged))
        except BitstreamError:
            continue
        at = len(SIGNATURE)
        headers = []
        for unit in UNITS:
            headers.append(at)
            at += len(unit.to_bytes())
        assert bit // 8 == headers[-1] and bit % 8 == 7, bit  # END has no CRC; its reserved bit is ignored


@given(st.lists(st.integers(0, len(UNITS) - 1), max_size=20))
@settings(max_examples=200)
def test_units_dropped_doubled_and_reordered_raise_only_bitstream_errors(order):
    data = SIGNATURE + b"".join(UNITS[k].to_bytes() for k in order)
    with contextlib.suppress(BitstreamError):
        decode(data)


@given(st.binary(max_size=64), st.integers(0, len(FILE)), st.integers(0, len(FILE)))
@settings(max_examples=200)
def test_splices_raise_only_bitstream_errors(middle, a, b):
    with contextlib.suppress(BitstreamError):
        decode(FILE[:a] + middle + FILE[b:])


def test_errors_are_value_errors_and_one_family():
    for error in (Truncated, Corrupt, Unsupported, LimitExceeded, ModelMismatch, InvalidField):
        assert issubclass(error, BitstreamError)
    assert issubclass(BitstreamError, ValueError)
    assert issubclass(InvalidField, Corrupt)


def test_units_of_one_packet_can_be_parsed_alone():
    packet = b"".join(unit.to_bytes() for unit in UNITS[4:6])
    assert parse_units(packet) == UNITS[4:6]
