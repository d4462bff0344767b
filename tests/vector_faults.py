"""The faulty conformance vectors: for every row of the specification's table of errors at least one stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vector_motion_faults import motions
from vector_sources import source_faults
from vector_writer import (
    SEQUENCE,
    TINY,
    Stream,
    Vector,
    fields,
    good,
    key,
    picture,
    sequence_payload,
    unit,
    wave,
)

from bitstream import (
    SIGNATURE,
    Audio,
    ExpressionTransform,
    Level,
    Picture,
    Resync,
    make_unit,
)
from bitstream.bytefields import leb128
from bitstream.integers import IntegerModel
from bitstream.limits import MAX_PRESENTATION_INDEX as LAST
from bitstream.rangecoder import RangeEncoder

SEQUENCE_UNIT, KEYFRAME, MOTION, PICTURE, END = 0, 1, 2, 3, 7
AUDIO, METADATA, INDEX, RESYNC = 8, 9, 10, 11
Faults = Iterator[tuple[str, str, bytes]]  # condition, name, bytes


def framing() -> Faults:
    """F1 to F12."""
    whole = good().end()
    yield "F1", "signature-after-text-mode", whole.replace(b"\r\n", b"\n", 1)
    yield "F2", "forbidden-zero", good().raw(unit(METADATA, b"", header=0x80)).end()
    for kind in (4, 5, 6):
        yield "F3", f"critical-type-{kind}", good().raw(unit(kind, b"")).end()
    for kind in (SEQUENCE_UNIT, KEYFRAME, PICTURE, AUDIO, METADATA, INDEX, RESYNC):
        yield "F4", f"no-crc-on-type-{kind}", good().raw(unit(kind, b"", crc_flag=0)).end()
    yield "F4", "crc-on-end", good().raw(unit(END, b"", crc_flag=1)).cut()
    yield "F5", "unit-size-not-shortest", good().raw(unit(METADATA, b"", size=b"\x80\x00")).end()
    yield "F6", "unit-size-of-five-bytes", good().raw(unit(METADATA, b"", size=b"\x80\x80\x80\x80\x01")).end()
    yield "F7", "motion-of-4096-bytes", good().raw(unit(MOTION, bytes(4096))).end()
    yield "F7", "picture-of-2-to-the-24-bytes", good().raw(unit(PICTURE, b"", size=leb128(1 << 24))).end()
    yield "F7", "metadata-of-4-mebibytes-and-one", good().raw(unit(METADATA, b"", size=leb128((1 << 22) + 1))).end()
    yield "F8", "end-with-payload", good().raw(unit(END, b"x")).cut()
    for kind, bad in ((METADATA, bytes(4)), (MOTION, bytes(2))):
        yield "F9", f"crc-of-type-{kind}", good().raw(unit(kind, b"", crc=bad)).end()
    yield "F10", "byte-after-end", whole + b"\0"
    yield "F11", "cut-in-payload", whole[:200]
    yield "F11", "cut-in-header", good().cut() + b"\x4c"
    yield "F11", "cut-in-size", good().cut() + b"\x4c\x80"
    yield "F11", "cut-in-crc", whole[:-3]
    yield "F11", "cut-in-signature", SIGNATURE[:7]
    yield "F12", "no-end", good().cut()
    yield "F12", "signature-alone", SIGNATURE


def sequences() -> Faults:
    """Elements of SEQUENCE."""
    for condition, name, changes in _sequence_changes():
        yield condition, f"sequence-{name}", Stream().raw(unit(SEQUENCE_UNIT, sequence_payload(**changes))).end()
    yield "P1", "sequence-cut", Stream().raw(unit(SEQUENCE_UNIT, sequence_payload()[:-2])).end()
    yield "P1", "sequence-empty", Stream().raw(unit(SEQUENCE_UNIT, b"")).end()
    yield "P2", "sequence-side-not-shortest", _sequence(side=b"\xc0\x00")
    yield "P2", "sequence-crop-not-shortest", _sequence(crop_x=b"\x80\x00")
    yield "P3", "sequence-side-of-five-bytes", _sequence(side=b"\xc0\x80\x80\x80\x01")
    yield "P3", "sequence-side-of-29-bits", _sequence(side=b"\x80\x80\x80\x80\x01")
    keypoints = replace(SEQUENCE, expression_transform=ExpressionTransform.KEYPOINTS, expression_count=24)
    for count in (1, 25, 27):
        payload = sequence_payload(keypoints, expression_count=count)
        yield "P9", f"sequence-{count}-for-keypoints", Stream().raw(unit(SEQUENCE_UNIT, payload)).end()


def _sequence(**changes: object) -> bytes:
    return Stream().raw(unit(SEQUENCE_UNIT, sequence_payload(**changes))).end()


def _sequence_changes() -> Iterator[tuple[str, str, dict[str, object]]]:
    out_of_range = {
        "side": (14, 65),
        "source_width": (0, 65536),
        "source_height": (0, 65536),
        "crop_x": (-65536, 65536),
        "crop_y": (-65536, 65536),
        "crop_side": (0, 131071),
        "frame_rate_numerator": (0,),
        "frame_rate_denominator": (0,),
        "keypoint_count": (0, 513),
        "expression_count": (0, 4090),
        "pose_quantiser": (64,),
        "expression_quantiser": (64,),
        "canonical_quantiser": (255,),
        "motion_group": (0, 65),
    }
    for name, values in out_of_range.items():
        for value in values:
            yield "P5", f"{name.replace('_', '-')}-{value}", {name: value}
    reserved = {
        "version": (0, 2),
        "profile": (1,),
        "level": (0, 6),
        "picture_codec": (1,),
        "expression_transform": (2,),
    }
    for name, values in {**reserved, "motion_crc": (2, 3), "flags_zero": (1, 4)}.items():
        for value in values:
            yield "P6", f"{name.replace('_', '-')}-{value}", {name: value}
    yield "P7", "frame-rate-50-2", {"frame_rate_numerator": 50, "frame_rate_denominator": 2}
    yield "P8", "side-for-level-1", {"side": 130}
    yield "P8", "frame-rate-for-level-1", {"frame_rate_numerator": 3001, "frame_rate_denominator": 100}
    yield "P10", "extension-1025-bytes", {"extension": bytes(1025)}


def _integers(values: list[int]) -> bytes:
    """The run of a key frame's integers, without any check of their range."""
    coder, models = RangeEncoder(), [IntegerModel() for _ in range(4)]
    for i, value in enumerate(values):
        models[i % 3 if i < 24 else 3].code(coder, value)
    return coder.finish()


def _key(index: int = 0, slot: int = 0, size: tuple[int, int] = (64, 64), values: bytes | None = None) -> bytes:
    block = _integers([0] * 39) if values is None else values
    return unit(KEYFRAME, fields(index, bytes([slot << 4]), *size, len(block), block, picture()))


def key_frames() -> Faults:
    """Elements of KEYFRAME and PICTURE."""
    yield "P5", "key-source-slot-4", Stream().raw(_key(slot=4)).end()
    for width, height in ((14, 64), (64, 63), (66, 64), (64, 0)):
        yield "P5", f"key-size-{width}-{height}", Stream().raw(_key(size=(width, height))).end()
    codec = fields(0, b"\x01", 64, 64, 0, picture())
    yield "P6", "key-picture-codec-1", Stream().raw(unit(KEYFRAME, codec)).end()
    yield "P1", "key-values-cut", Stream().raw(unit(KEYFRAME, fields(0, b"\0", 64, 64, 200, bytes(150)))).end()
    yield "P5", "key-without-picture", Stream().raw(unit(KEYFRAME, fields(0, b"\0", 64, 64, 0))).end()
    yield "P8", "key-picture-for-level-1", Stream().raw(unit(KEYFRAME, fields(0, b"\0", 64, 64, 0, bytes(65537)))).end()
    yield "R1", "key-run-points-nowhere", Stream().raw(_key(values=b"\xff" * 9)).end()
    yield "R2", "key-run-with-a-zero-more", Stream().raw(_key(values=_integers([0] * 39) + b"\0")).end()
    yield "R2", "key-run-not-shortest", Stream().raw(_key(values=_integers([5] * 39) + b"\1")).end()
    for place, value in ((0, 32768), (3, -32769), (25, 70000), (38, -70000)):
        values = [0] * 39
        values[place] = value
        yield "R3", f"key-integer-{place}", Stream().raw(_key(values=_integers(values))).end()
    yield "P5", "picture-empty", good().raw(unit(PICTURE, fields(1, 1))).end()
    yield "P8", "picture-for-level-1", good().raw(unit(PICTURE, fields(1, 1, bytes(65537)))).end()


def ancillary() -> Faults:
    """Elements of AUDIO, METADATA, INDEX and RESYNC."""
    audio = {"codec": b"opus", "numerator": 1, "denominator": 48000, "rate": 48000, "channels": b"\1", "extradata": b""}

    def header(flag: bytes = b"\1", **changes: object) -> bytes:
        c = {**audio, **changes}
        codec, extra = c["codec"], c["extradata"]
        parts = (len(codec), codec, c["numerator"], c["denominator"], c["rate"], c["channels"], len(extra), extra)
        return unit(AUDIO, flag + fields(*parts))

    yield "P6", "audio-header-flag-2", Stream().raw(header(b"\2")).end()
    for name, changes in {
        "no-codec": {"codec": b""},
        "codec-of-33": {"codec": b"a" * 33},
        "codec-upper-case": {"codec": b"Opus"},
        "codec-not-ascii": {"codec": b"op\xffs"},
        "time-base-0": {"numerator": 0},
        "time-base-per-0": {"denominator": 0},
        "rate-0": {"rate": 0},
        "channels-0": {"channels": b"\0"},
    }.items():
        yield "P5", f"audio-{name}", Stream().raw(header(**changes)).end()
    yield "P3", "audio-time-base-of-32-bits", Stream().raw(header(numerator=1 << 31)).end()
    yield "P1", "audio-cut", Stream().raw(unit(AUDIO, b"\1\4op")).end()
    far = leb128(1 << 60)  # zigzag of 2^59
    yield "P5", "audio-pts", Stream().add(Audio(_opus())).raw(unit(AUDIO, b"\0" + far + fields(0, 0))).end()
    yield "P3", "audio-pts-of-63-bits", Stream().raw(header()).raw(unit(AUDIO, b"\0" + leb128(1 << 62))).end()
    yield "P5", "metadata-empty-key", Stream().raw(unit(METADATA, fields(0, 1, b"x"))).end()
    yield "P5", "metadata-key-of-256", Stream().raw(unit(METADATA, fields(256, bytes(256), 0))).end()
    yield "P11", "metadata-key-not-utf-8", Stream().raw(unit(METADATA, fields(1, b"\xff", 0))).end()
    yield (
        "P11",
        "metadata-value-is-a-surrogate",
        Stream().raw(unit(METADATA, fields(1, b"k", 3, b"\xed\xa0\x80"))).end(),
    )
    yield "P1", "metadata-key-alone", Stream().raw(unit(METADATA, fields(1, b"k"))).end()
    yield "P12", "index-same-index", Stream().raw(unit(INDEX, fields(0, 8, 0, 1))).end()
    yield "P12", "index-same-offset", Stream().raw(unit(INDEX, fields(0, 8, 1, 0))).end()
    yield "P5", "index-beyond-last", Stream().raw(unit(INDEX, fields(LAST, 8, 1, 1))).end()
    yield "P5", "index-offset-beyond", Stream().raw(unit(INDEX, fields(0, (1 << 62) - 1, 1, 1))).end()
    yield "P14", "index-of-65537", Stream().raw(unit(INDEX, bytes([1, 1]) * 65537)).end()
    pattern = bytes.fromhex("D54E5652")
    yield "P13", "resync-pattern", Stream().raw(unit(RESYNC, fields(pattern[:3] + b"S", 0, 0))).end()
    yield "P4", "resync-with-more", Stream().raw(unit(RESYNC, fields(pattern, 0, 0, b"\0"))).end()
    yield "P5", "resync-key-distance", Stream().raw(unit(RESYNC, fields(pattern, 3, 4))).end()


def _opus() -> object:
    from vector_streams import OPUS

    return OPUS


def orders() -> Faults:
    """O and Q conditions."""
    inter = Picture(presentation_index=1, picture=picture("gop-1"))
    motion = good().motion(wave(1)).units[-1]
    for name, first in (
        ("key", make_unit(key()).to_bytes()),
        ("motion", motion),
        ("picture", make_unit(inter).to_bytes()),
    ):
        yield "O1", f"{name}-first", SIGNATURE + first + b"\x38\0"
    yield "O2", "motion-before-key", Stream().raw(motion).end()
    yield "O2", "picture-before-key", Stream().add(inter).end()
    yield "O2", "motion-after-change", good().add(replace(SEQUENCE, crop_x=1)).raw(motion).end()
    yield "O3", "key-in-the-past", Stream().add(key(5), key(5)).end()
    yield "O3", "picture-in-the-past", Stream().add(key(1), inter).end()
    yield "O4", "key-after-1025", Stream().add(key(), key(1026)).end()
    yield "O4", "picture-after-1025", Stream().add(key(), replace(inter, presentation_index=1026)).end()
    yield "O5", "motion-beyond-last", Stream().add(key(LAST)).raw(motion).end()
    yield "O6", "audio-without-header", good().add(Audio()).end()
    yield "O7", "resync-index", good().add(Resync(2, 2)).end()
    yield "O8", "resync-key", Stream().add(key(5), Resync(6, 2)).end()
    yield "O8", "resync-before-key", Stream().add(Resync(6, 2)).end()
    yield "Q1", "another-model", Stream(replace(SEQUENCE, model_id=bytes(range(16)))).add(key()).end()
    yield "Q2", "larger-than-the-limit", Stream(replace(SEQUENCE, level=Level.L2, side=256)).end()


def picture_counts() -> Faults:
    """Numbers of pictures in a PICTURE unit."""
    for count in (0, 65):
        yield "P5", f"picture-count-{count}", good().raw(unit(PICTURE, fields(1, count, picture("gop-1")))).end()
    beyond = unit(PICTURE, fields(LAST, 2, picture("gop-1") + picture("gop-2")))
    yield "O5", "picture-beyond-last", Stream().add(key(LAST - 1)).raw(beyond).end()
    yield "P1", "picture-without-count", good().raw(unit(PICTURE, fields(1))).end()


def faulty() -> Iterator[Vector]:
    """All faulty vectors. At hand are the model tiny-64, and a limit of 65535 pixels for Q2."""
    makers = (framing, sequences, key_frames, ancillary, motions, orders, picture_counts, source_faults)
    for number, (condition, name, data) in enumerate((fault for maker in makers for fault in maker()), 1):
        what = f"{condition}: {name.replace('-', ' ')}"
        pixels = 65535 if condition == "Q2" else None
        path = f"faulty/{number:03}-{name}"
        yield Vector(path, what, data, condition, model_id=TINY, max_pixels=pixels)
