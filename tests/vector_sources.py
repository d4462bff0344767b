"""The conformance vectors with a KEYFRAME that is a source only: no output frame, its index is that of the next one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from vector_writer import RESILIENT, SEQUENCE, Stream, key, noise, picture, wave

from bitstream import KeyFrame, KeyUse, Picture, Resync, Sequence, Unit, UnitType

SOURCE = noise(1, size=20)  # the head in a picture that is not the first frame


def source(stream: Stream, *keys: KeyFrame) -> Stream:
    """Append KEYFRAMEs that are sources only."""
    for one in keys:
        stream.add(one)
        stream.units[-1] = Unit(UnitType.KEYFRAME, one.to_payload(), extension=KeyUse.SOURCE_ONLY).to_bytes()
    return stream


def _middle() -> bytes:
    stream = Stream().add(key()).motion(wave(4, start=1))
    source(stream, key(5, slot=1, values=SOURCE)).motion(wave(2, start=5)).motion(wave(2, start=7), sources=(0,))
    return stream.motion(wave(1, start=9), sources=(0, 1)).end()


def _two() -> bytes:
    stream = source(Stream(), key(slot=1, values=SOURCE), key(slot=3, values=noise(1, size=20, seed=2)))
    return stream.motion(wave(2), sources=(1,)).motion(wave(1, start=2), sources=(1, 3)).end()


def _pictures() -> bytes:
    stream = Stream().add(key()).motion(wave(1, start=1))
    source(stream, key(2, picture=picture("gop-0")))
    for number in (1, 2):
        stream.add(Picture(presentation_index=1 + number, picture=picture(f"gop-{number}")))
    return stream.motion(wave(2, start=4)).end()


def _drawn_too() -> bytes:
    """The index of a source is taken by a KEYFRAME that is drawn; RESYNC marks between them."""
    stream = source(Stream(RESILIENT).add(Resync(0)), key(values=SOURCE))
    stream.add(Resync(0), key(slot=1), Resync(1, 1)).motion(wave(1, start=1), sources=(0, 1)).add(Resync(2))
    source(stream, key(2, slot=2, values=SOURCE)).add(Resync(2)).motion(wave(1, start=2))
    return stream.add(Resync(3, 1)).motion(wave(1, start=3), sources=(0,)).end()


def sources() -> Iterator[tuple[str, str, bytes]]:
    """Name, what it shows, bytes; all valid."""
    yield (
        "source-only",
        "the first KEYFRAME is a source only: frame 0 is MOTION",
        source(Stream(), key(values=SOURCE)).motion(wave(3)).end(),
    )
    yield "source-only-in-between", "a source for frames to come in another slot; older slots live on", _middle()
    yield "source-only-twice", "two sources of one index in two slots, then the frame of that index", _two()
    gap = source(Stream().add(key()).motion(wave(1, start=1)), key(6, slot=2, values=SOURCE)).motion(wave(2, start=6))
    yield "source-only-after-a-gap", "a source only that leaves out indices: the frame before shows again", gap.end()
    yield "source-only-and-pictures", "PICTUREs go on from a source only; the first one has its index", _pictures()
    yield "source-only-and-end", "a source only and no frame at all", source(Stream(), key(values=SOURCE)).end()
    yield "source-only-and-key-frame", "a KEYFRAME of the index of a source only; RESYNC between them", _drawn_too()


def four(index: int, **changes: Any) -> list[KeyFrame]:
    """As many key frames as may be sources only in a row."""
    return [key(index, slot=slot, values=noise(1, size=20, seed=slot), **changes) for slot in range(4)]


def source_limits() -> Iterator[tuple[str, str, bytes]]:
    """Name, what it shows, bytes; all valid."""
    turned = replace(SEQUENCE, crop_x=1)
    stream = source(source(Stream(), *four(0)).motion(wave(1)), *four(1)).add(turned)
    source(stream, *four(1)).motion(wave(1), sources=(0, 1, 2, 3))
    yield "four-sources-only", "as many sources only between two frames, and after a change, as may be", stream.end()
    stream = source(Stream().add(key()), key(500), key(1025, slot=1)).motion(wave(1))
    source(stream, key(2050)).add(Picture(presentation_index=2050, picture=picture("gop-1")))
    yield "1024-indices-left-out-by-sources-only", "1024 in two parts, then in one and a PICTURE", stream.end()


def lost_sources() -> Iterator[tuple[str, str, bytes]]:
    """Name, what is lost, bytes."""
    before = _marked().damage(6)
    yield "before-source-only", "frames lost before a source only are concealed with what was there", before.end()
    yield "source-only", "a damaged KEYFRAME that is a source only, noticed by key_distance", _marked().damage(8).end()
    yield "after-source-only", "damage right after a source only: motion goes on from it", _marked().damage(10).end()
    plain = source(Stream().add(key()).motion(wave(1, start=1)), key(2, values=SOURCE)).motion(wave(1, start=2))
    source(plain.motion(wave(1, start=3)).add(Resync(4)), key(4, slot=1)).motion(wave(2, start=4))
    yield "source-only-not-resilient", "without error_resilient motion waits for the next one", plain.damage(4).end()
    few = replace(RESILIENT, expression_count=4)
    yield (
        "source-only-of-another-sequence",
        "seven frames lost after a change of N: the picture stays",
        _changed(few, 7),
    )
    finer = replace(RESILIENT, pose_quantiser=20)
    yield "source-only-of-other-steps", "two frames lost after a change: old integers mean nothing", _changed(finer, 2)
    yield "source-only-and-empty-slots", "the slot of the last frame is emptied: what is lost repeats it", _emptied()
    yield "five-sources-only", "a fifth is damage, like a lost unit; after either all is counted anew", _five()


def _changed(other: Sequence, lost: int) -> bytes:
    """A frame, another SEQUENCE, a source only, then a loss."""
    size = other.frame_values
    stream = Stream(RESILIENT).add(Resync(0), key(values=noise(1, size=200)), Resync(1), other)
    source(stream, key(1, sequence=other)).add(Resync(1)).motion(wave(lost, size, start=1))
    return stream.damage(6).add(Resync(1 + lost, lost)).motion(wave(2, size, start=9)).end()


def _emptied() -> bytes:
    stream = Stream(RESILIENT).add(Resync(0), key(values=noise(1, size=200)), Resync(1, 1)).motion(wave(2, start=1))
    source(stream.add(Resync(3)), key(3, slot=1, values=SOURCE)).add(Resync(3)).motion(wave(7, start=3))
    return stream.damage(4).damage(8).add(Resync(10, 7)).motion(wave(1, start=10)).end()


def _five() -> bytes:
    stream = source(Stream(RESILIENT).add(key()), *four(1001), key(1001)).add(Resync(1001))
    source(stream, *four(1001)[:3], key(2000, slot=3)).add(Resync(2000)).motion(wave(2))
    source(stream.damage(len(stream.units) - 1).add(Resync(2002, 2)), *four(2002), key(2002)).motion(wave(2))
    return stream.add(key(2004)).end()


def _marked() -> Stream:
    stream = Stream(RESILIENT).add(Resync(0), key())
    for at in (1, 3):
        stream.add(Resync(at, at)).motion(wave(2, start=at))
    source(stream.add(Resync(5)), key(5, slot=1, values=SOURCE))
    for at in (5, 7):
        stream.add(Resync(at, at - 5)).motion(wave(2, start=at))
    return source(stream.add(Resync(9)), key(9, slot=2)).add(Resync(9)).motion(wave(2, start=9)).add(key(11))


def source_faults() -> Iterator[tuple[str, str, bytes]]:
    """Condition, name, bytes."""
    yield "O3", "source-only-in-the-past", source(Stream().add(key(5)), key(5, slot=1)).end()
    yield "O4", "source-only-after-1025", source(Stream().add(key()), key(1026, slot=1)).end()
    yield "O3", "key-before-source-only", source(Stream(), key(5)).add(key(4)).end()
    stream = source(Stream().add(key()).motion(wave(1, start=1)), key(2, slot=1))
    yield "O7", "resync-after-source-only", stream.add(Resync(3, 1)).end()
    early = source(Stream(RESILIENT).add(key()), key(1, slot=1))
    yield "O8", "resync-key-before-source-only", early.add(Resync(1, 1)).end()
    yield "O4", "sources-only-leave-out-1025", source(Stream().add(key()), key(513), key(1026, slot=1)).end()
    turned = source(Stream().add(key()), key(513)).add(replace(SEQUENCE, crop_x=1))
    yield "O4", "left-out-before-and-after-a-change", source(turned, key(1026)).end()
    shown = source(Stream().add(key()), key(2)).add(Picture(presentation_index=1026, picture=picture("gop-1")))
    yield "O4", "source-only-and-picture-leave-out-1025", shown.end()
    yield "O9", "five-sources-only", source(Stream().add(key()), *four(1), key(1)).motion(wave(1)).end()
    repeated = source(Stream(), *four(0)).add(SEQUENCE)
    yield "O9", "five-sources-only-at-the-start", source(repeated, key(1)).end()
