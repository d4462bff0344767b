"""What the fuzzers kept, and the vectors they start from, go through every target without a defect."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).resolve().parent / "fuzz"))
import fuzz_target as fuzzer  # noqa: E402
from targets import TARGETS  # noqa: E402


@pytest.mark.parametrize("name", [name for name in TARGETS if fuzzer.corpus(name)])
def test_kept_inputs_show_no_defect(name):
    for data in fuzzer.corpus(name):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_show_no_defect(name):
    found = fuzzer.seeds(name)
    assert len(found) > 10
    for data in found[::7]:
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=200))
@settings(max_examples=50)
def test_any_bytes_show_no_defect(name, data):
    TARGETS[name](data)


def test_targets_are_able_to_fail(monkeypatch):
    import targets

    monkeypatch.setattr(targets.reference, "trace_stream", lambda data: ["another"])
    with pytest.raises(AssertionError):
        targets.agreement(b"")
    monkeypatch.setattr(targets, "read_damaged", lambda data: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        targets.damaged(b"")


def test_a_target_that_takes_too_long_fails(monkeypatch):
    quick = fuzzer.bounded(lambda data: None)
    quick(b"")
    monkeypatch.setattr(fuzzer, "SECONDS", -1)
    with pytest.raises(AssertionError, match="for 3 bytes"):
        quick(b"abc")


def test_the_kept_inputs_are_few_and_small():
    inputs = {bytes([k]) * (k % 50 + 1) for k in range(256)}
    kept = fuzzer.smallest(inputs)
    assert len(kept) == fuzzer.KEPT and kept[0] == b"\0"
    assert sum(map(len, fuzzer.smallest({bytes(1000 + k) for k in range(100)}))) <= fuzzer.KEPT_BYTES
    for name in TARGETS:
        assert sum(map(len, fuzzer.corpus(name))) <= fuzzer.KEPT_BYTES
