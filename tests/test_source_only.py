"""Key frames that are sources only: which frames come out, at which indices, and that the tools count them right."""

import io
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import joined, tiny
from vector_sources import SOURCE, source
from vector_writer import RESILIENT, SEQUENCE, Stream, key, noise, picture, wave

from bitstream import SIGNATURE, Corrupt, KeyUse, Picture, Resync, Unit, parse_payload, parse_units
from bitstream.limits import MAX_SOURCES_ONLY
from bitstream.stream import FrameKind, StreamDecoder, read_damaged
from bitstream.trace import trace_lines, trace_stream, unit_table
from nvc.cli.info import summary
from nvc.cli.verify import verify
from nvc.decoder import Decoder
from nvc.nvc_file import NvcFile, NvcWriter

sys.path.append(str(Path(__file__).resolve().parent.parent / "spec"))
import reference  # noqa: E402

K, M, P, C = FrameKind.KEYFRAME, FrameKind.MOTION, FrameKind.PICTURE, FrameKind.CONCEALED


def kinds(stream, decoder=None):
    """Index, kind and sources of all frames."""
    decoder = decoder or StreamDecoder()
    frames = [frame for unit in parse_units(stream.cut()) for frame in decoder.decode(unit)]
    return [(frame.presentation_index, frame.kind, frame.sources) for frame in frames]


def first():
    """A file whose only key frame is a source of slot 1."""
    return source(Stream(), key(slot=1, values=SOURCE)).motion(wave(3))


def test_its_index_is_that_of_the_next_frame():
    decoder = StreamDecoder()
    assert kinds(first(), decoder) == [(0, M, (1,)), (1, M, (1,)), (2, M, (1,))]
    assert decoder.next_index == 3
    assert decoder.key is decoder.slots[1]
    middle = source(Stream().add(key()).motion(wave(2)), key(3, slot=2)).add(key(3, slot=1))
    assert kinds(middle) == [(0, K, (0,)), (1, M, (0,)), (2, M, (0,)), (3, K, (1,))]


def test_motion_starts_from_its_integers_and_older_slots_live_on():
    decoder = StreamDecoder()
    stream = source(Stream().add(key()), key(1, slot=3, values=SOURCE)).motion(wave(1)).motion(wave(1), sources=(0,))
    assert kinds(stream, decoder) == [(0, K, (0,)), (1, M, (3,)), (2, M, (0,))]
    assert sorted(decoder.slots) == [0, 3]
    decoder = StreamDecoder()
    frames = [frame for unit in parse_units(first().cut()) for frame in decoder.decode(unit)]
    assert [frame.values for frame in frames] == [tuple(row) for row in wave(3).tolist()]


def test_it_may_leave_out_indices_and_pictures_may_follow():
    stream = source(Stream().add(key()), key(1025, slot=1)).add(Picture(presentation_index=1025, picture=b"p"))
    assert kinds(stream) == [(0, K, (0,)), (1025, P, ())]
    with pytest.raises(Corrupt, match="leaves out 1025"):
        kinds(source(Stream().add(key()), key(1026)))
    with pytest.raises(Corrupt, match="must be at least 6"):
        kinds(source(Stream().add(key(5)), key(5)))
    with pytest.raises(Corrupt, match="must be at least 5"):
        kinds(source(Stream(), key(5)).add(key(4)))


def test_other_extension_bytes_mean_nothing_or_how_it_is_shown():
    assert [KeyUse.of(byte) for byte in (None, 0, 1, 2, 3, 90)] == [0, 0, 1, 2, 0, 0]
    for byte in (0, 1, 3, 255):
        unit = replace(parse_units(Stream().add(key()).cut())[1], extension=byte)
        stream = Stream().raw(unit.to_bytes())
        assert kinds(stream) == [(0, K, (0,))]


def damaged(stream, unit):
    frames = read_damaged(stream.damage(unit).end())
    return [(frame.presentation_index, frame.kind, frame.sources) for frame in frames]


def marked():
    stream = source(Stream(RESILIENT).add(key(), Resync(1)), key(1, slot=1, values=SOURCE))
    for at in (1, 2):
        stream.add(Resync(at, at - 1)).motion(wave(1, start=at))
    return source(stream, key(3, slot=2)).motion(wave(1))


def test_damage_around_it():
    whole = [(0, K, (0,)), (1, M, (1,)), (2, M, (1,)), (3, M, (2,))]
    frames = read_damaged(marked().end())
    assert [(f.presentation_index, f.kind, f.sources) for f in frames] == whole
    lost = damaged(marked(), 3)  # the source: motion waits for the next one
    assert lost == [(0, K, (0,)), (1, C, (0,)), (2, C, (0,)), (3, M, (2,))]
    after = damaged(marked(), 5)  # the motion after it: what follows is drawn from it
    assert after == [(0, K, (0,)), (1, C, (0,)), (2, M, (1,)), (3, M, (2,))]


steps = st.lists(
    st.tuples(st.sampled_from(["drawn", "source", "motion"]), st.integers(0, 3), st.integers(0, 3)), max_size=12
)


@given(steps)
@settings(max_examples=60)
def test_any_order_of_key_frames_and_motion_has_the_frames_that_are_to_be_expected(order):
    stream, wanted, following, run = Stream(), [], 0, 0
    for number, (what, slot, more) in enumerate([("source", 1, 0), *order]):
        if what == "motion":
            run = 0
            stream.motion(noise(more + 1, size=20, seed=number))
            wanted += [(following + k, M) for k in range(more + 1)]
            following += more + 1
            continue
        one = key(following + more, slot=slot, values=noise(1, size=20, seed=number))
        following += more
        run = run + 1 if what == "source" and run < MAX_SOURCES_ONLY else 0
        if run:
            source(stream, one)
        else:
            stream.add(one)
            wanted.append((following, K))
            following += 1
    assert [(index, kind) for index, kind, _ in kinds(stream)] == wanted
    data = stream.end()
    assert reference.trace_stream(data) == list(trace_lines(trace_stream(data)))


def decode(data):
    return Decoder(model=tiny(), device="cpu").decode(data)


def test_the_frames_are_those_drawn_from_that_source():
    hidden = decode(first().end())
    # The same picture and motion, with the key frame shown: one frame more, before them.
    shown = decode(Stream().add(key(slot=1, values=SOURCE)).motion(wave(3)).end())
    assert len(hidden) == 3 and len(shown) == 4
    assert np.array_equal(np.stack(hidden), np.stack(shown[1:]))


def test_portions_of_a_byte_are_the_same():
    data, decoder = first().end(), Decoder(model=tiny(), device="cpu")
    frames = [frame for byte in data for frame in decoder.decode(bytes([byte]))]
    assert np.array_equal(np.stack(frames), np.stack(decode(data)))
    assert decoder.statistics.frames == 3


def test_it_shows_nothing_itself_and_indices_left_out_repeat_the_frame_before():
    decoder = Decoder(model=tiny(), device="cpu")
    units = parse_units(source(Stream().add(key()), key(3, slot=1, values=SOURCE)).motion(wave(1, start=3)).cut())
    counts = [len(decoder.decode_unit(unit)) for unit in units]
    assert counts == [0, 1, 0, 3]
    assert decode(source(Stream(), key()).end()) == []


def test_pictures_go_on_from_it():
    stream = source(Stream().add(key()), key(1, picture=picture("gop-0")))
    stream.add(Picture(presentation_index=1, picture=picture("gop-1")))
    stream.add(Picture(presentation_index=2, picture=picture("gop-2")))
    assert len(decode(stream.end())) == 3


def test_concealment_after_it():
    decoder = Decoder(model=tiny(), device="cpu")
    assert decoder.decode(source(Stream(), key()).cut()) == []
    assert decoder.conceal() is None  # nothing has been shown yet
    decoder = Decoder(model=tiny(), device="cpu")
    shown = decoder.decode(source(Stream(RESILIENT).add(key()), key(1, slot=1, values=SOURCE)).cut())
    lost = [decoder.conceal() for _ in range(8)]
    assert np.array_equal(lost[0], shown[0])
    assert not np.array_equal(lost[7], shown[0])  # turned towards the head of the source
    later = Stream(RESILIENT).add(key(1, slot=1, values=SOURCE), Resync(9, 8)).motion(wave(1, start=9))
    assert len(decoder.decode(b"".join(later.units[2:]))) == 1


def write(units: list[Unit], **options: bool) -> bytes:
    file = io.BytesIO()
    writer = NvcWriter(file, frame_rate=Fraction(25))
    for unit in units:
        payload = parse_payload(unit, SEQUENCE)
        writer.write([unit], getattr(payload, "presentation_index", 9), **options)
    writer.finish()
    return file.getvalue()


def two() -> list[Unit]:
    stream = source(Stream(signature=False), key(), key(slot=1, values=SOURCE)).motion(wave(2)).add(key(2, slot=2))
    return parse_units(stream.motion(wave(1)).cut())


def test_files_list_key_frames_once_an_index_and_count_frames(tmp_path):
    data = write(two())
    entries = trace_stream(data).units[-2].payload.entries
    assert [index for index, _ in entries] == [0, 2]
    assert entries[0][1] == len(SIGNATURE)  # the SEQUENCE before the first of two
    assert verify(data)[1][0].endswith("4 frames")
    assert verify(data)[0] == 0
    (tmp_path / "a.nvc").write_bytes(data)
    assert NvcFile(tmp_path / "a.nvc").contents().frame_count == 4
    assert trace_stream(write(two(), seekable=False)).units[-2].payload.entries == ()
    assert joined(parse_units(data)[:-2]) == joined(two())
    (tmp_path / "a.nvc").write_bytes(source(Stream(), key()).end())
    with pytest.raises(Corrupt, match="only sources"):
        NvcFile(tmp_path / "a.nvc").contents()


def test_a_source_without_frames_at_the_end_is_no_frame(tmp_path):
    (tmp_path / "a.nvc").write_bytes(source(Stream().add(key(3)).motion(wave(1)), key(900)).end())
    assert NvcFile(tmp_path / "a.nvc").contents().frame_count == 2


def test_the_tools_tell_it_apart():
    trace = trace_stream(write(two()))
    lines = list(summary(trace))
    assert any(line.startswith("frames      4 in 0.16 s: 3 motion, 1 keyframe") for line in lines)
    (keys,) = [line for line in lines if line.startswith("key frames")]
    assert keys.count("source only") == 2 and keys.count("before 0 (") == 2 and ", 2 (" in keys
    rows = [line for line in unit_table(trace) if " KEYFRAME " in line]
    assert [row.endswith("; a source only, no frame") for row in rows] == [True, True, False]
    assert trace.units[0].key_use is None
    shown = replace(two()[1], extension=KeyUse.SHOWN_AS_DECODED)
    rows = list(unit_table(trace_stream(joined([two()[0], shown]))))
    assert rows[-1].endswith("; shown as decoded")
