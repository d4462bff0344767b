"""Damaged vectors raise nothing but BitstreamError, in bounded memory and time; the whole run is tests/mutations.py."""

import json

import pytest
from mutations import FOLDER, mutations, run, split, summary, with_new_crc
from test_stream_errors import FILE, UNITS

NAMES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.nvc"))


def test_a_sample_of_all_damage_to_all_vectors_raises_only_bitstream_errors():
    results = run(NAMES, count=2, seconds=280)
    found = summary(results)
    assert found["findings"] == []
    assert found["vectors"] == len(NAMES)
    assert set(found["by_kind"]) == {
        "truncate", "flip", "flip_new_crc", "drop", "duplicate", "reorder", "splice",
    }  # fmt: skip
    assert found["mutations"] > 8 * len(NAMES)
    assert {"ok", "Corrupt", "Truncated", "Unsupported"} <= set(found["outcomes"])


def test_mutations_are_what_they_are_called():
    found = {}
    for kind, data in mutations(FILE, [FILE]):
        found.setdefault(kind, set()).add(data)
    assert len(found["truncate"]) == len(FILE)
    assert len(found["drop"]) == len(UNITS)
    assert all(len(data) == len(FILE) for data in found["flip"])
    assert FILE not in found["flip"] | found["truncate"] | found["flip_new_crc"]
    assert len(found["reorder"]) > len(UNITS)


def test_units_are_split_and_their_crcs_made_anew():
    head, units = split(FILE)
    assert head + b"".join(units) == FILE
    assert units == [unit.to_bytes() for unit in UNITS]
    assert [with_new_crc(unit) or unit for unit in units] == units
    assert split(FILE + b"\xff\x00")[1][-1] == b"\xff\x00"


def test_what_is_not_a_bitstream_error_is_found(tmp_path, monkeypatch):
    import mutations as module

    def broken(data):
        raise KeyError("lost")

    monkeypatch.setattr(module, "outcome", broken)
    monkeypatch.setattr(module.resource, "setrlimit", lambda *_: None)
    lines = []
    monkeypatch.setattr("builtins.print", lambda line, **_: lines.append(line))
    module.work(["valid/001-one-key-frame"], 1)
    result = json.loads(lines[0])
    assert result["findings"][0].startswith("truncate: KeyError('lost')")
    assert summary([result])["mutations"] == len(result["findings"])


def test_a_worker_that_fails_is_noticed():
    with pytest.raises(Exception, match="returned non-zero"):
        run(["valid/none"], count=1, seconds=60)
