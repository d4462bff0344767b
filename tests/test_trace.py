"""The trace: every bit of a stream belongs to one element, and every tool says the same."""

import json
from dataclasses import fields

import pytest
from hypothesis import given
from test_motion import SEQUENCE, key, walk
from test_stream_errors import FILE, UNITS
from test_syntax import payloads

from bitstream import (
    SIGNATURE,
    Corrupt,
    InvalidField,
    LimitExceeded,
    Metadata,
    ModelMismatch,
    Motion,
    MotionEncoder,
    Truncated,
    Unit,
    Unsupported,
    make_unit,
)
from bitstream.elements import Decision, Element, Result, unit_elements
from bitstream.trace import bits_by_element, error_class, show, to_json, trace_lines, trace_stream, unit_table

TRACE = trace_stream(FILE)


def written(elements):
    """The bytes that a list of elements with numbers below 128 stands for."""
    out = bits = 0
    for element in elements:
        value = element.value if isinstance(element.value, int) else int.from_bytes(element.value, "big")
        out, bits = out << element.bits | value, bits + element.bits
    return out.to_bytes(bits // 8, "big")


@given(payloads)
def test_the_elements_of_a_unit_fill_it(payload):
    unit = make_unit(payload, SEQUENCE)
    elements = unit_elements(unit, payload)
    assert sum(e.bits for e in elements if isinstance(e, Element)) == 8 * len(unit.to_bytes())


def test_elements_of_whole_bytes_are_the_bytes_of_the_unit():
    unit = make_unit(Metadata((("key", "value"),)))
    elements = unit_elements(unit, Metadata((("key", "value"),)))
    assert written(elements) == unit.to_bytes()


def test_lines_begin_with_positions_that_follow_each_other():
    at = 0
    for line in trace_lines(TRACE):
        if line[0] in "~>":
            continue
        position, bits, *_ = line.split(" ")
        byte, bit = position.split(".")
        assert 8 * int(byte) + int(bit) == at
        at += int(bits)
    assert at == 8 * len(FILE)


def test_frames_are_in_the_trace_with_their_integers():
    frames = [line for line in trace_lines(TRACE) if line.startswith("> frame ")]
    assert len(frames) == 1 + 4 + 3 + 1
    assert frames[1] == f"> frame 1 MOTION sources 0 values {' '.join(map(str, walk(4)[0]))}"
    assert frames[-1] == "> frame 8 PICTURE sources - values -"


def test_an_error_is_the_last_line_after_all_units_before_it():
    damaged = bytearray(FILE)
    damaged[100] ^= 1
    trace = trace_stream(bytes(damaged))
    assert isinstance(trace.error, Corrupt)
    lines = list(trace_lines(trace))
    assert lines[-1] == "! Corrupt"
    assert lines[:-1] == list(trace_lines(TRACE))[: len(lines) - 1]
    assert list(trace_lines(trace_stream(FILE[:-2])))[-1] == "! Truncated"
    assert list(trace_lines(trace_stream(FILE[:5]))) == ["! Truncated"]
    assert list(trace_lines(trace_stream(b""))) == []


def test_json_has_every_field_of_every_unit():
    found = json.loads(json.dumps(to_json(TRACE)))
    assert found["error"] is None
    assert [unit["unit_type"] for unit in found["units"]] == [unit.type.name for unit in UNITS]
    for unit, trace in zip(found["units"], TRACE.units, strict=True):
        assert list(unit["fields"]) == [field.name for field in fields(trace.payload)]
    assert found["units"][4]["frames"][0]["values"] == walk(4)[0].tolist()
    assert sum(unit["size"] for unit in found["units"]) == len(FILE) - len(SIGNATURE)
    broken = to_json(trace_stream(FILE[:-1]))
    assert broken["error"]["class"] == "Truncated"


def test_unknown_units_are_shown_as_they_are():
    trace = trace_stream(Unit(14, b"later", crc=False, extension=7, reserved=True).to_bytes())
    assert to_json(trace)["units"][0]["unit_type"] == "UNKNOWN_14"
    assert to_json(trace)["units"][0]["fields"] == {"payload": "6c61746572"}
    assert list(trace_lines(trace))[-3:] == [
        "1.0 8 extension = 7",
        "2.0 8 unit_size = 5",
        "3.0 40 payload = 6c61746572",
    ]


def test_the_table_has_one_line_a_unit_and_its_bits_add_up():
    lines = list(unit_table(TRACE))
    assert len(lines) == 1 + len(UNITS)
    assert lines[2].split()[:3] == ["28", "48", "SEQUENCE"]
    for unit in TRACE.units:
        assert sum(bits_by_element(unit).values()) == pytest.approx(8 * unit.size)
    assert list(unit_table(trace_stream(FILE[:-1])))[-1].startswith("Truncated: ")


def test_decisions_cost_what_the_coder_says():
    encoder = MotionEncoder(SEQUENCE)
    encoder.start(key())
    cost = encoder.cost(walk(1)[0])
    coded = encoder.encode(walk(1))
    start = make_unit(SEQUENCE).to_bytes() + make_unit(key(), SEQUENCE).to_bytes()
    motion = make_unit(Motion(frame_count=1, coded=coded), SEQUENCE).to_bytes()
    elements = trace_stream(start + motion).units[-1].elements
    decisions = [e for e in elements if isinstance(e, Decision)]
    assert sum(d.bits for d in decisions[1:]) == pytest.approx(cost)
    assert [e.name for e in elements if isinstance(e, Result)] == ["frame_count", "sources", "truncation", "count"]


def test_decisions_name_the_element_that_they_belong_to():
    names = [[e.name for e in unit.elements if isinstance(e, Decision)] for unit in TRACE.units]
    assert list(dict.fromkeys(names[2])) == ["canonical", "pose", "expression"]
    assert list(dict.fromkeys(names[4])) == ["special", "pose", "expression"]
    header = ["special", "frame_count_minus_1", "truncation", "sources_flag"]
    assert names[9][: len(header)] == header


def test_values_are_shown_in_full_or_by_hash():
    assert show(b"") == "-"
    assert show(True) == "1"
    assert show(bytes(64)) == "00" * 64
    assert show(bytes(65)).startswith("65 bytes sha256 ")


def test_errors_are_named_by_their_published_class():
    for error in (Truncated, Corrupt, Unsupported, LimitExceeded, ModelMismatch):
        assert error_class(error("x")) == error.__name__
    assert error_class(InvalidField("x")) == "Corrupt"
