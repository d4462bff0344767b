"""Key frames that are sources only: how many may come, what they may leave out, and losses around them."""

from dataclasses import replace

import numpy as np
import pytest
from streams import tiny
from test_source_only import C, K, M, kinds
from vector_sources import four, source
from vector_writer import RESILIENT, SEQUENCE, Stream, key, noise, picture, wave

from bitstream import Corrupt, Picture, Resync, parse_units
from bitstream.limits import MAX_SOURCES_ONLY
from bitstream.stream import MAX_CONCEALED_FRAMES, MAX_SKIPPED_FRAMES, StreamDecoder, read_damaged
from nvc.decoder import Decoder


def state(decoder):
    """All that a decoder holds besides the motion models, which count nothing."""
    held = {name: value for name, value in vars(decoder).items() if name not in ("_coder", "_limits", "_motion")}
    return {**held, "slots": dict(decoder.slots)}


def refused(stream, words):
    """Every unit of a stream is taken but the last, which changes nothing."""
    decoder, (*units, last) = StreamDecoder(), parse_units(stream.cut())
    for unit in units:
        decoder.decode(unit)
    before = state(decoder)
    with pytest.raises(Corrupt, match=words):
        decoder.decode(last)
    assert state(decoder) == before
    return decoder


def test_what_is_left_out_counts_together_until_a_frame_comes():
    far = source(Stream().add(key()), key(1025))
    for last in (key(1026), Picture(presentation_index=1026, picture=b"p")):
        refused(source(Stream().add(key()), key(513)).add(last), "leaves out 1025")
        assert kinds(source(Stream().add(key()), key(513)).add(replace(last, presentation_index=1025)))[-1][0] == 1025
    refused(source(source(Stream().add(key()), key(513)), key(1026)), "leaves out 1025")
    refused(source(far.add(replace(SEQUENCE, crop_x=1)), key(1026)), "leaves out 1025")
    again = source(source(Stream().add(key()), key(1025)).motion(wave(1)), key(2050)).motion(wave(1))
    assert kinds(again)[1:] == [(1025, M, (0,)), (2050, M, (0,))]
    assert kinds(source(Stream(), key(9), key(5000)).motion(wave(1))) == [(5000, M, (0,))]  # nothing to show again


def test_at_most_four_of_them_come_between_two_frames():
    assert len(four(0)) == MAX_SOURCES_ONLY
    words = "more than 4 KEYFRAMEs"
    decoder = refused(source(Stream(), *four(0), key()), words)
    assert decoder.decode(parse_units(Stream().add(key()).cut())[1])  # one that is shown may follow
    refused(source(source(Stream().add(key()), *four(1)).add(SEQUENCE, Resync(1)), key(1)), words)
    for between in (key(1), Picture(presentation_index=1, picture=b"p")):
        assert len(kinds(source(source(Stream().add(key()), *four(1)).add(between), *four(2)))) == 2
        refused(source(source(Stream().add(key()), *four(1)).add(between), *four(2), key(2)), words)
    assert len(kinds(source(source(Stream(), *four(0)).motion(wave(1)), *four(1)))) == 1
    turned = source(source(Stream(), *four(0)).add(replace(SEQUENCE, crop_x=1)), *four(0))
    assert len(kinds(turned)) == 0
    refused(source(turned, key()), words)


def test_damage_begins_both_counts_anew():
    decoder = StreamDecoder()
    units = parse_units(source(Stream().add(key()), *four(1000), *four(2000), key(2000)).cut())
    for unit in units[:6]:
        decoder.decode(unit)
    decoder.damage()
    for unit in units[6:10]:
        decoder.decode(unit)
    with pytest.raises(Corrupt, match="more than 4"):
        decoder.decode(units[10])
    assert decoder.next_index == 2000


@pytest.mark.parametrize("changes", [{"expression_count": 4}, {"pose_quantiser": 20}])
@pytest.mark.parametrize("lost", [2, 7])
def test_a_loss_after_a_source_of_another_sequence(changes, lost):
    other = replace(RESILIENT, **changes)
    stream = Stream(RESILIENT).add(key(values=noise(1, size=200)), other)
    source(stream, key(1, sequence=other)).motion(wave(lost, other.frame_values)).damage(4)
    stream.add(Resync(1 + lost, lost)).motion(wave(1, other.frame_values))
    frames = read_damaged(stream.end())
    assert [frame.kind for frame in frames] == [K, *[C] * lost, M]
    assert all(frame.values == () == frame.sources for frame in frames[1:-1])
    decoder = Decoder(model=tiny(), device="cpu")
    shown = decoder.decode(b"".join(stream.units[:4]))
    held = [decoder.conceal() for _ in range(lost)]
    assert all(np.array_equal(picture, shown[0]) for picture in held)
    assert len(decoder.decode(b"".join(stream.units[5:]))) == 1  # what was concealed does not come again
    assert decoder.statistics.frames == 2 + lost and decoder.statistics.concealed == lost


def test_a_loss_where_the_source_of_the_last_frame_is_no_more():
    stream = Stream(RESILIENT).add(key(values=noise(1, size=200))).motion(wave(1))
    source(stream.add(Resync(2)), key(2, slot=1)).add(Resync(9, 7)).motion(wave(1))
    decoder = Decoder(model=tiny(), device="cpu")
    shown = decoder.decode(b"".join(stream.units[:2]))
    assert decoder.conceal() is not None
    assert decoder.decode(b"".join(stream.units[3:5])) == []
    held = [decoder.conceal() for _ in range(7)]
    assert all(np.array_equal(picture, shown[0]) for picture in held)
    assert len(decoder.decode(b"".join(stream.units[5:]))) == 1
    coded = StreamDecoder()
    for unit in parse_units(b"".join(stream.units[:2])):
        coded.decode(unit)
    coded.damage()
    coded.decode(parse_units(stream.units[4])[0])
    coded.damage()
    assert {f.sources for f in coded.decode(parse_units(stream.units[5])[0])} == {()}


def test_no_bytes_make_the_decoder_repeat_without_end():
    decoder = Decoder(model=tiny(), device="cpu")
    decoder.decode(Stream().add(key()).cut())
    far = source(Stream(), *(key(1024 * k, slot=k % 4) for k in range(1, 5)))
    with pytest.raises(Corrupt, match="leaves out"):
        decoder.decode(b"".join(far.units))
    # After the damage any index may follow. What the first of them left out is repeated, too.
    pictures = decoder.decode(b"".join(Stream().add(key((1 << 28) - 9)).units))
    assert len(pictures) == 1023 + MAX_CONCEALED_FRAMES + MAX_SKIPPED_FRAMES + 1


def test_pictures_that_are_concealed_do_not_come_again():
    decoder = Decoder(model=tiny(), device="cpu")
    stream = Stream().add(key(picture=picture("gop-0")), Picture(presentation_index=1, picture=picture("gop-1")))
    assert len(decoder.decode(stream.cut())) == 2
    assert all(decoder.conceal() is not None for _ in range(2))
    assert len(decoder.decode(b"".join(Stream().add(key(4)).units))) == 1
