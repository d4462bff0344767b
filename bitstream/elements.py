"""The syntax elements of a unit, one by one, with their bits: from its fields, as they would be written again.

A parser does not have to keep positions for this: units are canonical, so what is written again is what stood there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from bitstream.ancillary import RESYNC_PATTERN, Audio, Index, Metadata, Resync
from bitstream.bytefields import leb128
from bitstream.pictures import KeyFrame, Picture, code_values
from bitstream.rangecoder import BIT_TOTAL, RangeDecoder, RangeEncoder
from bitstream.sequence import Sequence
from bitstream.syntax import Motion, Payload, Truncation
from bitstream.units import Unit, UnitType


@dataclass(frozen=True)
class Element:
    """A syntax element of ``bits`` bits as it stands in the stream. ``value``: a number, or the bytes themselves."""

    name: str
    bits: int
    value: int | bytes


@dataclass(frozen=True)
class Decision:
    """A symbol of a range coder run that belongs to the element ``name``, and its cost in ``bits``.

    ``kind`` is bit, with the probability of a 1 in units of 2^-16 as ``parameter``, or bypass, with the number of bits.
    """

    name: str
    kind: str
    parameter: int
    value: int
    bits: float


@dataclass(frozen=True)
class Result:
    """Integers that follow from the decisions before it."""

    name: str
    value: str


class _Elements:
    """Collects the elements of a unit with the calls that would write them."""

    def __init__(self) -> None:
        self.found: list[Element | Decision | Result] = []

    def u(self, bits: int, **values: int) -> None:
        self.found += [Element(name, bits, int(value)) for name, value in values.items()]

    def leb128(self, **values: int) -> None:
        self.found += [Element(name, 8 * len(leb128(value)), value) for name, value in values.items()]

    def signed(self, **values: int) -> None:
        for name, value in values.items():
            self.found.append(Element(name, 8 * len(leb128(2 * value if value >= 0 else -2 * value - 1)), value))

    def raw(self, **values: bytes) -> None:
        self.found += [Element(name, 8 * len(value), value) for name, value in values.items()]

    def block(self, name: str, data: bytes) -> None:
        self.leb128(**{f"{name}_size": len(data)})
        self.raw(**{name: data})


class WatchedDecoder(RangeDecoder):
    """A RangeDecoder that notes its decisions."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload)
        self.decisions: list[Decision] = []

    def bit(self, p: int, bit: int = 0) -> int:
        value = super().bit(p)
        cost = math.log2(BIT_TOTAL) - math.log2(p if value else BIT_TOTAL - p)
        self.decisions.append(Decision(self.label, "bit", p, value, cost))
        return value

    def bypass(self, bits: int, value: int = 0) -> int:
        value = super().bypass(bits)
        self.decisions.append(Decision(self.label, "bypass", bits, value, bits))
        return value


def _sequence(out: _Elements, s: Sequence) -> None:
    out.u(8, version=s.version, micro_version=s.micro_version)
    out.u(4, profile=s.profile, level=s.level)
    out.leb128(side=s.side, source_width=s.source_width, source_height=s.source_height)
    out.signed(crop_x=s.crop_x, crop_y=s.crop_y)
    out.leb128(crop_side=s.crop_side, frame_rate_numerator=s.frame_rate_numerator)
    out.leb128(frame_rate_denominator=s.frame_rate_denominator)
    out.u(8, colour_primaries=s.colour_primaries, transfer_characteristics=s.transfer_characteristics)
    out.u(8, matrix_coefficients=s.matrix_coefficients)
    out.u(4, picture_codec=s.picture_codec, expression_transform=s.expression_transform)
    out.raw(model_id=s.model_id)
    out.leb128(keypoint_count=s.keypoint_count, expression_count=s.expression_count)
    out.u(8, pose_quantiser=s.pose_quantiser, expression_quantiser=s.expression_quantiser)
    out.u(8, canonical_quantiser=s.canonical_quantiser, motion_group=s.motion_group)
    out.u(1, full_range=s.full_range, error_resilient=s.error_resilient, synthetic=s.synthetic)
    out.u(2, motion_crc=s.motion_crc)
    out.u(3, flags_zero=0)
    out.raw(extension=s.extension)


def numbers(values: Iterable[int] | None) -> str:
    """Integers with a space between them, or ``-`` for none."""
    return " ".join(map(str, values or ())) or "-"


def _key_frame(out: _Elements, key: KeyFrame) -> None:
    out.leb128(presentation_index=key.presentation_index)
    out.u(4, source_slot=key.source_slot, picture_codec=key.picture_codec)
    out.leb128(coded_width=key.coded_width, coded_height=key.coded_height)
    coder = RangeEncoder()
    code_values(coder, list(key.canonical), list(key.values))
    values = coder.finish()
    watch = WatchedDecoder(values)
    code_values(watch, list(key.canonical), list(key.values))
    out.block("values", values)
    out.found += watch.decisions
    for name in ("canonical", "pose", "expression"):
        out.found.append(Result(name, numbers(getattr(key, name))))
    out.raw(picture=key.picture)


def _motion(out: _Elements, motion: Motion, watch: WatchedDecoder, counts: tuple[int, ...]) -> None:
    out.raw(coded=motion.coded)
    out.found += watch.decisions
    out.found.append(Result("frame_count", str(motion.frame_count)))
    out.found.append(Result("sources", numbers(motion.sources)))
    out.found.append(Result("truncation", str(int(motion.truncation))))
    out.found.append(Result("count", "-" if motion.count is None else str(motion.count)))
    if motion.truncation is Truncation.FRAME:
        out.found.append(Result("counts", numbers(counts)))


def _audio(out: _Elements, audio: Audio) -> None:
    out.u(8, header_flag=audio.header is not None)
    if audio.header is not None:
        h = audio.header
        out.block("codec", h.codec.encode("ascii"))
        out.leb128(time_base_numerator=h.time_base_numerator, time_base_denominator=h.time_base_denominator)
        out.leb128(sample_rate=h.sample_rate)
        out.u(8, channels=h.channels)
        out.block("extradata", h.extradata)
    expected = 0
    for packet in audio.packets:
        out.signed(pts_difference=packet.pts - expected)
        out.leb128(duration=packet.duration)
        out.block("data", packet.data)
        expected = packet.pts + packet.duration


def _metadata(out: _Elements, metadata: Metadata) -> None:
    for key, value in metadata.entries:
        out.block("key", key.encode())
        out.block("value", value.encode())


def _index(out: _Elements, index: Index) -> None:
    last = (0, 0)
    for entry in index.entries:
        out.leb128(index_difference=entry[0] - last[0], offset_difference=entry[1] - last[1])
        last = entry


def _payload(out: _Elements, payload: Payload, watch: WatchedDecoder | None, counts: tuple[int, ...]) -> None:
    if isinstance(payload, Sequence):
        _sequence(out, payload)
    elif isinstance(payload, KeyFrame):
        _key_frame(out, payload)
    elif isinstance(payload, Motion) and watch is not None:
        _motion(out, payload, watch, counts)
    elif isinstance(payload, Picture):
        out.leb128(presentation_index=payload.presentation_index, picture_count=payload.picture_count)
        out.raw(picture=payload.picture)
    elif isinstance(payload, Audio):
        _audio(out, payload)
    elif isinstance(payload, Metadata):
        _metadata(out, payload)
    elif isinstance(payload, Index):
        _index(out, payload)
    elif isinstance(payload, Resync):
        out.raw(pattern=RESYNC_PATTERN)
        out.leb128(presentation_index=payload.presentation_index, key_distance=payload.key_distance)


def unit_elements(
    unit: Unit, payload: Payload | None, watch: WatchedDecoder | None = None, counts: tuple[int, ...] = ()
) -> tuple[Element | Decision | Result, ...]:
    """All elements of a unit in order. ``payload``: its fields, None for an unknown type.

    A MOTION unit needs the decoder that ``watch``-ed its payload, and the expression ``counts`` of its frames.
    """
    data, out = unit.to_bytes(), _Elements()
    out.u(1, forbidden_zero=0)
    out.u(4, unit_type=unit.type)
    out.u(1, crc_flag=bool(unit.crc), extension_flag=unit.extension is not None, reserved_zero=unit.reserved)
    if unit.extension is not None:
        out.u(8, extension=unit.extension)
    out.leb128(unit_size=len(unit.payload))
    if payload is None:
        out.raw(payload=unit.payload)
    else:
        _payload(out, payload, watch, counts)
    if unit.crc:
        out.raw(crc=data[-2:] if unit.type is UnitType.MOTION else data[-4:])
    return tuple(out.found)
