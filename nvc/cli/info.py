"""nvc-info: what is in an .nvc file. Needs neither torch nor a video library."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from bitstream import SIGNATURE, Audio, Corrupt, KeyFrame, KeyUse, Metadata
from bitstream import Sequence as SequenceUnit
from bitstream.registry import known_models
from bitstream.stream import FrameKind
from bitstream.trace import StreamTrace, UnitTrace, error_class, to_json, trace_lines, trace_stream, unit_table
from nvc.cli.exits import Exit, exit_of, run
from nvc.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="nvc-info",
        description="Tell what is in an .nvc file.",
        epilog="exit codes: 0 done, 1 cannot read, 2 usage, 3 not a valid file or a truncated one, 4 another version",
    )
    parser.add_argument("file", metavar="FILE", help="an .nvc file; - is standard input")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="every syntax element and frame, for programs")
    how.add_argument("--units", action="store_true", help="one line a unit: offset, size, bits by element")
    how.add_argument("--trace", action="store_true", help="every element and every decision of the range coder")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    options = parser.parse_args(arguments)
    found: list[StreamTrace] = []
    code = run("nvc-info", lambda: found.append(_read(options.file)))
    if code:
        return code
    return _print(found[0], options)


def _read(name: str) -> StreamTrace:
    if name == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(name, "rb") as file:
            data = file.read()
    trace = trace_stream(data)  # units without a file's signature are fine, if they are units
    if trace.error is not None and not trace.units and not data.startswith(SIGNATURE):
        start = data[: len(SIGNATURE)].hex()
        return StreamTrace(False, (), NotNvc(f"not an nvc file: it starts with {start}, not {SIGNATURE.hex()}"))
    return trace


class NotNvc(Corrupt):
    """The file is something else."""


def _print(trace: StreamTrace, options: argparse.Namespace) -> int:
    """Everything up to the first error, which goes to standard error and into the exit code."""
    try:
        if options.json:
            json.dump(to_json(trace), sys.stdout, indent=1)
            print()
        elif options.trace:
            print(*trace_lines(trace), sep="\n")
        else:
            for line in unit_table(trace) if options.units else summary(trace):
                print(line)
    except BrokenPipeError:  # whoever reads has seen enough
        sys.stderr.close()
        return Exit.IO
    if trace.error is None:
        return Exit.OK
    name = "" if isinstance(trace.error, NotNvc) else f"{error_class(trace.error)}: "
    sys.stdout.flush()
    print(f"nvc-info: {options.file}: {name}{trace.error}", file=sys.stderr)
    return exit_of(trace.error) or Exit.INVALID


def summary(trace: StreamTrace) -> Iterator[str]:
    """A few lines for people."""
    sequence = next((u.payload for u in trace.units if isinstance(u.payload, SequenceUnit)), None)
    if sequence is not None:
        yield from _about_sequence(sequence)
    frames = [frame for unit in trace.units for frame in unit.frames]
    keys = [_about_key(u, u.payload) for u in trace.units if isinstance(u.payload, KeyFrame)]
    if frames and sequence is not None:
        count = frames[-1].presentation_index - frames[0].presentation_index + 1
        seconds = float(count / sequence.frame_rate)
        kinds = Counter(FrameKind(frame.kind).name.lower() for frame in frames)
        yield f"frames      {count} in {seconds:.2f} s: " + ", ".join(f"{n} {kind}" for kind, n in kinds.items())
        yield "key frames  " + ", ".join(keys)
        yield from _about_bytes(trace, seconds)
    for unit in trace.units:
        if isinstance(unit.payload, Audio) and unit.payload.header is not None:
            header = unit.payload.header
            yield f"audio       {header.codec}, {header.sample_rate} Hz, {header.channels} channels"
        if isinstance(unit.payload, Metadata):
            yield from (f"metadata    {key} = {value}" for key, value in unit.payload.entries)


def _about_sequence(sequence: SequenceUnit) -> Iterator[str]:
    model = sequence.model_id.hex()
    rate = sequence.frame_rate
    yield f"version     {sequence.version}.{sequence.micro_version}, level {int(sequence.level)}"
    yield f"model       {known_models().get(model, 'not a published one')} ({model})"
    yield f"picture     {sequence.side} x {sequence.side} at {float(rate):g} frames a second ({rate})"
    crop = f"{sequence.crop_x},{sequence.crop_y},{sequence.crop_side}"
    yield f"source      {sequence.source_width} x {sequence.source_height}, square {crop}"
    steps = f"{sequence.pose_quantiser}, {sequence.expression_quantiser}, {sequence.canonical_quantiser}"
    yield f"motion      {sequence.expression_count} coefficients, quantisers {steps} (pose, expression, canonical)"
    flags = [name for name in ("error_resilient", "synthetic") if getattr(sequence, name)]
    if flags:
        yield "flags       " + ", ".join(flags)


def _about_key(unit: UnitTrace, key: KeyFrame) -> str:
    """Its index and bytes; one that is a source only stands before the frame with that index."""
    before, source = ("before ", ", source only") if unit.key_use is KeyUse.SOURCE_ONLY else ("", "")
    return f"{before}{key.presentation_index} ({len(key.picture)} bytes{source})"


def _about_bytes(trace: StreamTrace, seconds: float) -> Iterator[str]:
    sizes = Counter({"signature": len(SIGNATURE)} if trace.signature else {})
    for unit in trace.units:
        sizes[unit.type_name.lower()] += unit.size
    video = sum(size for name, size in sizes.items() if name != "audio")
    yield f"bytes       {sum(sizes.values())}: " + ", ".join(f"{name} {size}" for name, size in sizes.items())
    yield f"bitrate     {video * 8 / seconds / 1000:.3f} kbit/s without audio"


if __name__ == "__main__":
    sys.exit(main())
