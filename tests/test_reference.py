"""The reference decoder, written from the text, and the codec agree on everything, to the last decision."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_coverage import covered
from test_motion import SEQUENCE as MOTION_SEQUENCE
from test_motion import key, units, values
from test_rangecoder import encode, symbols
from test_stream import resilient_units
from test_stream_errors import FILE, UNITS
from test_syntax import SEQUENCE, payloads

from bitstream import SIGNATURE, BitstreamError, End, Motion, MotionEncoder, Unit, UnitType, make_unit
from bitstream.rangecoder import TOTAL, FrequencyTable, RangeEncoder
from bitstream.stream import read_damaged
from bitstream.trace import error_class, to_json, trace_lines, trace_stream

SPEC = Path(__file__).resolve().parent.parent / "spec"
sys.path.append(str(SPEC))
import reference  # noqa: E402


def both(data):
    """The trace of both decoders, after checking that it is one."""
    lines = list(trace_lines(trace_stream(data)))
    assert reference.trace_stream(data) == lines
    return lines


def test_a_file_with_every_type_of_unit_has_one_trace():
    assert len(both(FILE)) > 300


@given(st.lists(payloads, max_size=4))
def test_streams_of_any_payloads_have_one_trace(stream):
    head = make_unit(SEQUENCE).to_bytes()
    both(head + b"".join(make_unit(payload, SEQUENCE).to_bytes() for payload in stream))


@given(units, values, st.booleans(), st.integers(1, 4))
@settings(max_examples=50)
def test_any_motion_has_one_trace(stream, start, resilient, group):
    sequence = replace(MOTION_SEQUENCE, error_resilient=resilient, motion_group=group)
    encoder, data = MotionEncoder(sequence), [make_unit(sequence), make_unit(key(start), sequence)]
    encoder.start(key(start))
    for unit in stream:
        coded = encoder.encode([frame for frame, _ in unit], [count for _, count in unit])
        data.append(make_unit(Motion(frame_count=len(unit), coded=coded), sequence))
    lines = both(SIGNATURE + b"".join(unit.to_bytes() for unit in [*data, make_unit(End())]))
    assert lines[-1][0] != "!"


@given(st.binary(max_size=60), st.booleans())
@settings(max_examples=300)
def test_any_motion_payload_has_one_trace_or_one_error(payload, crc):
    start = b"".join(unit.to_bytes() for unit in UNITS[1:3])
    both(start + Unit(UnitType.MOTION, payload, crc=crc).to_bytes())


@given(st.sampled_from(UnitType), st.binary(max_size=120))
@settings(max_examples=300)
def test_any_payload_has_one_trace_or_one_error(kind, payload):
    both(UNITS[1].to_bytes() + Unit(kind, payload).to_bytes())


@given(st.integers(0, len(FILE)), st.integers(0, len(FILE)), st.binary(max_size=40))
@settings(max_examples=200)
def test_damaged_files_have_one_trace_and_one_error(a, b, middle):
    both(FILE[: min(a, b)] + middle + FILE[max(a, b) :])


whole = SIGNATURE + b"".join(resilient_units()) + FILE[8:]


@given(st.integers(0, len(whole)), st.integers(0, len(whole)), st.binary(max_size=12))
@settings(max_examples=300)
def test_both_read_the_same_out_of_damaged_files(a, b, middle):
    data = whole[: min(a, b)] + middle + whole[max(a, b) :]
    try:
        frames = [(f.presentation_index, f.kind.name, list(f.sources), list(f.values)) for f in read_damaged(data)]
    except BitstreamError as error:
        with pytest.raises(reference.BitstreamError) as other:
            reference.decode_damaged(data)
        assert type(other.value).__name__ == error_class(error)
        return
    assert reference.decode_damaged(data) == frames


class TableDecoder(reference.RangeDecoder):
    """The reference's range decoder, for tables of any frequencies."""

    def symbol(self, frequencies):
        q, c, x = self.quantile(), 0, 0
        while c + frequencies[x] <= q:
            c, x = c + frequencies[x], x + 1
        self.take(c, frequencies[x])
        return x


def reference_run(payload, calls):
    """What the reference's range decoder reads, then the class of the error or None."""
    found = []
    try:
        coder = TableDecoder(payload, [])
        for kind, parameter, _ in calls:
            found.append(getattr(coder, kind)(parameter.frequencies if kind == "symbol" else parameter))
        coder.end()
    except reference.BitstreamError as error:
        return found, type(error).__name__
    return found, None


@given(symbols())
def test_random_tables_are_decoded_as_constriction_encodes_them(calls):
    payload = encode(RangeEncoder(), calls)
    assert reference_run(payload, calls) == ([symbol for _, _, symbol in calls], None)


@given(st.lists(st.sampled_from([0, 1, 1, 1, 1, 1, 1, 2]), max_size=300), st.sampled_from([2, 3, 256]))
@settings(max_examples=200)
def test_pending_carries_are_decoded_as_constriction_encodes_them(run, middle):
    side = (TOTAL - middle) // 2
    table = FrequencyTable([side, TOTAL - 2 * side, side])
    calls = [("symbol", table, symbol) for symbol in run]
    assert reference_run(encode(RangeEncoder(), calls), calls) == (run, None)


@given(symbols(), st.binary(min_size=1, max_size=3))
def test_longer_runs_are_refused_or_are_the_runs_of_other_symbols(calls, tail):
    payload = encode(RangeEncoder(), calls) + tail
    found, error = reference_run(payload, calls)
    if error is None:
        others = [(kind, parameter, symbol) for (kind, parameter, _), symbol in zip(calls, found, strict=True)]
        assert others != calls
        assert encode(RangeEncoder(), others) == payload


def plain(value):
    """As in the JSON of the codec: bytes in hexadecimal."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def test_fields_have_the_names_and_values_of_the_codec():
    wanted = [unit["fields"] for unit in to_json(trace_stream(FILE))["units"]]
    for (_, found, _), fields in zip(reference.decode_stream(FILE), wanted, strict=True):
        fields.pop("coded", None)
        assert plain(found) == fields


def test_the_command_prints_frames_or_the_trace(tmp_path):
    path = tmp_path / "file.nvc"
    path.write_bytes(FILE)
    command = [sys.executable, str(SPEC / "reference.py"), str(path)]
    frames = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(frames) == 9
    assert frames[0] == "0 KEYFRAME 0 | " + " ".join(["0"] * 12)
    trace = subprocess.run([*command, "--trace"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert trace == list(trace_lines(trace_stream(FILE)))


def test_it_needs_the_standard_library_only():
    code = "import reference, sys; sys.exit(any(n in sys.modules for n in ('numpy', 'constriction', 'bitstream')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=SPEC, check=False).returncode == 0


def test_the_vectors_reach_every_branch_of_it():
    found = covered()
    assert found.missing_lines == []
    assert found.missing_branches == []
    assert found.branches > 150
