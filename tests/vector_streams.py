"""The conformance vectors that decode: valid, limits, extension. The others: vector_losses.py, vector_faults.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from vector_losses import loss, resilient
from vector_sources import source_limits, sources
from vector_writer import (
    SEQUENCE,
    TINY,
    K,
    Stream,
    Vector,
    fields,
    key,
    noise,
    picture,
    sequence_payload,
    unit,
    wave,
)

from bitstream import (
    Audio,
    AudioHeader,
    AudioPacket,
    ExpressionTransform,
    Index,
    Level,
    LimitExceeded,
    Metadata,
    MotionCrc,
    Picture,
    UnitType,
    make_unit,
)

OPUS = AudioHeader(
    codec="opus",
    time_base_numerator=1,
    time_base_denominator=48000,
    sample_rate=48000,
    channels=1,
    extradata=b"OpusHead\x01",
)
FIRST_MOTION = wave(40)


def _singles(stream: Stream, frames: np.ndarray) -> Stream:
    for row in frames:
        stream.motion(row[None])
    return stream


def _transform_0() -> bytes:
    sequence = replace(SEQUENCE, expression_transform=ExpressionTransform.KEYPOINTS, expression_count=3 * K)
    stream = Stream(sequence).add(key(sequence=sequence))
    rows = wave(6, sequence.frame_values, 16)
    return stream.motion(rows[:1]).motion(rows[1:2], [3 * 5]).motion(rows[2:6], [24, 12, 12, 3]).end()


def _sources() -> bytes:
    stream = Stream().add(key(), key(1, slot=1, values=noise(1, size=20)))
    stream.motion(wave(2, start=2)).motion(wave(2, start=4), sources=(0, 1)).motion(wave(1, start=6))
    stream.add(key(7, slot=3), key(8, slot=2), key(9, slot=1))
    return stream.motion(wave(1), sources=(0, 1, 2, 3)).motion(wave(1), sources=(1,)).motion(wave(1)).end()


def _everything() -> bytes:
    stream = Stream()
    stream.add(Metadata((("nvc.encoder", "vectors"), ("title", "Käse ☃"))), Audio(OPUS))
    first = stream.offset
    stream.add(SEQUENCE, key()).motion(wave(8))
    packets = tuple(AudioPacket(960 * k - 312, 960, bytes([0xF8, k])) for k in range(3))
    stream.add(Audio(None, packets), Audio(OPUS, (AudioPacket(5000, 0, b""), AudioPacket(2000, 20, b"x"))))
    second = stream.offset
    stream.add(key(9)).motion(wave(3, start=9), [4, 4, 4])
    stream.add(Picture(presentation_index=13, picture=picture("gop-1")))
    stream.add(Index(((0, first), (9, second))))
    return stream.end()


def _extremes() -> bytes:
    low, high = np.full((1, 15), -32768, np.int32), np.full((1, 15), 32767, np.int32)
    stream = Stream().add(key(values=high, canonical=(-32768, 32767) * 12))
    return stream.motion(low).motion(high).motion(noise(6, size=32767)).end()


def _changes() -> bytes:
    rate = {"frame_rate_numerator": 30000, "frame_rate_denominator": 1001}
    other = replace(SEQUENCE, expression_count=4, motion_group=2, motion_crc=MotionCrc.NONE, **rate)
    stream = Stream().add(key()).motion(wave(1)).add(SEQUENCE).motion(wave(1, start=1))
    stream.add(other, key(3, sequence=other)).motion(wave(2, 11)).motion(wave(1, 11, start=2))
    return stream.add(SEQUENCE, key(7)).motion(wave(1)).end()


def valid() -> Iterator[tuple[str, str, bytes]]:
    """Name, what it shows, bytes."""
    grouped = replace(SEQUENCE, motion_group=8)
    yield "one-key-frame", "the smallest file: one output frame", Stream().add(key()).end()
    yield "single-frames", "one frame a unit, as in live use", _singles(Stream().add(key()), wave(8)).end()
    groups = Stream(grouped).add(key()).motion(FIRST_MOTION[:8]).motion(FIRST_MOTION[8:16]).motion(FIRST_MOTION[16:19])
    yield "groups", "eight frames a unit, the last unit shorter", groups.end()
    bare = replace(SEQUENCE, motion_crc=MotionCrc.NONE)
    yield "no-motion-crc", "MOTION without CRC", _singles(Stream(bare).add(key()), wave(4)).end()
    yield "error-resilient", "motion coding starts anew in every unit; RESYNC marks; two sources", resilient().end()
    cut = Stream().add(key()).motion(wave(2), [0, 0]).motion(wave(2, start=2), [5, 5]).motion(wave(1, start=4), [7])
    yield "truncation-unit", "fewer expression integers, one number a unit", cut.motion(wave(1, start=5)).end()
    frames = Stream(grouped).add(key()).motion(wave(8), [8, 8, 3, 3, 0, 8, 7, 7]).motion(wave(3, start=8), [2, 1, 1])
    yield "truncation-frame", "fewer expression integers, one number a frame", frames.end()
    yield "expression-per-keypoint", "transform 0: three deltas a keypoint, the last ones dropped", _transform_0()
    yield "sources", "all four slots; a slot filled again; sources named, kept and changed", _sources()
    small = {"coded_width": 32, "coded_height": 32, "picture": picture("key-32")}
    yield "small-key-picture", "a key picture of half the side", Stream().add(key(**small)).motion(wave(1)).end()
    gop = Stream().add(key(picture=picture("gop-0"))).motion(wave(1))
    for index in (2, 3):
        gop.add(Picture(presentation_index=index, picture=picture(f"gop-{index - 1}")))
    yield "pictures", "PICTURE units, and motion that goes on after them", gop.motion(wave(2, start=4)).end()
    yield "everything", "audio, metadata and index; every type of unit but RESYNC", _everything()
    yield "extremes", "the largest and smallest integers, as fast as can be", _extremes()
    yield "sequence-changes", "a SEQUENCE repeated, changed, and changed back", _changes()
    skip = Stream().add(key(3)).motion(wave(2)).add(key(9), Picture(presentation_index=20, picture=picture("gop-1")))
    yield "skipped-indices", "a first index that is not 0, and indices left out", skip.motion(wave(1)).end()
    live = Stream(signature=False).add(key()).motion(wave(1)).motion(wave(1, start=1))
    yield "live", "units alone: no signature, no END", live.cut()
    tags = {"colour_primaries": 6, "transfer_characteristics": 6, "matrix_coefficients": 6, "full_range": True}
    odd = replace(SEQUENCE, **tags, crop_x=-20, crop_y=-7, crop_side=500, source_width=480, source_height=270)
    odd = replace(odd, synthetic=True, frame_rate_numerator=24000, frame_rate_denominator=1001)
    yield "colour-crop-synthetic", "other colour, a crop that lies partly outside", Stream(odd).add(key()).end()
    still = Stream(replace(SEQUENCE, motion_group=64)).add(key())
    for _ in range(3):
        still.motion(np.repeat(wave(1), 64, axis=0))
    yield "still", "a head that does not move: 64 frames in a few bytes", still.end()
    yield "rough", "motion that no prediction helps", _singles(Stream().add(key()), noise(6)).motion(noise(9)).end()
    drawn = Stream(grouped).add(key(values=wave(1)))
    yield "reference-frames", "smooth motion, with reference frames for Part B", drawn.motion(wave(8)).end()
    shown = Stream().raw(_with_extension(make_unit(key(picture=picture("gop-0"))).to_bytes(), b"\1"))
    both = Picture(presentation_index=1, picture_count=2, picture=picture("gop-1") + picture("gop-2"))
    yield "several-pictures", "a key picture shown as decoded, then two pictures in a unit", shown.add(both).end()
    yield from sources()


def _ranges(**changes: object) -> bytes:
    sequence = replace(SEQUENCE, **{"level": Level.L5, **changes})
    return Stream(sequence).end()


def limits() -> Iterator[tuple[str, str, bytes]]:
    """Name, what it shows, bytes."""
    wide = replace(SEQUENCE, level=Level.L5, expression_count=4089)
    start = key(sequence=wide, values=np.zeros((1, 4096), np.int32))
    row = np.concatenate([wave(1), np.zeros((1, 4081), np.int32)], axis=1)
    yield "4096-integers", "the longest frame", Stream(wide).add(start).motion(row).end()
    stream = Stream(replace(SEQUENCE, motion_group=64)).add(key()).motion(wave(64))
    yield "64-frames", "the longest unit, as the usual one and as a special one", stream.motion(wave(63)).end()
    yield "motion-4095-bytes", "the largest MOTION unit", _largest_motion()
    many = replace(SEQUENCE, keypoint_count=512, expression_count=1)
    most = Stream(many).add(key(sequence=many)).motion(wave(2, 8))
    yield "512-keypoints", "the most keypoints, the fewest expression integers", most.end()
    few = replace(SEQUENCE, keypoint_count=1, expression_count=3, expression_transform=ExpressionTransform.KEYPOINTS)
    yield "1-keypoint", "the fewest keypoints", Stream(few).add(key(sequence=few)).motion(wave(2, 10)).end()
    big = {"side": 2048, "source_width": 65535, "source_height": 65535, "crop_side": 131070}
    big |= {"crop_x": 65535, "crop_y": 65535, "frame_rate_numerator": 240}
    yield "largest-sequence", "largest side, source, crop and rate", _ranges(**big, **_QUANTISERS)
    low = {"side": 16, "source_width": 1, "source_height": 1, "crop_side": 1, "crop_x": -65535, "crop_y": -65535}
    low |= {"frame_rate_numerator": 1, "frame_rate_denominator": (1 << 28) - 1}
    low |= {"pose_quantiser": 0, "expression_quantiser": 0, "canonical_quantiser": 0, "level": Level.L1}
    yield "smallest-sequence", "smallest side, source, crop and rate", _ranges(**low)
    for level, side, rate in ((2, 256, 60), (3, 512, 60), (4, 1024, 120)):
        edge = _ranges(level=Level(level), side=side, frame_rate_numerator=rate)
        yield f"level-{level}", "side and rate at the edge of the level", edge
    extended = Stream().raw(unit(UnitType.SEQUENCE, sequence_payload(extension=bytes(range(256)) * 4)))
    yield "extension-1024-bytes", "the longest extension of SEQUENCE", extended.add(key()).end()
    last = Stream().add(key((1 << 28) - 3)).motion(wave(2)).end()
    yield "last-presentation-index", "the highest presentation index", last
    gap = Stream().add(key(), key(1025)).add(Picture(presentation_index=2050, picture=picture("gop-1")))
    yield "1024-skipped-indices", "as many indices left out as may be", gap.end()
    header = AudioHeader(
        codec="abcdefghijklmnopqrstuvwxyz_0189-",
        time_base_numerator=(1 << 31) - 1,
        time_base_denominator=(1 << 31) - 1,
        sample_rate=(1 << 28) - 1,
        channels=255,
        extradata=bytes(300),
    )
    packets = [AudioPacket(pts, (1 << 31) - 1, b"a" * 200) for pts in (-(1 << 59), (1 << 59) - 1, -(1 << 59))]
    yield "audio", "largest and smallest numbers of AUDIO", Stream().add(Audio(header, tuple(packets))).end()
    text = Metadata((("k" * 255, "v" * 17000), ("k", "")))
    yield "metadata", "longest and shortest key, a size of three bytes", Stream().add(text).end()
    edges = Index(((0, 0), ((1 << 28) - 1, (1 << 62) - 1)))
    yield "index", "first and last presentation index and offset", Stream().add(edges).end()
    big_motion = Stream(replace(SEQUENCE, motion_group=16)).add(key()).motion(noise(16))
    yield "unit-size-two-bytes", "a unit_size of two bytes in MOTION", big_motion.end()
    yield from source_limits()


_QUANTISERS = {"pose_quantiser": 63, "expression_quantiser": 63, "canonical_quantiser": 63}


def _largest_motion() -> bytes:
    """A unit of exactly 4095 bytes: as many large integers as fit, then small ones until it is full."""
    wide = replace(SEQUENCE, level=Level.L5, expression_count=4089)
    start = key(sequence=wide, values=np.zeros((1, 4096), np.int32))
    large = noise(1, 4096, 32767)

    def size(row: np.ndarray) -> int:
        try:
            return len(Stream(wide).add(start).motion(row).units[-1]) - 5
        except LimitExceeded:
            return 4096

    low, high = 0, 4096
    while high - low > 1:
        middle = (low + high) // 2
        row = np.where(np.arange(4096) < middle, large, 0).astype(np.int32)
        low, high = (middle, high) if size(row) <= 4095 else (low, middle)
    row = np.where(np.arange(4096) < low, large, 0).astype(np.int32)
    while size(row) < 4095:
        row[0, low] = 1
        low += 1
    return Stream(wide).add(start).motion(row).end()


def extension() -> Iterator[tuple[str, str, bytes]]:
    """Name, what it shows, bytes."""
    stream = Stream()
    for kind in (12, 13, 14, 15):
        stream.raw(unit(kind, b"later", crc_flag=kind % 2))
    yield "unknown-ancillary-units", "types 12 to 15 with and without CRC, skipped", stream.add(key()).end()
    with_byte = Stream(signature=True)
    with_byte.units = [_with_extension(data) for data in with_byte.add(key()).motion(wave(1)).units]
    yield "extension-bytes", "an extension byte in every unit, ignored", with_byte.raw(_with_extension(b"\x38\0")).cut()
    reserved = Stream().raw(unit(UnitType.METADATA, fields(1, b"k", 0), header=1)).add(key())
    yield "reserved-bit", "reserved_zero is 1, ignored", reserved.raw(unit(UnitType.END, b"", header=1)).cut()
    later = Stream().raw(unit(UnitType.SEQUENCE, sequence_payload(micro_version=255))).add(key())
    yield "micro-version", "a later micro_version", later.end()
    more = Stream().raw(unit(UnitType.SEQUENCE, sequence_payload(extension=b"more"))).add(key()).motion(wave(2))
    yield "sequence-extension", "bytes after the last known element of SEQUENCE", more.end()
    unknown = Metadata((("nvc.later", "x"), ("org.example", "y")))
    yield "unknown-metadata", "keys that nobody knows", Stream().add(unknown).end()


def _with_extension(data: bytes, extension: bytes = b"\x5a") -> bytes:
    kind, flag = data[0] >> 3 & 15, data[0] >> 2 & 1
    body = data[1 : len(data) - (0 if not flag else 2 if kind == UnitType.MOTION else 4)]
    at = next(k for k, byte in enumerate(body) if byte < 128) + 1
    return unit(kind, body[at:], crc_flag=flag, size=extension + body[:at], header=2)


def decodable() -> Iterator[Vector]:
    """All vectors but the faulty ones."""
    for folder, makers in (("valid", valid), ("limits", limits), ("extension", extension), ("loss", loss)):
        for number, (name, what, data) in enumerate(makers(), 1):
            frames = 9 if name == "reference-frames" else 0
            path = f"{folder}/{number:03}-{name}"
            yield Vector(path, what, data, damaged=folder == "loss", model_id=TINY, frames=frames)
