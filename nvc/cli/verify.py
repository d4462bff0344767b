"""nvc-verify: is a file whole and correct? Framing, CRCs, canonical form, order, index and model id, without torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence as Values
from pathlib import Path

from bitstream.ancillary import Index
from bitstream.errors import ModelMismatch, Unsupported
from bitstream.pictures import KeyFrame
from bitstream.registry import known_models
from bitstream.sequence import Sequence
from bitstream.trace import StreamTrace, UnitTrace, error_class, trace_stream

EXIT_OK, EXIT_IO, EXIT_INVALID, EXIT_UNSUPPORTED = 0, 1, 3, 4


def index_faults(trace: StreamTrace) -> list[str]:
    """What is wrong with the INDEX units: every entry must name the unit where its key frame can be started."""
    starts: dict[int, int] = {}  # offset of a KEYFRAME, or of the SEQUENCE right before it: presentation index
    before: UnitTrace | None = None
    for unit in trace.units:
        if isinstance(unit.payload, KeyFrame):
            starts[unit.offset] = unit.payload.presentation_index
            if before is not None and isinstance(before.payload, Sequence):
                starts[before.offset] = unit.payload.presentation_index
        before = unit
    faults = []
    for unit in trace.units:
        for index, offset in unit.payload.entries if isinstance(unit.payload, Index) else ():
            if starts.get(offset) != index:
                faults.append(f"INDEX: key frame {index} does not start at byte {offset}")
    return faults


def verify(data: bytes, *, model_id: bytes | None = None) -> tuple[int, list[str]]:
    """Exit status and the lines to print for a whole file (or units alone). ``model_id``: refuse any other model."""
    trace = trace_stream(data, model_id=model_id)
    if trace.error is not None:
        status = EXIT_UNSUPPORTED if isinstance(trace.error, (Unsupported, ModelMismatch)) else EXIT_INVALID
        where = sum(unit.size for unit in trace.units) + 8 * trace.signature
        return status, [f"{error_class(trace.error)} in the unit at byte {where}: {trace.error}"]
    if not trace.units:
        return EXIT_INVALID, ["Truncated: there is no unit in it"]
    if faults := index_faults(trace):
        return EXIT_INVALID, [f"Corrupt: {fault}" for fault in faults]
    frames = sum(len(unit.frames) for unit in trace.units)
    lines = [f"ok: {len(data)} bytes, {len(trace.units)} units, {frames} frames"]
    names, seen = known_models(), set()
    for unit in trace.units:
        if isinstance(unit.payload, Sequence) and (wanted := unit.payload.model_id.hex()) not in seen:
            seen.add(wanted)
            lines.append(f"model {wanted}: {names.get(wanted, 'not one of the published models')}")
    return EXIT_OK, lines


def _model_id(text: str) -> bytes:
    """A model's name or its id in hexadecimal, as bytes."""
    for known, name in known_models().items():
        if text == name:
            return bytes.fromhex(known)
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 16:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a published model nor 32 hexadecimal digits")
    return value


def main(arguments: Values[str] | None = None) -> int:
    """The command. Exit status: 0 all is well, 1 not readable, 2 usage, 3 invalid or truncated, 4 unsupported."""
    parser = argparse.ArgumentParser(prog="nvc-verify", description=__doc__)
    parser.add_argument("file", nargs="+", help="an .nvc file, - for standard input")
    parser.add_argument("--model", type=_model_id, help="refuse a stream for another model: a name or an id")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what is wrong")
    options = parser.parse_args(arguments)
    worst = EXIT_OK
    for name in options.file:
        try:
            data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            status, lines = EXIT_IO, [f"cannot be read: {error.strerror}"]
        else:
            status, lines = verify(data, model_id=options.model)
        for line in lines if status or not options.quiet else ():
            print(f"{name}: {line}", file=sys.stderr if status else sys.stdout)
        worst = max(worst, status)
    return worst


if __name__ == "__main__":
    sys.exit(main())
