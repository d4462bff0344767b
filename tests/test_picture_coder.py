"""PICTURE units: what goes in comes out, in order, however the stream is cut up; and after loss, from the next key."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import SIDE, encode, joined, tiny, types_of

from bitstream import Corrupt, KeyFrame, Picture, Unit, UnitType, make_unit
from nvc.colour import KEY_PICTURE, Rgb
from nvc.crop import Square
from nvc.decoder import Decoder
from nvc.demo import make_clip
from nvc.encoder import stream_facts
from nvc.judging import psnr
from nvc.key_placement import KeyPolicy
from nvc.picture_coder import PictureCoder, PicturePoint, code_pictures
from nvc.picture_decoder import PictureDecoder, coded_pictures
from nvc.rate import coding_point
from nvc.unit_coder import UnitCoder

RATE = Fraction(25)
WHOLE = Square(0, 0, SIDE)
COUNT = 24


@cache
def film() -> tuple[Rgb, ...]:
    """Frames uint8 [64, 64, 3] that move."""
    return tuple(np.ascontiguousarray(f) for f in make_clip(seconds=COUNT / 25, side=SIDE).transpose(0, 2, 3, 1))


@cache
def coded(*, delay: bool, side: int = SIDE, crf: float = 24) -> tuple[bytes, ...]:
    return tuple(code_pictures(film(), PicturePoint(crf=crf, side=side, delay=delay), frame_rate=RATE))


def key_of(first: bytes, side: int = SIDE) -> KeyFrame:
    head = {"canonical": (0,) * 24, "pose": (0,) * 7, "expression": (0,) * 8}
    return KeyFrame(presentation_index=0, coded_width=side, coded_height=side, picture=first, **head)


def unit_of(pictures: tuple[bytes, ...], index: int = 1) -> Picture:
    return Picture(presentation_index=index, picture_count=len(pictures), picture=b"".join(pictures))


def like(shown: list[Rgb], originals: tuple[Rgb, ...], least: float) -> bool:
    return len(shown) == len(originals) and all(psnr(a, b) > least for a, b in zip(originals, shown, strict=True))


@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize(("side", "least"), [(SIDE, 33.0), (SIDE // 2, 22.0)])
def test_pictures_come_back_in_the_order_in_which_they_went_in(delay: bool, side: int, least: float) -> None:
    first, *others = coded(delay=delay, side=side)
    decoder = PictureDecoder(key_of(first, side), spec=KEY_PICTURE, side=SIDE)
    shown = decoder.decode(unit_of(tuple(others)))
    assert decoder.held == 0 or delay
    assert like(shown + decoder.drain(), film()[1:], least)


def test_live_pictures_come_out_at_once_and_delayed_ones_are_reordered() -> None:
    first, *others = coded(delay=False)
    decoder = PictureDecoder(key_of(first), spec=KEY_PICTURE, side=SIDE)
    assert [len(decoder.decode(unit_of((data,), k + 1))) for k, data in enumerate(others)] == [1] * (COUNT - 1)
    first, *others = coded(delay=True)
    decoder = PictureDecoder(key_of(first), spec=KEY_PICTURE, side=SIDE)
    assert decoder.decode(unit_of(tuple(others[:1]))) == []


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.lists(st.integers(1, 9), min_size=COUNT, max_size=COUNT))
def test_how_pictures_are_grouped_changes_nothing(delay: bool, sizes: list[int]) -> None:
    first, *others = coded(delay=delay)
    decoder = PictureDecoder(key_of(first), spec=KEY_PICTURE, side=SIDE)
    shown: list[Rgb] = []
    at = 0
    for size in sizes:
        part = tuple(others[at : at + size])
        if part:
            shown += decoder.decode(unit_of(part, at + 1))
        at += size
    assert like(shown + decoder.drain(), film()[1:], 33.0)


def test_coded_pictures_are_told_apart() -> None:
    pictures = coded(delay=True)
    assert coded_pictures(b"".join(pictures)) == list(pictures)


def test_nothing_is_coded_that_decoding_does_not_need() -> None:
    kinds = {
        data[at + 3] & 31 for data in coded(delay=True) for at in range(len(data) - 3) if data[at : at + 3] == b"\0\0\1"
    }
    assert kinds <= {1, 5, 7, 8}
    assert all(b"\0\0\0\1" not in data for data in coded(delay=True))


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_pictures_than_announced_is_refused(count: int) -> None:
    first, second, third, *_ = coded(delay=False)
    decoder = PictureDecoder(key_of(first), spec=KEY_PICTURE, side=SIDE)
    with pytest.raises(Corrupt, match="2 coded pictures"):
        decoder.decode(Picture(presentation_index=1, picture_count=count, picture=second + third))


@pytest.mark.parametrize("data", [b"", b"\0\0\1", b"\0\0\1\x41", b"\0\0\1\x41\x9a" + bytes(range(200)), b"x" * 50])
def test_rubbish_is_corrupt(data: bytes) -> None:
    first, *_ = coded(delay=False)
    decoder = PictureDecoder(key_of(first), spec=KEY_PICTURE, side=SIDE)
    with pytest.raises(Corrupt):
        decoder.decode(Picture(presentation_index=1, picture=data or b"\0"))
        decoder.drain()


def test_a_picture_after_the_reordering_has_ended_is_refused() -> None:
    first, *others = coded(delay=True)
    decoder = PictureDecoder(key_of(first), spec=KEY_PICTURE, side=SIDE)
    decoder.decode(unit_of(tuple(others[:6])))
    assert decoder.held and decoder.drain()
    with pytest.raises(Corrupt, match="after MOTION"):
        decoder.decode(unit_of(tuple(others[6:]), 7))


@pytest.mark.parametrize("wrong", [{"crf": -1}, {"crf": 52}, {"side": 63}, {"side": 8}])
def test_points_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        PicturePoint(**{"crf": 30, "side": 64, **wrong})  # type: ignore[arg-type]


def test_a_bitrate_bounds_pictures() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (COUNT, SIDE, SIDE, 3)).astype(np.uint8)
    sizes = []
    for bitrate in (None, 20_000.0):
        coder = PictureCoder(PicturePoint(crf=30, side=SIDE, delay=False), frame_rate=RATE, bitrate=bitrate)
        sizes.append(sum(len(data) for picture in noise for data in coder.push(picture)))
    assert sizes[1] < sizes[0] / 4


@cache
def mixed(*, delay: bool, group: int = 5) -> tuple[Unit, ...]:
    """A key frame and motion (0 to 5), pictures (6 to 29), motion from a key frame again (30 to 35)."""
    config = {"source_size": (SIDE, SIDE), "frame_rate": RATE, "error_resilient": False, "synthetic": False}
    facts = stream_facts(tiny(), group_size=group, live=not delay, **config)  # type: ignore[arg-type]
    coder = UnitCoder(facts, coding_point(5))
    plans = _plans()
    units = coder.key_frame(plans[0].key)  # type: ignore[arg-type]
    for plan in plans[1:6]:
        units += coder.motion(plan.motion)
    first, *others = coded(delay=delay)
    units += coder.start_pictures(first, index=6, side=SIDE, square=WHOLE) + coder.more_pictures(list(others))
    units += coder.key_frame(plans[30].key)  # type: ignore[arg-type]
    for plan in plans[31:36]:
        units += coder.motion(plan.motion)
    from bitstream import End

    return (*units, *coder.flush(), make_unit(End()))


@cache
def _plans() -> list:
    import torch

    from nvc.analysis import Analyser

    analyser = Analyser(tiny(), device=torch.device("cpu"), policy=KeyPolicy(interval=6))
    frames = (film() * 2)[:36]
    return [plan for frame in frames for plan in analyser.push(frame, square=WHOLE)]


def fresh() -> Decoder:
    return Decoder(model=tiny(), device="cpu")


@pytest.mark.parametrize("delay", [True, False])
def test_both_roads_in_one_stream(delay: bool) -> None:
    frames = fresh().decode(joined(list(mixed(delay=delay))))
    assert len(frames) == 36
    shown = [np.ascontiguousarray(frame.transpose(1, 2, 0)) for frame in frames[6:30]]
    assert like(shown, film(), 33.0)  # the key picture too: it is shown as decoded
    assert psnr(film()[0], np.ascontiguousarray(frames[0].transpose(1, 2, 0))) < 20  # tiny-64 draws noise


@settings(max_examples=15, deadline=None)
@given(st.booleans(), st.lists(st.integers(1, 4000), min_size=1, max_size=12))
def test_how_the_bytes_come_changes_nothing(delay: bool, sizes: list[int]) -> None:
    data = joined(list(mixed(delay=delay)))
    decoder, frames, at, turn = fresh(), [], 0, 0
    while at < len(data):
        frames += decoder.decode(data[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    assert np.array_equal(np.stack(frames), np.stack(fresh().decode(data)))


@pytest.mark.parametrize("delay", [True, False])
def test_decoding_from_a_key_frame_on(delay: bool) -> None:
    units = list(mixed(delay=delay))
    at = [k for k, unit in enumerate(units) if unit.type is UnitType.KEYFRAME][1]
    sequence = next(unit for unit in units if unit.type is UnitType.SEQUENCE)
    whole = fresh().decode(joined(units))
    assert np.array_equal(np.stack(fresh().decode(joined([sequence, *units[at:]]))), np.stack(whole[6:]))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_lost_pictures_are_stood_in_for_and_the_next_key_frame_mends_all(data: st.DataObject) -> None:
    units = list(mixed(delay=False, group=1))
    lossless = fresh().decode(joined(units))
    places = [k for k, unit in enumerate(units) if unit.type is UnitType.PICTURE]
    lost = data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=4))
    decoder, frames = fresh(), []
    for k, unit in enumerate(units):
        if k in lost:
            decoder.conceal()
            continue
        frames += decoder.decode_unit(unit)
    mended = decoder.decode(b"") or frames
    assert np.array_equal(np.stack(mended[-6:]), np.stack(lossless[-6:]))
    assert len(frames) <= 36


def test_a_damaged_picture_does_no_harm_to_the_next_key_frame() -> None:
    units = list(mixed(delay=True))
    at = next(k for k, unit in enumerate(units) if unit.type is UnitType.PICTURE)
    broken = Picture.from_payload(units[at].payload)
    rubbish = Picture(presentation_index=broken.presentation_index, picture_count=1, picture=b"\0\0\1\x41\x9a\xff")
    decoder = fresh()
    decoder.decode(joined(units[:at]))
    with pytest.raises(Corrupt):
        decoder.decode_unit(make_unit(rubbish))
    frames = [frame for unit in units[at + 1 :] for frame in decoder.decode_unit(unit)]
    assert np.array_equal(np.stack(frames[-6:]), np.stack(fresh().decode(joined(units))[-6:]))


def test_a_live_encoder_sends_pictures_while_there_is_no_face() -> None:
    clip = np.stack(film()).transpose(0, 3, 1, 2)
    plain = types_of(encode(clip))
    assert UnitType.PICTURE not in plain
    from streams import make_encoder

    encoder = make_encoder()
    units = [u for i, f in enumerate(clip) for u in encoder.encode(f, face=not 8 <= i < 16)] + encoder.flush()
    frames = fresh().decode(joined(units))
    assert types_of(units).count(UnitType.PICTURE) == 7 and len(frames) == COUNT
    assert all(psnr(film()[i], np.ascontiguousarray(frames[i].transpose(1, 2, 0))) > 22 for i in range(8, 16))
