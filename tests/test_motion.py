"""Motion coding: the decoder has exactly what the encoder was given, whatever that was."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import (
    BitstreamError,
    Corrupt,
    InvalidField,
    KeyFrame,
    LimitExceeded,
    Motion,
    MotionDecoder,
    MotionEncoder,
    Sequence,
    Truncation,
)

SEQUENCE = Sequence(
    side=256,
    source_width=256,
    source_height=256,
    crop_side=256,
    frame_rate_numerator=25,
    model_id=bytes(16),
    keypoint_count=2,
    expression_count=5,
    pose_quantiser=28,
    expression_quantiser=28,
    canonical_quantiser=24,
)


def key(values=(0,) * 12, slot=0):
    return KeyFrame(
        presentation_index=0,
        source_slot=slot,
        coded_width=64,
        coded_height=64,
        canonical=(0,) * 6,
        pose=tuple(values[:7]),
        expression=tuple(values[7:]),
        picture=b"p",
    )


def pair(sequence=SEQUENCE, start=None):
    coders = MotionEncoder(sequence), MotionDecoder(sequence)
    for coder in coders:
        coder.start(start or key())
    return coders


def walk(frames, seed=3, scale=2.0):
    """A smooth random head, integers [frames, 12]."""
    rng = np.random.default_rng(seed)
    return np.rint(np.cumsum(rng.normal(0, scale, (frames, 12)), axis=0)).astype(np.int32)


values = st.lists(st.integers(-3, 3) | st.integers(-60, 60) | st.integers(-32768, 32767), min_size=12, max_size=12)
units = st.lists(st.lists(st.tuples(values, st.integers(0, 5)), min_size=1, max_size=4), min_size=1, max_size=4)


@given(units, values, st.booleans(), st.integers(1, 4))
def test_any_integers_and_any_counts_come_back(stream, start, resilient, group):
    sequence = replace(SEQUENCE, error_resilient=resilient, motion_group=group)
    encoder, decoder = pair(sequence, key(start))
    for unit in stream:
        frames, counts = np.array([frame for frame, _ in unit], dtype=np.int32), [count for _, count in unit]
        payload = encoder.encode(frames, counts)
        assert Motion.from_payload(payload, sequence).frame_count == len(frames)
        decoded = decoder.decode(payload)
        assert decoded.dtype == np.int32
        assert decoder.counts == tuple(counts)
        for frame, count, back in zip(frames, counts, decoded, strict=True):
            assert (back[: 7 + count] == frame[: 7 + count]).all()


@given(st.binary(max_size=60), st.integers(1, 64))
@settings(max_examples=500)
def test_any_payload_decodes_to_what_encodes_to_it_or_raises_and_changes_nothing(payload, group):
    sequence = replace(SEQUENCE, motion_group=group)
    encoder, decoder = pair(sequence)
    before = decoder.prediction()
    try:
        frames = decoder.decode(payload)
    except BitstreamError:
        assert (decoder.prediction() == before).all()
        frames = walk(3)
        assert (decoder.decode(encoder.encode(frames)) == frames).all()
        return
    assert encoder.encode(frames, decoder.counts, sources=decoder.sources) == payload


def test_a_group_of_frames_and_single_frames_give_the_same_integers():
    frames = walk(64)
    for size in (1, 7, 64):
        encoder, decoder = pair(replace(SEQUENCE, motion_group=size))
        back = [decoder.decode(encoder.encode(frames[a : a + size])) for a in range(0, 64, size)]
        assert (np.concatenate(back) == frames).all()


def test_dropped_coefficients_are_held_at_the_prediction():
    encoder, decoder = pair()
    frames = walk(4)
    decoder.decode(encoder.encode(frames))
    held = decoder.prediction()
    moved = frames[-1:] + 9
    back = decoder.decode(encoder.encode(moved, [2]))
    assert (back[0, :9] == moved[0, :9]).all()
    assert (back[0, 9:] == held[9:]).all()
    assert Motion.from_payload(encoder.encode(moved, [2]), SEQUENCE).truncation is Truncation.UNIT


def test_truncation_is_signalled_in_the_shortest_way():
    frames = walk(3)
    for counts, wanted in (([5] * 3, Truncation.NONE), ([1] * 3, Truncation.UNIT), ([1, 2, 2], Truncation.FRAME)):
        encoder, decoder = pair(replace(SEQUENCE, motion_group=3))
        payload = encoder.encode(frames, counts)
        assert Motion.from_payload(payload, encoder.sequence).truncation is wanted
        decoder.decode(payload)
        assert decoder.counts == tuple(counts)


def test_fewer_coefficients_and_stillness_take_fewer_bytes():
    sizes = []
    for counts in ([5] * 64, [2] * 64, [0] * 64):
        sizes.append(len(pair(replace(SEQUENCE, motion_group=64))[0].encode(walk(64), counts)))
    assert sizes[0] > sizes[1] > sizes[2] > 64
    still = np.zeros((64, 12), dtype=np.int32)
    assert len(pair(replace(SEQUENCE, motion_group=64))[0].encode(still)) < 40


def test_error_resilient_units_need_only_the_key_frame():
    sequence = replace(SEQUENCE, error_resilient=True)
    encoder, decoder = pair(sequence)
    units = [encoder.encode(frame[None]) for frame in walk(5)]
    decoder.decode(units[0])
    assert (decoder.decode(units[4]) == walk(5)[4:]).all()
    assert (encoder.prediction() == 0).all()


def test_the_state_lives_on_between_units_and_a_key_frame_resets_it():
    encoder, _ = pair()
    first = encoder.encode(walk(1))
    again = encoder.encode(walk(1))
    assert len(again) < len(first)
    encoder.start(key())
    assert encoder.encode(walk(1)) == first


def test_sources_are_named_only_when_they_change_and_must_exist():
    encoder, decoder = pair()
    for coder in (encoder, decoder):
        coder.start(key(slot=2))
    frames = walk(1)
    plain = encoder.encode(frames)
    assert Motion.from_payload(plain, SEQUENCE).sources is None
    decoder.decode(plain)
    assert encoder.sources == decoder.sources == (2,)
    for sources, named in (((0, 2), (0, 2)), ((0, 2), None), ((2,), (2,))):
        payload = encoder.encode(frames, sources=sources)
        assert Motion.from_payload(payload, SEQUENCE).sources == named
        decoder.decode(payload)
        assert decoder.sources == sources
    with pytest.raises(Corrupt, match="slots"):
        encoder.encode(frames, sources=(1,))
    fresh = MotionDecoder(SEQUENCE)
    fresh.start(key(slot=1))
    with pytest.raises(Corrupt):
        fresh.decode(pair()[0].encode(frames, sources=(0,)) and _naming_slot_zero(frames))


def _naming_slot_zero(frames):
    encoder = MotionEncoder(SEQUENCE)
    encoder.start(key(slot=0))
    encoder.start(key(slot=1))
    return encoder.encode(frames, sources=(0,))


def test_cost_is_the_code_length_and_changes_nothing():
    encoder, _ = pair(replace(SEQUENCE, motion_group=64))
    frames = walk(64)
    total = 0.0
    twin, _ = pair()
    for frame in frames:
        cost = twin.cost(frame)
        assert cost == twin.cost(frame)
        total += cost
        twin.encode(frame[None])
    assert 0 <= 8 * len(encoder.encode(frames)) - total < 16


def test_bad_arguments_are_refused_and_change_nothing():
    encoder, _ = pair()
    good = encoder.cost(walk(1)[0])
    for frames in (np.zeros((0, 12), int), np.zeros((65, 12), int), np.zeros((1, 11), int), np.zeros(12, int)):
        with pytest.raises(InvalidField):
            encoder.encode(frames)
    for frames in (np.zeros((1, 12)), np.full((1, 12), 32768), np.full((1, 12), -32769)):
        with pytest.raises(InvalidField):
            encoder.encode(frames)
    for counts in ([6], [-1], [], [1, 1]):
        with pytest.raises(InvalidField):
            encoder.encode(walk(1), counts)
    with pytest.raises(Corrupt, match="KEYFRAME"):
        MotionEncoder(SEQUENCE).encode(walk(1))
    assert encoder.cost(walk(1)[0]) == good


def test_a_payload_that_would_be_too_long_is_refused_and_fewer_frames_fit():
    wide = replace(SEQUENCE, expression_count=500, motion_group=64)
    start = KeyFrame(**{**vars(key()), "expression": (0,) * 500})
    encoder = MotionEncoder(wide)
    encoder.start(start)
    frames = np.random.default_rng(0).integers(-9000, 9000, (64, 507))
    with pytest.raises(LimitExceeded):
        encoder.encode(frames)
    assert len(encoder.encode(frames[:1])) < 4096
    decoder = MotionDecoder(wide)
    decoder.start(start)
    with pytest.raises(LimitExceeded):
        decoder.decode(bytes(4096))
