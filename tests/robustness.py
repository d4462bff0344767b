"""What was tried to break the parsers: ``python tests/robustness.py -o benchmarks/results/robustness.json``.

Damages every conformance vector (tests/mutations.py, in subprocesses under a memory and a time limit), fuzzes every
target for ten minutes (tests/fuzz/fuzz_target.py), one after the other, and measures which branches of the reference
parser the vectors reach. Takes hours; a run that is stopped goes on where it was: parts that are in the file already
are not done again, unless they are named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mutations import record

HERE = Path(__file__).resolve().parent
SOURCES = ("stream", "agreement", "motion", "payloads", "damaged", "units", "sequence")
PARTS = ("coverage", *(f"fuzzing {target}" for target in SOURCES), "mutations")


def measure_coverage() -> dict[str, Any]:
    """Lines and branches of the reference parser, and those that no vector reaches."""
    from reference_coverage import covered

    found = covered()
    return {
        "lines": found.lines,
        "branches": found.branches,
        "missing_lines": found.missing_lines,
        "missing_branches": found.missing_branches,
    }


def run_part(part: str, output: Path, options: argparse.Namespace) -> None:
    """Do one part; its figures go into the file."""
    if part == "coverage":
        record(output, part, measure_coverage())
        return
    if part == "mutations":
        command = [str(HERE / "mutations.py"), "--all", "--resume", str(options.resume)]
    else:
        command = [str(HERE / "fuzz" / "fuzz_target.py"), part.split()[1], "--seconds", str(options.seconds)]
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *command, "--record", str(output)], check=True, env=environment)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=600, help="of fuzzing, each target (default 600)")
    parser.add_argument(
        "--resume", type=Path, default=Path("mutations.jsonl"), help="keeps mutations, vector by vector"
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these, of: {', '.join(PARTS)}")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    for part in options.parts or [part for part in PARTS if part not in known]:
        run_part(part, options.output, options)


if __name__ == "__main__":
    main()
