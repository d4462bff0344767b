"""The order of units: which frames come out, what is refused, and how reading goes on after damage."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_motion import SEQUENCE, key, walk

from bitstream import (
    SIGNATURE,
    Audio,
    BitstreamError,
    Corrupt,
    Index,
    LimitExceeded,
    Limits,
    ModelMismatch,
    Motion,
    MotionEncoder,
    Picture,
    Resync,
    make_unit,
)
from bitstream.stream import (
    HOLD_FRAMES,
    MAX_CONCEALED_FRAMES,
    MAX_RESTARTS,
    FrameKind,
    StreamDecoder,
    conceal,
    read_damaged,
)

K, M, P, C = FrameKind.KEYFRAME, FrameKind.MOTION, FrameKind.PICTURE, FrameKind.CONCEALED


def key_at(index, slot=0, values=(0,) * 12):
    return replace(key(values, slot), presentation_index=index)


def motion(sequence=SEQUENCE, frames=1, seed=3, before=0, start=None):
    """A MOTION payload of a walk, after ``before`` frames of the same walk."""
    encoder = MotionEncoder(sequence)
    encoder.start(start or key())
    rows = walk(before + frames, seed)
    for row in rows[:before]:
        encoder.encode(row[None])
    return Motion(frame_count=frames, coded=encoder.encode(rows[before:]))


def run(*payloads, decoder=None, sequence=SEQUENCE):
    decoder = decoder or StreamDecoder()
    return [frame for payload in payloads for frame in decoder.decode(make_unit(payload, sequence))]


def kinds(frames):
    return [(frame.presentation_index, frame.kind) for frame in frames]


def test_frames_take_their_indices_from_key_frames_and_go_on_counting():
    frames = run(SEQUENCE, key_at(10), motion(frames=3), Picture(presentation_index=14, picture=b"p"))
    assert kinds(frames) == [(10, K), (11, M), (12, M), (13, M), (14, P)]
    assert [frame.values for frame in frames[1:4]] == [tuple(row) for row in walk(3).tolist()]
    assert frames[1].sources == (0,)
    assert frames[4].values == ()


def test_skipped_indices_are_no_frames_and_at_most_1024():
    frames = run(SEQUENCE, key_at(0), Picture(presentation_index=5, picture=b"p"), key_at(8, slot=1))
    assert kinds(frames) == [(0, K), (5, P), (8, K)]
    assert kinds(run(SEQUENCE, key_at(0), key_at(1025)))[1] == (1025, K)
    with pytest.raises(Corrupt, match="leaves out 1025"):
        run(SEQUENCE, key_at(0), key_at(1026))


@pytest.mark.parametrize(
    ("payloads", "words"),
    [
        ([key_at(0)], "before any SEQUENCE"),
        ([SEQUENCE, motion()], "before any KEYFRAME"),
        ([SEQUENCE, Picture(presentation_index=0, picture=b"p")], "before any KEYFRAME"),
        ([SEQUENCE, key_at(3), key_at(3)], "must be at least 4"),
        ([SEQUENCE, key_at(3), Picture(presentation_index=2, picture=b"p")], "must be at least 4"),
        ([SEQUENCE, key_at(0), replace(SEQUENCE, synthetic=True), motion()], "before any KEYFRAME"),
        ([SEQUENCE, key_at(0), Resync(2, 2)], "it is frame 1"),
        ([SEQUENCE, key_at(4), Resync(5, 2)], "not the last one"),
        ([Resync(5, 2)], "not the last one"),
        ([Audio()], "without a header"),
        ([SEQUENCE, key_at((1 << 28) - 2), motion(frames=2)], "beyond presentation index"),
    ],
)
def test_units_out_of_order_are_corrupt(payloads, words):
    decoder = StreamDecoder()
    run(*payloads[:-1], decoder=decoder)
    state = decoder.next_index, decoder.sequence, decoder.key
    with pytest.raises(Corrupt, match=words):
        run(payloads[-1], decoder=decoder)
    assert (decoder.next_index, decoder.sequence, decoder.key) == state


def test_a_repeated_sequence_changes_nothing_and_another_one_empties_the_slots():
    decoder = StreamDecoder()
    run(SEQUENCE, key_at(0), key_at(1, slot=2), decoder=decoder)
    assert sorted(decoder.slots) == [0, 2]
    assert kinds(run(SEQUENCE, motion(), decoder=decoder)) == [(2, M)]
    run(replace(SEQUENCE, crop_x=1), decoder=decoder)
    assert decoder.slots == {}


def test_the_model_and_the_size_of_the_picture_are_checked():
    with pytest.raises(ModelMismatch):
        run(SEQUENCE, decoder=StreamDecoder(model_id=b"x" * 16))
    with pytest.raises(LimitExceeded):
        run(SEQUENCE, decoder=StreamDecoder(limits=Limits(max_pixels=255 * 255)))
    run(SEQUENCE, decoder=StreamDecoder(model_id=bytes(16), limits=Limits(max_pixels=256 * 256)))


def test_concealment_holds_and_then_goes_to_the_key_frame():
    values = walked = (100, -7, 3)
    for lost in range(1, 60):
        walked = conceal(walked, (0, 0, 3), lost)
        assert (walked == values) == (lost <= HOLD_FRAMES)
    assert walked == (0, 0, 3)
    assert conceal((8, -9), (0, 0), HOLD_FRAMES + 1) == (7, -7)


def stream(*payloads, sequence=SEQUENCE):
    return [make_unit(payload, sequence).to_bytes() for payload in payloads]


RESILIENT = replace(SEQUENCE, error_resilient=True)


def resilient_units():
    return stream(
        RESILIENT,
        key_at(0),
        motion(RESILIENT, 2),
        Resync(3, 3),
        motion(RESILIENT, 2, seed=4),
        Resync(5, 5),
        motion(RESILIENT, 1, seed=5),
        sequence=RESILIENT,
    )


def test_an_undamaged_file_reads_alike():
    frames = read_damaged(SIGNATURE + b"".join(resilient_units()))
    assert kinds(frames) == [(0, K), *[(k, M) for k in range(1, 6)]]


def test_after_damage_a_resilient_stream_goes_on_at_the_next_resync():
    units = resilient_units()
    units[4] = units[4][:-1] + b"\0"
    frames = read_damaged(b"".join(units))
    assert kinds(frames) == [(0, K), (1, M), (2, M), (3, C), (4, C), (5, M)]
    assert frames[3].values == frames[2].values
    assert frames[5].values == tuple(walk(1, 5)[0].tolist())


def test_a_lost_key_frame_is_noticed_by_the_distance_in_resync():
    units = resilient_units()[:2] + stream(
        key_at(1), Resync(2, 1), motion(RESILIENT), Resync(3, 0), key_at(3), motion(RESILIENT), sequence=RESILIENT
    )
    units[2] = units[2][:-1] + b"\0"
    assert kinds(read_damaged(b"".join(units))) == [(0, K), (1, C), (2, C), (3, K), (4, M)]


def test_without_error_resilience_motion_waits_for_a_key_frame():
    units = stream(SEQUENCE, key_at(0), motion(), Resync(2, 2), motion(before=1), key_at(3, 1), motion(), Index(()))
    units[2] = b"\0" + units[2]
    assert kinds(read_damaged(b"".join(units))) == [(0, K), (1, C), (2, C), (3, K), (4, M)]


def test_pictures_after_damage_wait_for_a_key_frame_and_are_concealed_one_by_one():
    pictures = [Picture(presentation_index=k, picture=b"p") for k in (1, 2, 3)]
    payloads = [RESILIENT, key_at(0), pictures[0], Resync(2, 2), pictures[1], motion(RESILIENT), key_at(4)]
    units = stream(*payloads, sequence=RESILIENT)
    units[2] = units[2][:-1] + b"\0"
    frames = read_damaged(b"".join(units))
    assert kinds(frames) == [(0, K), (1, C), (2, C), (3, M), (4, K)]


def test_long_losses_are_concealed_in_part():
    units = [*resilient_units()[:2], b"\xff", *stream(Resync(5000, 5000), motion(RESILIENT), sequence=RESILIENT)]
    frames = read_damaged(b"".join(units))
    assert len(frames) == 1 + MAX_CONCEALED_FRAMES + 1
    assert kinds(frames)[-1] == (5000, M)


@pytest.mark.parametrize(("damages", "last"), [(MAX_RESTARTS, (5, M)), (MAX_RESTARTS + 1, (4, M))])
def test_reading_stops_for_good_after_very_many_damages(damages, last):
    mark, row = stream(Resync(5, 5), motion(RESILIENT), sequence=RESILIENT)
    data = b"".join(resilient_units()[:5]) + (b"\xff" + mark) * damages + row
    assert kinds(read_damaged(data))[-1] == last


def test_a_lost_sequence_leaves_frames_that_repeat_the_picture():
    other = replace(RESILIENT, expression_count=4)
    fresh = replace(key_at(4), expression=(0,) * 4)
    units = [*resilient_units()[:2], b"\xff", *stream(Resync(3, 0), other, fresh, sequence=other)]
    frames = read_damaged(b"".join(units))
    assert kinds(frames) == [(0, K), (1, C), (2, C), (3, C), (4, K)]
    assert frames[3].values == ()


whole = SIGNATURE + b"".join(resilient_units())


@given(st.integers(0, len(whole)), st.integers(0, len(whole)), st.binary(max_size=12))
@settings(max_examples=300)
def test_damaged_files_give_rising_indices_and_never_raise_corrupt(a, b, middle):
    try:
        frames = read_damaged(whole[: min(a, b)] + middle + whole[max(a, b) :])
    except BitstreamError as error:
        assert not isinstance(error, Corrupt)
        return
    indices = [frame.presentation_index for frame in frames]
    assert indices == sorted(set(indices))
