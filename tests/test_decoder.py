"""The streaming decoder: however the bytes come, the same frames; and after loss, a picture all the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import SIDE, encode, joined, tiny, types_of

from bitstream import (
    BitstreamError,
    Corrupt,
    LimitExceeded,
    Limits,
    ModelMismatch,
    Sequence,
    Truncated,
    Unit,
    UnitType,
    Unsupported,
    make_unit,
    parse_payload,
)
from nvc.decoder import Decoder
from nvc.key_placement import KeyPolicy
from nvc.view import View

KEY, MOTION, SEQUENCE = UnitType.KEYFRAME, UnitType.MOTION, UnitType.SEQUENCE


@pytest.fixture(scope="module")
def clip(small_clip: np.ndarray) -> np.ndarray:
    return small_clip


@pytest.fixture(scope="module")
def units(small_clip: np.ndarray) -> list[Unit]:
    return encode(small_clip, key_policy=KeyPolicy(interval=6), group_size=2)


def fresh(**options: object) -> Decoder:
    return Decoder(**{"model": tiny(), "device": "cpu", **options})


def decode_all(units: list[Unit], **options: object) -> np.ndarray:
    return np.stack(fresh(**options).decode(joined(units)))


def changed(units: list[Unit], **fields: object) -> list[Unit]:
    """The same stream with other values in its SEQUENCE."""
    sequence = next(parse_payload(u) for u in units if u.type is SEQUENCE)
    assert isinstance(sequence, Sequence)
    other = make_unit(replace(sequence, **fields))
    return [other if u.type is SEQUENCE else u for u in units]


def test_every_frame_comes_back_once(units: list[Unit]) -> None:
    decoder = fresh()
    frames = decoder.decode(joined(units))
    assert len(frames) == 12 and decoder.ended
    assert all(f.shape == (3, SIDE, SIDE) and f.dtype == np.uint8 for f in frames)
    assert decoder.statistics.frames == 12 and decoder.statistics.concealed == 0
    decoder.close()


def test_the_model_is_found_by_what_the_stream_names(units: list[Unit]) -> None:
    assert np.array_equal(np.stack(Decoder(device="cpu").decode(joined(units))), decode_all(units))


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_portions_do_not_matter(units: list[Unit], data: st.DataObject) -> None:
    stream = joined(units)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = fresh()
    frames = [f for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for f in decoder.decode(stream[a:b])]
    assert np.array_equal(np.stack(frames), decode_all(units))


def test_byte_by_byte_is_the_same_too(units: list[Unit]) -> None:
    decoder = fresh()
    frames = [f for byte in joined(units) for f in decoder.decode(bytes([byte]))]
    assert np.array_equal(np.stack(frames), decode_all(units))


def test_reset_is_a_fresh_decoder(units: list[Unit]) -> None:
    decoder = fresh()
    decoder.decode(joined(units)[:700])
    decoder.reset()
    assert np.array_equal(np.stack(decoder.decode(joined(units))), decode_all(units))


def test_decoding_depends_on_integers_only(clip: np.ndarray) -> None:
    """Grouped or not, a frame with the same integers is the same picture."""
    grouped, single = (encode(clip, group_size=n) for n in (12, 12))
    assert np.array_equal(decode_all(grouped), decode_all(single))


def test_a_key_frame_shows_itself(clip: np.ndarray, units: list[Unit]) -> None:
    first = fresh().decode(joined(units[: types_of(units).index(KEY) + 1]))
    assert len(first) == 1


def test_nothing_is_due_before_a_key_frame(units: list[Unit]) -> None:
    decoder = fresh()
    assert decoder.decode(b"") == [] and decoder.conceal() is None
    assert decoder.decode(joined(units[:2])) == []
    with pytest.raises(Corrupt, match="MOTION before any"):
        fresh().decode(joined([u for u in units if u.type is MOTION]))


def test_coefficients_that_the_stream_leaves_out_are_zero(clip: np.ndarray) -> None:
    units = encode(clip[:1])
    sequence = next(parse_payload(u) for u in units if u.type is SEQUENCE)
    key = parse_payload(next(u for u in units if u.type is KEY), sequence)
    few = replace(sequence, expression_count=3)
    short = replace(key, expression=key.expression[:3])
    zero = replace(key, expression=(*key.expression[:3], 0, 0, 0, 0, 0))
    pictures = [decode_all([make_unit(s), make_unit(k)]) for s, k in ((few, short), (sequence, zero))]
    assert np.array_equal(*pictures)


def test_skipped_indices_show_the_frame_before(clip: np.ndarray) -> None:
    units = encode(clip[:2], key_policy=KeyPolicy(interval=1))
    sequence = next(parse_payload(u) for u in units if u.type is SEQUENCE)
    keys = [parse_payload(u, sequence) for u in units if u.type is KEY]
    gap = [make_unit(sequence), make_unit(keys[0]), make_unit(replace(keys[1], presentation_index=4))]
    frames = decode_all(gap)
    assert len(frames) == 5
    assert all(np.array_equal(frames[i], frames[0]) for i in range(4))
    assert not np.array_equal(frames[4], frames[0])


def test_another_model_is_refused(units: list[Unit]) -> None:
    stranger = changed(units, model_id=bytes(16))
    with pytest.raises(ModelMismatch, match="at hand is"):
        decode_all(stranger)
    with pytest.raises(ModelMismatch, match="00000000000000000000000000000000"):
        Decoder(device="cpu").decode(joined(stranger))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"side": 96}, ModelMismatch),
        ({"keypoint_count": 9}, ModelMismatch),
        ({"expression_count": 9}, Corrupt),
        ({"matrix_coefficients": 8}, Unsupported),
    ],
)
def test_a_stream_that_does_not_fit_its_model_is_refused(
    units: list[Unit], fields: dict[str, int], error: type[BitstreamError]
) -> None:
    with pytest.raises(error):
        decode_all(changed(units, **fields))


def test_the_colour_of_the_stream_is_obeyed(units: list[Unit]) -> None:
    usual, full = decode_all(units), decode_all(changed(units, full_range=True))
    assert np.abs(usual.astype(int) - full).mean() > 0.5


def test_a_picture_that_does_not_decode_is_refused(units: list[Unit]) -> None:
    from bitstream import Picture

    at = types_of(units).index(KEY) + 1
    with pytest.raises(Corrupt, match="PICTURE"):
        decode_all([*units[:at], make_unit(Picture(presentation_index=1, picture=b"x"))])


def test_limits_hold(units: list[Unit]) -> None:
    with pytest.raises(LimitExceeded):
        decode_all(units, limits=Limits(max_pixels=32 * 32))


def test_a_cut_stream_says_so(units: list[Unit]) -> None:
    decoder = fresh()
    decoder.decode(joined(units)[:-3])
    with pytest.raises(Truncated):
        decoder.close()


def test_a_lost_frame_is_held_then_drawn_towards_the_key_picture(units: list[Unit]) -> None:
    decoder = fresh()
    shown = decoder.decode(joined(units[:5]))
    held = [decoder.conceal() for _ in range(5)]
    assert all(np.array_equal(h, shown[-1]) for h in held)
    later = [decoder.conceal() for _ in range(60)]
    assert np.array_equal(later[-1], shown[0])
    assert decoder.statistics.concealed == 65


def test_after_a_loss_the_next_key_frame_is_right_again(units: list[Unit]) -> None:
    whole = decode_all(units)
    kinds = types_of(units)
    lost = kinds.index(MOTION)
    decoder = fresh()
    frames = []
    for i, unit in enumerate(units):
        if i == lost:
            frames += [decoder.conceal(), decoder.conceal()]
        else:
            frames += decoder.decode(unit.to_bytes())
    assert len(frames) == 12
    assert np.array_equal(np.stack(frames[6:]), whole[6:])


def test_resilient_streams_go_on_before_the_next_key_frame(clip: np.ndarray) -> None:
    long = np.concatenate([clip] * 5)
    units = encode(long, error_resilient=True)
    whole = decode_all(units)
    lost = types_of(units).index(MOTION) + 2
    frames = []
    decoder = fresh()
    for i, unit in enumerate(units):
        got = [] if i == lost else decoder.decode(unit.to_bytes())
        if unit.type is MOTION and not got:
            got = [decoder.conceal()]
        frames += got
    assert len(frames) == 60
    same = [np.array_equal(a, b) for a, b in zip(frames, whole, strict=True)]
    assert not all(same[:26]) and all(same[27:])


def test_late_frames_are_not_shown_twice(units: list[Unit]) -> None:
    decoder = fresh()
    at = types_of(units).index(MOTION)
    frames = decoder.decode(joined(units[:at]))
    frames += [decoder.conceal() for _ in range(4)]
    for unit in units[at:]:
        frames += decoder.decode(unit.to_bytes())
    assert len(frames) == 12


def test_damage_is_raised_once_and_then_the_stream_goes_on(units: list[Unit]) -> None:
    whole = decode_all(units)
    decoder = fresh()
    kinds = types_of(units)
    second_key = [i for i, kind in enumerate(kinds) if kind is KEY][1]
    for unit in units[: second_key - 2]:
        decoder.decode(unit.to_bytes())
    damaged = bytearray(units[second_key - 2].to_bytes())
    damaged[3] ^= 0x40
    with pytest.raises(Corrupt):
        decoder.decode(bytes(damaged))
    frames = [f for unit in units[second_key - 1 :] for f in decoder.decode(unit.to_bytes())]
    assert np.array_equal(np.stack(frames)[-6:], whole[-6:])


def test_a_key_picture_that_does_not_decode_is_corrupt(units: list[Unit]) -> None:
    sequence = next(parse_payload(u) for u in units if u.type is SEQUENCE)
    key = parse_payload(next(u for u in units if u.type is KEY), sequence)
    broken = make_unit(replace(key, picture=key.picture[: len(key.picture) // 2]))
    decoder = fresh()
    with pytest.raises(Corrupt):
        decoder.decode(joined([make_unit(sequence), broken]))
    again = replace(key, presentation_index=1)
    assert len(decoder.decode(joined([make_unit(sequence), make_unit(again)]))) == 1


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_bytes_raise_nothing_but_bitstream_errors(units: list[Unit], data: st.DataObject) -> None:
    stream = bytearray(joined(units))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    decoder = fresh()
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, 600))
        try:
            frames = decoder.decode(bytes(stream[at : at + size]))
            assert all(f.shape == (3, SIDE, SIDE) for f in frames)
        except BitstreamError:
            decoder.conceal()
        at += size


def test_a_view_turns_the_head_and_may_change_between_frames(units: list[Unit]) -> None:
    plain = decode_all(units)
    assert np.array_equal(decode_all(units, view=View()), plain)
    turned = decode_all(units, view=View(yaw=25, x=0.2))
    assert not np.array_equal(turned, plain)
    decoder = fresh()
    at = types_of(units).index(KEY) + 1
    first = decoder.decode(joined(units[:at]))
    decoder.view = View(yaw=25, x=0.2)
    rest = decoder.decode(joined(units[at:]))
    assert np.array_equal(first[0], plain[0]) and np.array_equal(np.stack(rest), turned[1:])
