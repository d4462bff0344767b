"""What a stream says, element by element: the logic behind nvc-info, nvc-verify and the conformance vectors.

:func:`trace_stream` takes a whole stream apart; :func:`trace_lines` prints every element and every decision of the
range coder, byte for byte as Annex C of the specification defines it; :func:`to_json` and :func:`unit_table` are for
people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from typing import Any

from bitstream.elements import Decision, Element, Result, WatchedDecoder, numbers, unit_elements
from bitstream.errors import BitstreamError, Truncated
from bitstream.limits import Limits
from bitstream.pictures import KeyUse
from bitstream.rangecoder import RangeDecoder
from bitstream.stream import Frame, StreamDecoder
from bitstream.syntax import Payload
from bitstream.units import SIGNATURE, Unit, UnitReader, UnitType

_HEADER_BITS = {"forbidden_zero", "unit_type", "crc_flag", "extension_flag", "reserved_zero"}
_RUNS = {"values", "coded"}
_LONGEST_SHOWN = 64  # bytes printed in full; longer ones by length and hash
_REMARKS = {KeyUse.SOURCE_ONLY: "; a source only, no frame", KeyUse.SHOWN_AS_DECODED: "; shown as decoded"}


@dataclass(frozen=True)
class UnitTrace:
    """One unit: where it begins (bytes), what it is, its elements in order, its fields and the frames it gives."""

    offset: int
    unit: Unit
    elements: tuple[Element | Decision | Result, ...]
    payload: Payload | None
    frames: tuple[Frame, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole unit."""
        return sum(element.bits for element in self.elements if isinstance(element, Element)) // 8

    @property
    def type_name(self) -> str:
        """SEQUENCE, KEYFRAME, ..., or UNKNOWN_12 to UNKNOWN_15."""
        return self.unit.type.name if isinstance(self.unit.type, UnitType) else f"UNKNOWN_{self.unit.type}"

    @property
    def key_use(self) -> KeyUse | None:
        """What a KEYFRAME is for; None for any other unit."""
        return KeyUse.of(self.unit.extension) if self.unit.type is UnitType.KEYFRAME else None


@dataclass(frozen=True)
class StreamTrace:
    """A whole stream: has it the file signature, its units up to the first error, and that error or None."""

    signature: bool
    units: tuple[UnitTrace, ...]
    error: BitstreamError | None


class Tracer:
    """Takes a stream apart unit by unit. Every error of the stream comes out of :meth:`unit`."""

    def __init__(self, *, offset: int = 0, model_id: bytes | None = None, limits: Limits | None = None) -> None:
        self._offset = offset
        self._watch: WatchedDecoder | None = None
        self.decoder = StreamDecoder(model_id=model_id, limits=limits, coder=self._watched)

    def _watched(self, payload: bytes) -> RangeDecoder:
        self._watch = WatchedDecoder(payload)
        return self._watch

    def unit(self, unit: Unit) -> UnitTrace:
        """The next unit, taken apart. Raises BitstreamError subclasses."""
        known = isinstance(unit.type, UnitType)
        frames = self.decoder.decode(unit) if known else []
        payload = self.decoder.payload if known else None
        elements = unit_elements(unit, payload, self._watch, self.decoder.counts)
        trace = UnitTrace(self._offset, unit, elements, payload, tuple(frames))
        self._offset += trace.size
        return trace


def trace_stream(data: bytes, *, model_id: bytes | None = None, limits: Limits | None = None) -> StreamTrace:
    """Take a whole stream apart: a file (with signature, must end in END), or units alone. Raises nothing."""
    signed = data[:1] == SIGNATURE[:1]
    reader = UnitReader(limits, keep_unknown=True)
    tracer = Tracer(offset=len(SIGNATURE) if signed else 0, model_id=model_id, limits=limits)
    units: list[UnitTrace] = []
    try:
        for unit in reader.feed(data):
            units.append(tracer.unit(unit))
        reader.feed(b"")
        reader.close()
        if signed and not reader.ended:
            raise Truncated("the file has no END unit")
    except BitstreamError as error:
        return StreamTrace(signed and data.startswith(SIGNATURE), tuple(units), error)
    return StreamTrace(signed, tuple(units), None)


def show(value: int | bytes) -> str:
    """A number in decimal; bytes in hexadecimal, long ones by length and the start of their SHA-256, none as ``-``."""
    if isinstance(value, int):
        return str(int(value))
    if not value:
        return "-"
    if len(value) <= _LONGEST_SHOWN:
        return value.hex()
    return f"{len(value)} bytes sha256 {hashlib.sha256(value).hexdigest()[:16]}"


def trace_lines(trace: StreamTrace) -> Iterator[str]:
    """The byte-exact trace, line by line without line ends."""
    if trace.signature:
        yield f"0.0 64 signature = {SIGNATURE.hex()}"
    for unit in trace.units:
        at = 8 * unit.offset
        for element in unit.elements:
            if isinstance(element, Element):
                yield f"{at // 8}.{at % 8} {element.bits} {element.name} = {show(element.value)}"
                at += element.bits
            elif isinstance(element, Decision):
                yield f"~ {element.name} {element.kind} {element.parameter} = {element.value}"
            else:
                yield f"> {element.name} = {element.value}"
        for frame in unit.frames:
            name = f"frame {frame.presentation_index} {frame.kind.name}"
            yield f"> {name} sources {numbers(frame.sources)} values {numbers(frame.values)}"
    if trace.error is not None:
        yield f"! {error_class(trace.error)}"


def error_class(error: BitstreamError) -> str:
    """Truncated, Corrupt, Unsupported, LimitExceeded or ModelMismatch."""
    names = [kind.__name__ for kind in type(error).__mro__]
    return names[names.index(BitstreamError.__name__) - 1]


def to_json(trace: StreamTrace) -> dict[str, Any]:
    """Everything for ``json.dump``: units with every field and frame, and the error. Enumerations are numbers."""
    error = None
    if trace.error is not None:
        error = {"class": error_class(trace.error), "message": str(trace.error)}
    return {"signature": trace.signature, "units": [unit_json(unit) for unit in trace.units], "error": error}


def unit_json(trace: UnitTrace) -> dict[str, Any]:
    """One unit for ``json.dump``."""
    unit = trace.unit
    header = {"crc_flag": int(bool(unit.crc)), "extension": unit.extension, "reserved_zero": int(unit.reserved)}
    found: dict[str, Any] = {"offset": trace.offset, "size": trace.size, "unit_type": trace.type_name, **header}
    found["fields"] = {"payload": show(unit.payload)} if trace.payload is None else _plain(trace.payload)
    if trace.frames:
        found["frames"] = [frame_json(frame) for frame in trace.frames]
    return found


def frame_json(frame: Frame) -> dict[str, Any]:
    """One frame of Part A for ``json.dump``."""
    return {
        "presentation_index": frame.presentation_index,
        "kind": frame.kind.name,
        "sources": list(frame.sources),
        "values": list(frame.values),
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, (bool, IntEnum)):
        return int(value)
    if isinstance(value, bytes):
        return show(value) if value else ""
    return value


def bits_by_element(trace: UnitTrace) -> dict[str, float]:
    """Bits of every syntax element of a unit, repeated ones added up.

    A range coder run is divided among its elements by the cost of their symbols; ``run_end`` is what is left over: the
    end of the run in whole bytes.
    """
    found: dict[str, float] = {}
    for element in trace.elements:
        if isinstance(element, Result):
            continue
        name = "unit_header" if element.name in _HEADER_BITS else element.name
        if name in _RUNS:
            name = "run_end"
        found[name] = found.get(name, 0) + element.bits
        if isinstance(element, Decision):
            found["run_end"] -= element.bits
    return {name: bits for name, bits in found.items() if bits}


def unit_table(trace: StreamTrace) -> Iterator[str]:
    """One line a unit: offset, size in bytes, type, then bits by element, and what a KEYFRAME is if not drawn."""
    yield f"{'offset':>10} {'bytes':>8} {'unit_type':<10} bits by element"
    for unit in trace.units:
        parts = [f"{name} {bits:.1f}".removesuffix(".0") for name, bits in bits_by_element(unit).items()]
        remark = _REMARKS.get(unit.key_use, "") if unit.key_use is not None else ""
        yield f"{unit.offset:>10} {unit.size:>8} {unit.type_name:<10} {', '.join(parts)}{remark}"
    if trace.error is not None:
        yield f"{error_class(trace.error)}: {trace.error}"
