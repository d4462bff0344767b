"""The range coder on constriction and its twin in plain Python are one coder."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitstream.errors import BitstreamError, Corrupt, InvalidField
from bitstream.integers import IntegerModel
from bitstream.rangecoder import (
    TOTAL,
    FrequencyTable,
    PythonRangeDecoder,
    PythonRangeEncoder,
    RangeDecoder,
    RangeEncoder,
    bit_table,
    shortest_bytes,
)


@st.composite
def tables(draw):
    """Frequencies with any shape, very skewed ones included."""
    weights = draw(st.lists(st.integers(0, 1 << draw(st.integers(0, 24))), min_size=2, max_size=20))
    total, left = sum(weights) or 1, TOTAL - len(weights)
    frequencies = [1 + w * left // total for w in weights]
    frequencies[draw(st.integers(0, len(weights) - 1))] += TOTAL - sum(frequencies)
    return FrequencyTable(frequencies)


@st.composite
def symbols(draw):
    """Calls of a coder: (method, its parameter, symbol)."""
    table = draw(tables())
    out = []
    for kind in draw(st.lists(st.sampled_from(["symbol", "bit", "bypass"]), max_size=60)):
        if kind == "symbol":
            out.append((kind, table, draw(st.integers(0, len(table.frequencies) - 1))))
        elif kind == "bit":
            out.append((kind, draw(st.integers(1, 65535)), draw(st.integers(0, 1))))
        else:
            bits = draw(st.integers(1, 16))
            out.append((kind, bits, draw(st.integers(0, (1 << bits) - 1))))
    return out


def encode(coder, calls):
    for kind, parameter, symbol in calls:
        getattr(coder, kind)(parameter, symbol)
    return coder.finish()


def decode(coder, calls):
    found = [getattr(coder, kind)(parameter) for kind, parameter, _ in calls]
    coder.finish()
    return found


@given(symbols())
def test_both_coders_write_the_same_bytes_and_read_them_back(calls):
    payload = encode(RangeEncoder(), calls)
    assert encode(PythonRangeEncoder(), calls) == payload
    wanted = [symbol for _, _, symbol in calls]
    assert decode(RangeDecoder(payload), calls) == decode(PythonRangeDecoder(payload), calls) == wanted


@given(st.lists(st.sampled_from([0, 1, 1, 1, 1, 1, 1, 2]), max_size=300))
@example([1] * 200)
@settings(max_examples=300)
def test_carries_that_stay_pending_are_handled_alike(run):
    table = FrequencyTable([(TOTAL - 2) // 2, 2, (TOTAL - 2) // 2])
    calls = [("symbol", table, s) for s in run]
    payload = encode(RangeEncoder(), calls)
    assert payload == encode(PythonRangeEncoder(), calls)
    assert decode(RangeDecoder(payload), calls) == decode(PythonRangeDecoder(payload), calls) == run


@given(st.binary(max_size=40), symbols())
def test_any_bytes_decode_alike_or_are_refused_alike(payload, calls):
    def attempt(coder):
        try:
            return decode(coder, calls)
        except BitstreamError as error:
            return str(error)

    assert attempt(RangeDecoder(payload)) == attempt(PythonRangeDecoder(payload))


@given(symbols(), st.binary(min_size=1, max_size=3))
def test_a_longer_payload_is_refused_unless_it_is_the_shortest_for_other_symbols(calls, tail):
    payload = encode(RangeEncoder(), calls) + tail
    try:
        found = decode(RangeDecoder(payload), calls)
    except Corrupt:
        return
    others = [(kind, parameter, symbol) for (kind, parameter, _), symbol in zip(calls, found, strict=True)]
    assert others != calls
    assert encode(RangeEncoder(), others) == payload


@given(st.integers(0, 2**200), st.integers(1, 2**90), st.integers(0, 3))
def test_shortest_bytes_lies_in_the_interval_and_no_shorter_string_does(low, width, words):
    bits = 200 + 32 * words
    high = min(low + width, 1 << bits)
    if low >= high:
        return
    found = shortest_bytes(low, high, bits)
    k = len(found)
    assert low <= int.from_bytes(found, "big") << (bits - 8 * k) < high
    assert all(-(-low >> (bits - 8 * j)) << (bits - 8 * j) >= high for j in range(k))


def test_nothing_coded_takes_no_bytes_and_likely_symbols_almost_none():
    assert RangeEncoder().finish() == b""
    assert encode(RangeEncoder(), [("bit", 1, 0)] * 1000) == b""
    assert len(encode(RangeEncoder(), [("bypass", 16, 54321)] * 100)) in (200, 201)


def test_golden_payload():
    calls = [("symbol", FrequencyTable([TOTAL - 300, 100, 200]), 1), ("bit", 1000, 1), ("bypass", 12, 2748)]
    assert encode(RangeEncoder(), calls).hex() == encode(PythonRangeEncoder(), calls).hex() == GOLDEN


GOLDEN = "ffff377f70"


@pytest.mark.parametrize("frequencies", [[TOTAL], [TOTAL, 0], [1, 1], [TOTAL + 1, -1], []])
def test_bad_tables_are_refused(frequencies):
    with pytest.raises(InvalidField):
        FrequencyTable(frequencies)


def test_symbols_that_do_not_fit_are_refused():
    with pytest.raises(InvalidField):
        RangeEncoder().symbol(bit_table(5), 2)
    with pytest.raises(InvalidField):
        RangeEncoder().bypass(3, 8)
    with pytest.raises(InvalidField):
        RangeEncoder().bypass(17, 0)
    with pytest.raises(InvalidField):
        RangeEncoder().bypass(0, 0)


@given(st.lists(st.integers(-(2**17) + 1, 2**17 - 1) | st.integers(-9, 9), max_size=40))
def test_integers_of_any_size_come_back(values):
    encoder, model = RangeEncoder(), IntegerModel()
    for value in values:
        model.code(encoder, value)
    payload = encoder.finish()
    for decoder in (RangeDecoder(payload), PythonRangeDecoder(payload)):
        model = IntegerModel()
        assert [model.code(decoder) for _ in values] == values
        decoder.finish()
    with pytest.raises(InvalidField):
        IntegerModel().code(RangeEncoder(), 2**17)


def test_small_integers_become_cheap():
    values = np.random.default_rng(1).integers(-3, 4, 400).tolist()
    encoder, model = RangeEncoder(), IntegerModel()
    for value in values:
        model.code(encoder, value)
    assert len(encoder.finish()) < 400 * 3.1 / 8
