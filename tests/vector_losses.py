"""The conformance vectors in which something is lost or damaged; they are read on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vector_sources import lost_sources
from vector_writer import RESILIENT, Stream, key, noise, picture, unit, wave

from bitstream import Picture, Resync, UnitType


def resilient() -> Stream:
    """A stream with a RESYNC before everything."""
    stream = Stream(RESILIENT).add(Resync(0), key())
    for at in (1, 3, 5):
        stream.add(Resync(at, at)).motion(wave(2, start=at))
    return stream.add(Resync(7), key(7, slot=1), Resync(8, 1)).motion(wave(1, start=8), sources=(0, 1))


def loss() -> Iterator[tuple[str, str, bytes]]:
    """Name, what is lost, bytes."""
    yield "nothing", "an undamaged file, read by the procedure for damaged ones", resilient().end()
    yield "motion", "a damaged MOTION unit; motion goes on at the next RESYNC", resilient().damage(4).end()
    yield (
        "key-frame",
        "a damaged KEYFRAME, noticed by key_distance; its slots are not trusted",
        resilient().damage(10).end(),
    )
    yield "resync", "two damaged units, one of them a RESYNC", resilient().damage(4).damage(5).end()
    plain = Stream().add(key()).motion(wave(1)).add(Resync(2, 2)).motion(wave(1)).add(Resync(3), key(3)).motion(wave(1))
    yield "not-resilient", "without errorresilient motion waits for a KEYFRAME", plain.damage(2).end()
    long = Stream(RESILIENT).add(key(values=noise(1, size=200)), Resync(1, 1)).motion(wave(1)).add(Resync(2, 2))
    long.motion(wave(1)).add(Resync(90, 90)).motion(wave(1, start=90))
    yield "long", "87 frames lost: concealment holds, goes to the key frame, and stops after 64", long.damage(5).end()
    gop = Stream(RESILIENT).add(key(picture=picture("gop-0")))
    for index in (1, 2):
        gop.add(Resync(index, index), Picture(presentation_index=index, picture=picture(f"gop-{index}")))
    gop.motion(wave(1)).add(key(6)).motion(wave(1))
    yield "picture", "a damaged PICTURE: the next one cannot be shown, motion goes on", gop.damage(3).end()
    other = replace(RESILIENT, expression_count=4)
    change = Stream(RESILIENT).add(key()).motion(wave(1)).add(Resync(2)).add(other, key(2, sequence=other))
    change.motion(wave(1, 11)).add(Resync(4, 2)).motion(wave(1, 11)).add(Resync(5), other, key(5, sequence=other))
    yield "sequence", "a damaged change of SEQUENCE: nothing until it is repeated", change.damage(4).end()
    fresh = Stream(RESILIENT).add(key()).motion(wave(1)).add(other, Resync(2), key(2, sequence=other))
    fresh.motion(wave(1, 11)).add(Resync(4), key(4, sequence=other))
    yield "first-key-frame", "the first KEYFRAME of a changed SEQUENCE is damaged", fresh.damage(5).end()
    garbage = resilient()
    garbage.units.insert(3, b"\xff\x5c\x06\x5c garbage \x38\x00" + unit(UnitType.RESYNC, b"longer than any"))
    yield "garbage", "bytes between units that look like marks and units", garbage.end()
    yield "cut", "a file that was cut in the middle of a unit", resilient().end()[:-20]
    whole = resilient().end()
    yield "signature", "a damaged signature", whole[:1] + b"\0" + whole[2:]
    wrong = resilient()
    wrong.units[4] = unit(UnitType.MOTION, wrong.units[4][2:-2] + b"\0")
    yield "payload", "a MOTION payload that is corrupt under a good CRC", wrong.end()
    back = resilient()
    back.units[4] = b"\xff"
    back.units.insert(5, Stream(RESILIENT).add(Resync(1, 1)).units[-1])
    yield "old-mark", "a RESYNC of the past, sent again after damage", back.end()
    yield "nothing-left", "no unit can be read", b"\x89" + bytes(40)
    yield from lost_sources()
