"""The parts of spec/bitstream.md that are computed: ``python tests/spec_examples.py`` writes them anew.

Each stands between ``<!-- name -->`` and ``<!-- /name -->``; a test compares them with what is made here.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from pathlib import Path

from bitstream import (
    SIGNATURE,
    End,
    ExpressionTransform,
    KeyFrame,
    Level,
    Motion,
    MotionCrc,
    MotionEncoder,
    Sequence,
    UnitType,
    make_unit,
)
from bitstream.elements import Decision, Element
from bitstream.quantise import POSE_MULTIPLIERS
from bitstream.tables import SHA256, STEPS
from bitstream.trace import show, trace_stream

SPEC = Path(__file__).resolve().parent.parent / "spec"
TEXT = SPEC / "bitstream.md"

EXAMPLE_SEQUENCE = Sequence(
    level=Level.L1,
    side=64,
    source_width=640,
    source_height=360,
    crop_x=140,
    crop_side=360,
    frame_rate_numerator=25,
    model_id=bytes.fromhex("000102030405060708090a0b0c0d0e0f"),
    keypoint_count=1,
    expression_count=3,
    expression_transform=ExpressionTransform.KEYPOINTS,
    pose_quantiser=28,
    expression_quantiser=24,
    canonical_quantiser=24,
    motion_crc=MotionCrc.CRC16,
)
EXAMPLE_KEY = KeyFrame(
    presentation_index=0,
    coded_width=64,
    coded_height=64,
    canonical=(1, 0, -2),
    pose=(3, 0, 0, 0, 0, 0, -1),
    expression=(0, 0, 0),
    picture=bytes.fromhex("00000165"),
)
EXAMPLE_MOTION = [[4, -1, 0, 0, 0, 0, -1, 0, 2, 0]]


def example_stream() -> bytes:
    """The stream of the worked example. Its picture is no real one."""
    encoder = MotionEncoder(EXAMPLE_SEQUENCE)
    encoder.start(EXAMPLE_KEY)
    motion = Motion(frame_count=1, coded=encoder.encode(EXAMPLE_MOTION))
    payloads = (EXAMPLE_SEQUENCE, EXAMPLE_KEY, motion, End())
    return SIGNATURE + b"".join(make_unit(payload, EXAMPLE_SEQUENCE).to_bytes() for payload in payloads)


def _rows(data: bytes) -> list[str]:
    """One table row for every byte or run of bytes; elements of less than a byte share a row."""
    rows = [f"| 0 | {SIGNATURE.hex(' ')} | signature |"]
    for unit in trace_stream(data).units:
        at, names = 8 * unit.offset, []
        for element in unit.elements:
            if not isinstance(element, Element) or not element.bits:
                continue
            names.append(f"{element.name} = {show(element.value)}")
            start, at = at - at % 8 if at % 8 else at, at + element.bits
            if at % 8 == 0:
                first = start // 8
                rows.append(f"| {first} | {data[first : at // 8].hex(' ')} | {', '.join(names)} |")
                names = []
        for frame in unit.frames:
            rows.append(f"| | | *gives frame {frame.presentation_index}: {' '.join(map(str, frame.values))}* |")
    return rows


def _steps(data: bytes) -> list[str]:
    """The range decoder at work on the MOTION unit, symbol by symbol, in the integers of section 6.1."""
    unit = next(u for u in trace_stream(data).units if u.unit.type is UnitType.MOTION)
    payload, at = unit.unit.payload, 8
    point, low, span = int.from_bytes(payload[:8].ljust(8, b"\0"), "big"), 0, (1 << 64) - 1
    rows = ["start".ljust(16) + f"low {low:016x}  range {span:016x}  point {point:016x}"]
    for decision in (element for element in unit.elements if isinstance(element, Decision)):
        scale = span >> 24
        quantile = (point - low) % (1 << 64) // scale
        start, frequency = _interval(decision)
        low, span = (low + scale * start) % (1 << 64), scale * frequency
        if span < 1 << 32:
            low, span = (low << 32) % (1 << 64), span << 32
            word = int.from_bytes(payload[at : at + 4].ljust(4, b"\0"), "big")
            point, at = (point << 32) % (1 << 64) + word, at + 4
        what = f"{decision.kind} {decision.parameter} = {decision.value}"
        rows.append(f"{what:<16}q {quantile:06x}  low {low:016x}  range {span:016x}")
    return rows


def _interval(decision: Decision) -> tuple[int, int]:
    if decision.kind == "bit":
        one = int(decision.parameter) << 8
        return ((1 << 24) - one, one) if decision.value else (0, (1 << 24) - one)
    if decision.kind == "bypass":
        width = 24 - int(decision.parameter)
        return decision.value << width, 1 << width
    start, frequency = map(int, decision.parameter.split())
    return start, frequency


def example() -> str:
    """The worked example."""
    data = example_stream()
    table = "\n".join(["| byte | hexadecimal | element |", "|---|---|---|", *_rows(data)])
    steps = "\n".join(_steps(data))
    title = "The MOTION payload in the decoder, with q, low, range and point in hexadecimal:"
    return f"{len(data)} bytes:\n\n{table}\n\n{title}\n\n```\n{steps}\n```"


def rotation() -> str:
    """A worked rotation: one head, three points."""
    integers, names = (-3, 7, 4, 6, -3, 0, 2), ("pitch", "yaw", "roll", "tx", "ty", "tz", "log2_scale")
    values = [i * STEPS[28] * m * 2.0**-24 for i, m in zip(integers, POSE_MULTIPLIERS, strict=True)]
    matrix = euler_matrix(*values[:3])
    lines = ["*Example* with `pose_quantiser` 28, whose step is 2^-7:", "", "```"]
    lines += [f"{n:<11}{i:>4} -> {v:+.7f}" for n, i, v in zip(names, integers, values, strict=True)]
    lines += ["", *("R = " * (r == 0) + "    " * (r > 0) + _row(matrix[r]) for r in range(3)), ""]
    scale = 2.0 ** values[6]
    for point in ((0.0, 0.0, -0.5), (0.3, -0.2, -0.1)):
        moved = [scale * sum(matrix[r][c] * point[c] for c in range(3)) + values[3 + r] for r in range(3)]
        lines.append(f"{_row(point)}  ->  {_row(moved)}")
    return "\n".join([*lines, "```"])


def euler_matrix(pitch: float, yaw: float, roll: float) -> list[list[float]]:
    """R_z(roll) R_y(yaw) R_x(pitch), multiplied out of its three factors."""
    c, s = math.cos, math.sin
    x = [[1, 0, 0], [0, c(pitch), -s(pitch)], [0, s(pitch), c(pitch)]]
    y = [[c(yaw), 0, s(yaw)], [0, 1, 0], [-s(yaw), 0, c(yaw)]]
    z = [[c(roll), -s(roll), 0], [s(roll), c(roll), 0], [0, 0, 1]]
    return _product(z, _product(y, x))


def _product(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    return [[sum(a[r][k] * b[k][c] for k in range(3)) for c in range(3)] for r in range(3)]


def _row(values: list[float] | tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{v:+.5f}" for v in values) + ")"


def steps() -> str:
    """Multiplier and unit of every integer."""
    names = ("pitch", "yaw", "roll", "tx", "ty", "tz", "log2_scale")
    units = ["radians"] * 3 + ["half-sides"] * 3 + ["octaves: s = 2^value"]
    rows = ["| integers | q | m | unit |", "|---|---|---|---|"]
    for name, multiplier, unit in zip(names, POSE_MULTIPLIERS, units, strict=True):
        rows.append(f"| {name} | `pose_quantiser` | {multiplier} | {unit} |")
    rows.append("| expression, transform 0 | `expression_quantiser` | 1 | half-sides |")
    rms = "1 moves the keypoints by 1 half-side, root mean square"
    rows.append(f"| expression, transform 1 | `expression_quantiser` | 1 | {rms} |")
    rows.append("| canonical | `canonical_quantiser` | 1 | half-sides, added to the model's mean keypoints |")
    return "\n".join(rows)


def colour() -> str:
    """The constants of the conversion to R, G and B."""
    from nvc.colour import ColourSpec, Matrix, _inverse_factors

    rows = [
        "| `matrix_coefficients` | `full_range` | offset | gain | a | b | c | d |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for points, matrix in (("1", Matrix.BT709), ("4, 5, 6", Matrix.BT601), ("9, 10", Matrix.BT2020)):
        for full in (False, True):
            gain, a, b, c, d = _inverse_factors(ColourSpec(matrix, full))
            rows.append(f"| {points} | {int(full)} | {0 if full else 16} | {gain} | {a} | {b} | {c} | {d} |")
    return "\n".join(rows)


def tables() -> str:
    """The table files and their hashes."""
    rows = ["| file | SHA-256 |", "|---|---|"]
    for name in sorted(SHA256):
        digest = hashlib.sha256((SPEC / "tables" / f"{name}.json").read_bytes()).hexdigest()
        rows.append(f"| `tables/{name}.json` | `{digest}` |")
    return "\n".join(rows)


PARTS = {"steps": steps, "rotation": rotation, "colour": colour, "tables": tables, "example": example}


def with_parts(text: str) -> str:
    """The specification with its computed parts made anew."""
    for name, make in PARTS.items():
        block = f"<!-- {name} -->\n{make()}\n<!-- /{name} -->"
        text, found = re.subn(rf"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _, b=block: b, text, flags=re.S)
        if found != 1:
            raise ValueError(f"the specification has {found} places for {name}, not one")
    return text


if __name__ == "__main__":
    TEXT.write_text(with_parts(TEXT.read_text()))
    print(f"{TEXT}: {', '.join(PARTS)}", file=sys.stderr)
