"""Which branches of the reference parser the conformance vectors reach."""

from __future__ import annotations

import json
import runpy
import tempfile
from dataclasses import dataclass
from pathlib import Path

import coverage

SPEC = Path(__file__).resolve().parent.parent / "spec"


@dataclass(frozen=True)
class Covered:
    """Numbers of lines and branches reached, and those that are not: line numbers, and pairs of them."""

    lines: int
    branches: int
    missing_lines: list[int]
    missing_branches: list[list[int]]


def covered() -> Covered:
    """Run the reference decoder over all vectors; its command line is not counted."""
    path = SPEC / "reference.py"
    tracer = coverage.Coverage(branch=True, include=[str(path)], data_file=None)
    tracer.start()
    try:
        _decode_all(path)
    finally:
        tracer.stop()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        tracer.json_report(outfile=str(report))
        (found,) = json.loads(report.read_text())["files"].values()
    text = path.read_text().splitlines()
    command = next(k for k, line in enumerate(text, 1) if line.startswith("def main"))
    return Covered(
        len([line for line in found["executed_lines"] if line < command]),
        len([branch for branch in found["executed_branches"] if branch[0] < command]),
        [line for line in found["missing_lines"] if line < command],
        [branch for branch in found["missing_branches"] if branch[0] < command],
    )


def _decode_all(path: Path) -> None:
    module = runpy.run_path(str(path), run_name="covered")
    for vector in sorted((SPEC / "vectors").glob("*/*.nvc")):
        expected = json.loads(vector.with_suffix(".json").read_text())
        data, model_id = vector.read_bytes(), bytes.fromhex(expected["model_id"])
        module["trace_stream"](data, model_id, expected.get("max_pixels", 1 << 22))
        if expected["read"] == "damaged":
            module["decode_damaged"](data, model_id)
