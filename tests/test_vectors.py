"""The conformance vectors: both decoders give what the JSON says, and together they exercise the whole format."""

import hashlib
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from make_vectors import expectation, files
from vector_faults import faulty
from vector_streams import decodable
from vector_writer import FOLDER

from bitstream import Limits
from bitstream.stream import read_damaged
from bitstream.trace import error_class, trace_lines, trace_stream

SPEC = Path(__file__).resolve().parent.parent / "spec"
sys.path.append(str(SPEC))
import reference  # noqa: E402

MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
NAMES = sorted(MANIFEST)


def load(name):
    return (FOLDER / f"{name}.nvc").read_bytes(), json.loads((FOLDER / f"{name}.json").read_text())


def check_trace(lines, expected):
    assert len(lines) == expected["trace_lines"]
    if "trace" in expected:
        assert lines == expected["trace"]
    text = "".join(f"{line}\n" for line in lines)
    assert hashlib.sha256(text.encode()).hexdigest() == expected["trace_sha256"]


@pytest.mark.parametrize("name", NAMES)
def test_the_codec_gives_what_is_expected(name):
    data, expected = load(name)
    model_id = bytes.fromhex(expected["model_id"])
    if expected["read"] == "damaged":
        frames = read_damaged(data, model_id=model_id)
    else:
        limits = Limits(max_pixels=expected.get("max_pixels", 1 << 22))
        trace = trace_stream(data, model_id=model_id, limits=limits)
        assert expected["result"] == ("ok" if trace.error is None else error_class(trace.error))
        assert expected["units"] == len(trace.units)
        check_trace(list(trace_lines(trace)), expected)
        frames = [frame for unit in trace.units for frame in unit.frames]
    found = [[f.presentation_index, f.kind.name, list(f.sources), list(f.values)] for f in frames]
    assert found == expected["frames"]


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_decoder_gives_what_is_expected(name):
    data, expected = load(name)
    model_id, frames, result = bytes.fromhex(expected["model_id"]), [], "ok"
    if expected["read"] == "damaged":
        frames = reference.decode_damaged(data, model_id)
    else:
        pixels = expected.get("max_pixels", 1 << 22)
        try:
            for _, _, some in reference.decode_stream(data, model_id, pixels):
                frames += some
        except reference.BitstreamError as error:
            result = type(error).__name__
        check_trace(reference.trace_stream(data, model_id, pixels), expected)
    assert result == expected["result"]
    assert [list(frame) for frame in frames] == expected["frames"]


def test_every_file_is_what_the_script_makes():
    made = dict(files())
    kept = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    extra = {name for name in kept if name.startswith("pictures/") or name.endswith((".rgb", ".md"))}
    assert kept - extra == set(made)
    for name, data in made.items():
        assert (FOLDER / name).read_bytes() == data, name


def test_the_manifest_has_the_hash_of_every_vector():
    for name, entry in MANIFEST.items():
        assert hashlib.sha256((FOLDER / f"{name}.nvc").read_bytes()).hexdigest() == entry["sha256"]


def test_good_vectors_decode_and_faulty_ones_do_not():
    for name, entry in MANIFEST.items():
        assert (entry["result"] == "ok") == (not name.startswith("faulty/")), name


def syntax_elements():
    """Element names of the syntax tables of the specification, by table."""
    text = (SPEC / "bitstream.md").read_text()
    found = {}
    for block in re.findall(r"```syntax\n(.*?)```", text, re.S):
        table = block.split("(")[0]
        names = re.findall(r"^ +([a-z_0-9]+) {2,}(?:u\(|leb128|signed|bytes|run)", block, re.M)
        assert names, table
        found[table] = names
    return found


def test_every_element_of_the_syntax_tables_is_exercised():
    good = [load(name)[0] for name in NAMES if not name.startswith("faulty/")]
    lines = [line for data in good if len(data) < 20000 for line in reference.trace_stream(data)]
    seen = {re.match(r"(?:[~>]|\S+ \S+) (\w+)|! ", line)[1] for line in lines}
    wanted = {name for names in syntax_elements().values() for name in names}
    missing = sorted(wanted - seen)
    print("not exercised:", ", ".join(missing) or "none")
    assert not missing


BOTH = ["crc_flag", "extension_flag", "reserved_zero", "full_range", "error_resilient", "synthetic", "header_flag"]
SEVERAL = {
    "unit_type": {0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    "level": {1, 2, 3, 4, 5},
    "expression_transform": {0, 1},
    "motion_crc": {0, 1},
    "source_slot": {0, 1, 2, 3},
    "pose_quantiser": {0, 28, 63},
    "motion_group": {1, 2, 8, 64},
    "matrix_coefficients": {1, 6},
    **{name: {0, 1} for name in BOTH},
}


def test_every_value_of_flags_and_enumerations_is_exercised():
    seen = {}
    for name in NAMES:
        data, expected = load(name)
        if name.startswith("faulty/") or expected["read"] == "damaged":
            continue
        for line in reference.trace_stream(data):
            if match := re.match(r"(?:\S+ \S+|>) (\w+) = (-?\d+)$", line):
                seen.setdefault(match[1], set()).add(int(match[2]))
    for element, values in SEVERAL.items():
        assert values <= seen[element], (element, values - seen[element])
    assert seen["truncation"] == {0, 1, 2}


def conditions():
    """Error class by row of the table of errors, and the rows that take more than Part A."""
    rows = re.findall(r"^\| ([A-Z]\d+) \| (.*) \| (\w+) \|$", (SPEC / "bitstream.md").read_text(), re.M)
    return {row: error for row, _, error in rows}, {row for row, what, _ in rows if "(takes " in what}


def test_every_row_of_the_table_of_errors_has_a_vector_with_its_error():
    errors, beyond = conditions()
    assert len(errors) > 40
    seen = {entry["condition"] for entry in MANIFEST.values() if "condition" in entry}
    assert set(errors) - beyond == seen
    for name, entry in MANIFEST.items():
        if "condition" in entry:
            assert entry["result"] == errors[entry["condition"]], name


def test_vector_names_are_numbered_and_say_what_they_are():
    for vector in [*decodable(), *faulty()]:
        assert re.fullmatch(r"(valid|limits|extension|loss|faulty)/\d{3}-[a-z0-9-]+", vector.name)
        assert vector.what
    assert len(NAMES) == len(set(NAMES)) > 150


def test_an_expectation_names_what_is_at_hand():
    vector = next(v for v in faulty() if v.condition == "Q2")
    assert expectation(vector)["max_pixels"] == 65535


def test_key_pictures_decode_to_the_published_samples():
    from vector_pictures import picture_facts, read_facts

    assert picture_facts() == read_facts()


def test_the_decoder_draws_the_reference_frames_within_the_tolerance():
    from nvc.decoder import Decoder

    name = next(name for name in NAMES if name.endswith("-reference-frames"))
    data, expected = load(name)
    bounds = expected["reference_frames"]
    wanted = np.frombuffer((FOLDER / f"{name}.rgb").read_bytes(), np.uint8).reshape(bounds["count"], -1)
    drawn = Decoder(model="tiny-64", device="cpu").decode(data)
    assert len(drawn) == bounds["count"]
    for found, row in zip(drawn, wanted, strict=True):
        difference = np.asarray(found).transpose(1, 2, 0).reshape(-1).astype(int) - row
        mean = float((difference**2).mean())
        assert mean == 0 or 10 * math.log10(255**2 / mean) >= bounds["psnr"]
        assert np.abs(difference).max() <= bounds["difference"]
    assert len({found.tobytes() for found in wanted}) > 4
