"""What is fuzzed: every way into the parsers, as functions of bytes. Nothing but BitstreamError may come out.

Each raises only for a defect; a BitstreamError is an ordinary answer and is kept inside.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bitstream import (
    BitstreamError,
    ExpressionTransform,
    KeyFrame,
    Level,
    Motion,
    MotionDecoder,
    MotionEncoder,
    Sequence,
    Unit,
    UnitReader,
    UnitType,
    find_resync,
    parse_payload,
)
from bitstream.stream import read_damaged
from bitstream.trace import to_json, trace_lines, trace_stream, unit_table

SPEC = Path(__file__).resolve().parents[2] / "spec"
sys.path.append(str(SPEC))
import reference  # noqa: E402

SEQUENCE = Sequence(
    level=Level.L1,
    side=64,
    source_width=64,
    source_height=64,
    crop_side=64,
    frame_rate_numerator=25,
    model_id=bytes(16),
    keypoint_count=2,
    expression_count=6,
    expression_transform=ExpressionTransform.KEYPOINTS,
    pose_quantiser=28,
    expression_quantiser=28,
    canonical_quantiser=24,
    motion_group=2,
)
KEY = KeyFrame(
    presentation_index=0,
    coded_width=64,
    coded_height=64,
    canonical=(0,) * 6,
    pose=(0, 1, -2, 3, 0, 0, 0),
    expression=(0,) * 6,
    picture=b"picture",
)


def units(data: bytes) -> None:
    """Framing: however the stream is cut up, its units are the same, and are written again to the same bytes."""
    cut = data[0] + 1 if data else 1
    whole = _read(data[1:], len(data))
    assert whole == _read(data[1:], cut)
    find_resync(data)


def _read(data: bytes, portion: int) -> tuple[list[Unit], str | None]:
    reader, found = UnitReader(keep_unknown=True), []
    try:
        for at in range(0, len(data), max(1, portion)):
            found += reader.feed(data[at : at + portion])
        reader.feed(b"")
        reader.close()
    except BitstreamError as error:
        return found, type(error).__name__
    head = data[:8] if data[:1] == b"\x89" else b""
    assert head + b"".join(unit.to_bytes() for unit in found) == data
    return found, None


def payloads(data: bytes) -> None:
    """Payloads: the first byte chooses the type; what parses is written again to the same bytes."""
    kind = sorted(UnitType)[data[0] % len(UnitType)] if data else UnitType.END
    with suppress(BitstreamError):
        fields = parse_payload(Unit(kind, data[1:]), SEQUENCE)
        assert fields.to_payload() == data[1:]


def sequence(data: bytes) -> None:
    """SEQUENCE, and with what it says a key frame and motion."""
    with suppress(BitstreamError):
        found = Sequence.from_payload(data)
        assert found.to_payload() == data
        if found.frame_values > 64 or found.keypoint_count > 32:
            return
        key = KeyFrame(
            presentation_index=0,
            coded_width=16,
            coded_height=16,
            canonical=(1,) * (3 * found.keypoint_count),
            pose=(0,) * 7,
            expression=(2,) * found.expression_count,
            picture=b"p",
        )
        assert KeyFrame.from_payload(key.to_payload(), found) == key


def motion(data: bytes) -> None:
    """MOTION payloads one after another (each a length byte and bytes): what decodes is encoded to the same bytes."""
    encoder, decoder = MotionEncoder(SEQUENCE), MotionDecoder(SEQUENCE)
    encoder.start(KEY)
    decoder.start(KEY)
    at = 0
    while at < len(data):
        payload = data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
        with suppress(BitstreamError):
            Motion.from_payload(payload, SEQUENCE)
            frames = decoder.decode(payload)
            assert encoder.encode(frames, decoder.counts, sources=decoder.sources) == payload


def stream(data: bytes) -> None:
    """Whole streams, through everything that nvc-info and nvc-verify do."""
    trace = trace_stream(data)
    for _ in (*trace_lines(trace), *unit_table(trace)):
        pass
    to_json(trace)


def damaged(data: bytes) -> None:
    """Files read on after damage: indices rise, and neither Corrupt nor Truncated comes out."""
    try:
        frames = read_damaged(data)
    except BitstreamError as error:
        assert type(error).__name__ in ("Unsupported", "LimitExceeded", "ModelMismatch")
        return
    indices = [frame.presentation_index for frame in frames]
    assert indices == sorted(set(indices))


def agreement(data: bytes) -> None:
    """The codec and the reference decoder print one trace."""
    assert list(trace_lines(trace_stream(data))) == reference.trace_stream(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (units, payloads, sequence, motion, stream, damaged, agreement)
}
