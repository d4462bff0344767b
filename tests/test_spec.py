"""The specification and the code say the same: names, numbers, examples."""

import binascii
import re
import zlib
from dataclasses import fields

import numpy as np
import pytest
import torch
from spec_examples import TEXT, euler_matrix, example_stream, with_parts

import bitstream
from bitstream import (
    LEVEL_TABLE,
    Audio,
    AudioHeader,
    AudioPacket,
    End,
    Index,
    KeyFrame,
    Metadata,
    Motion,
    Picture,
    Resync,
    Sequence,
    Unit,
    UnitType,
    limits,
)
from bitstream.ancillary import MAX_ENTRIES
from bitstream.stream import HOLD_FRAMES, MAX_CONCEALED_FRAMES, MAX_SKIPPED_FRAMES
from bitstream.trace import trace_stream
from nvc.pose import euler_to_matrix

SPEC = TEXT.read_text()
PAYLOADS = (Sequence, KeyFrame, Motion, Picture, Audio, AudioHeader, AudioPacket, Metadata, Index, End, Resync)
ERRORS = ("Truncated", "Corrupt", "Unsupported", "LimitExceeded", "ModelMismatch")


def sections():
    """Text of every element's section by heading."""
    parts = re.split(r"^(#+ .*)$", SPEC, flags=re.M)
    return {
        heading[5:].strip(): text
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
        if heading.startswith("#### ")
    }


SECTIONS = sections()
HEADINGS = {re.match(r"`(\w+)`", heading)[1] for heading in SECTIONS}


def elements():
    blocks = re.findall(r"```syntax\n(.*?)```", SPEC, re.S)
    return {name for block in blocks for name in re.findall(r"^ +([a-z_0-9]+) {2,}", block, re.M)}


@pytest.mark.parametrize("kind", PAYLOADS, ids=lambda kind: kind.__name__)
def test_every_field_of_a_payload_has_a_heading(kind):
    assert {field.name for field in fields(kind)} <= HEADINGS


def test_every_field_of_a_unit_is_named():
    assert {"payload", "extension"} <= HEADINGS
    for field, element in (("type", "unit_type"), ("crc", "crc_flag"), ("reserved", "reserved_zero")):
        assert field in {f.name for f in fields(Unit)}
        assert f"`Unit.{field}`" in SECTIONS[f"`{element}`"]


def test_every_element_of_the_syntax_tables_has_a_heading():
    assert elements() <= HEADINGS


def test_every_heading_is_an_element_or_a_field():
    names = {field.name for kind in (*PAYLOADS, Unit) for field in fields(kind)}
    assert elements() | names >= HEADINGS


FREE = {
    "extension_flag", "reserved_zero", "extension", "payload", "micro_version", "colour_primaries", "synthetic",
    "transfer_characteristics", "full_range", "error_resilient", "values_size", "frame_count", "frame_count_minus_1",
    "sources_flag", "sources", "frame", "header", "extradata", "pts_difference", "duration", "data_size", "data",
    "value_size",
}  # fmt: skip


def test_every_element_says_what_happens_otherwise_or_is_free():
    for heading, text in SECTIONS.items():
        name = re.match(r"`(\w+)`", heading)[1]
        said = any(error in text for error in ERRORS) or "ikewise" in text or "See `" in text
        assert said or name in FREE, heading


def test_errors_are_the_classes_of_the_code():
    table = set(re.findall(r"^\| [A-Z]\d+ \| .* \| (\w+) \|$", SPEC, re.M))
    assert table == set(ERRORS)
    for name in ERRORS:
        assert issubclass(getattr(bitstream, name), bitstream.BitstreamError)


def test_the_computed_parts_are_up_to_date():
    assert with_parts(SPEC) == SPEC


def test_the_worked_example_decodes():
    trace = trace_stream(example_stream())
    assert trace.error is None
    assert [frame.values for unit in trace.units for frame in unit.frames][1] == (4, -1, 0, 0, 0, 0, -1, 0, 2, 0)
    assert 60 <= len(example_stream()) <= 120


def test_the_worked_rotation_is_that_of_the_code():
    for angles in ((-18 / 128, 42 / 128, 12 / 128), (0.3, 0, 0), (0, 0.3, 0), (0, 0, 0.3)):
        code = euler_to_matrix(torch.tensor(angles, dtype=torch.float64)).numpy()
        assert np.allclose(code, np.array(euler_matrix(*angles)), atol=1e-12)


def test_signs_are_those_of_the_text():
    nose = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64)
    right = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    pitch, yaw, roll = (euler_to_matrix(torch.eye(3, dtype=torch.float64)[k] * 0.3) for k in range(3))
    assert (pitch @ nose)[1] > 0  # down
    assert (yaw @ nose)[0] < 0  # to the left of the picture
    assert (roll @ right)[1] > 0  # clockwise


def test_levels_are_those_of_the_code():
    rows = re.findall(r"^\| (\d) \| (\d+) \| (\d+) \| (2\^\d+(?: - 1)?) \|$", SPEC, re.M)
    assert len(rows) == len(LEVEL_TABLE)
    for (level, side, rate, size), (key, bounds) in zip(rows, LEVEL_TABLE.items(), strict=True):
        found = (int(level), int(side), int(rate), eval(size.replace("^", "**")))
        assert found == (key, bounds.max_side, bounds.max_frame_rate, bounds.max_picture_bytes)


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("payload of MOTION | 4095 bytes", limits.MAX_MOTION_BYTES == 4095),
        ("payload of other units | 2^24 - 1 bytes", limits.MAX_UNIT_BYTES == 2**24 - 1),
        ("pixels of a frame | 2^22", limits.MAX_PIXELS == 2**22 == limits.MAX_SIDE**2),
        ("frames of a MOTION unit | 64", limits.MAX_MOTION_FRAMES == 64),
        ("integers of a frame | 4096", limits.MAX_SYMBOLS_PER_FRAME == 4096),
        ("keypoints | 512", limits.MAX_KEYPOINTS == 512),
        ("`extension` of SEQUENCE | 1024 bytes", limits.MAX_EXTENSION_BYTES == 1024),
        ("packets or entries of a unit | 65536", MAX_ENTRIES == 65536),
        ("indices left out | 1024", MAX_SKIPPED_FRAMES == 1024),
        ("KEYFRAMEs that are sources only | 4", limits.MAX_SOURCES_ONLY == 4),
        ("presentation index | 2^28 - 1", limits.MAX_PRESENTATION_INDEX == 2**28 - 1),
        ("magnitude of a coded integer | 32768", limits.MIN_VALUE == -32768),
    ],
)
def test_limits_are_those_of_the_code(row, value):
    assert f"| {row} |" in SPEC
    assert value


def test_concealment_and_types_are_those_of_the_code():
    assert (HOLD_FRAMES, MAX_CONCEALED_FRAMES) == (5, 64)
    words = " ".join(SPEC.split())
    assert "The first five repeat" in words
    assert "The first 64 concealed" in words
    for kind in UnitType:
        assert re.search(rf"\b{int(kind)} {kind.name}\b", SPEC), kind


def test_check_values_of_the_crcs():
    assert f"0x{binascii.crc_hqx(b'123456789', 0):04X}" in SECTIONS["`crc`"]
    assert f"0x{zlib.crc32(b'123456789'):08X}" in SECTIONS["`crc`"]


def test_references_to_sections_lead_somewhere():
    numbers = set(re.findall(r"^#+ (\d+(?:\.\d+)?)\b", SPEC, re.M))
    annexes = set(re.findall(r"^## Annex ([A-Z])\b", SPEC, re.M))
    assert set(re.findall(r"[Ss]ections? (\d+(?:\.\d+)?)", SPEC)) <= numbers
    assert set(re.findall(r"Annex ([A-Z])\b", SPEC)) <= annexes
