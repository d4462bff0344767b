"""Fuzzes one target with atheris: ``python tests/fuzz/fuzz_target.py TARGET [--seconds 600] [libFuzzer options]``.

Starts from the conformance vectors and the kept corpus (tests/fuzz/corpus/TARGET.hex, one input a line in
hexadecimal), and afterwards keeps the smallest inputs that reached something new, at most 100 and 16 KiB.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LONGEST = 4096  # bytes of an input
KEPT, KEPT_BYTES = 100, 1 << 14
MEMORY = 2048  # MiB
SECONDS = 10  # of processor time, for one input: on a busy machine time on the clock says nothing


def seeds(name: str) -> list[bytes]:
    """Inputs to begin with: the vectors for streams, what is in their units for payloads."""
    from bitstream import SIGNATURE, BitstreamError, UnitReader, UnitType

    found = []
    for path in sorted((ROOT / "spec" / "vectors").glob("*/*.nvc")):
        data = path.read_bytes()
        if len(data) > LONGEST:
            continue
        if name in ("stream", "damaged", "agreement"):
            found.append(data)
        elif name == "units":
            found.append(bytes([len(data) % 256]) + data)
        try:
            parsed = UnitReader(signature=data[:1] == SIGNATURE[:1]).feed(data)
        except BitstreamError:
            continue
        kinds = sorted(UnitType)
        if name == "payloads":
            found += [bytes([kinds.index(unit.type)]) + unit.payload for unit in parsed]
        elif name == "sequence":
            found += [unit.payload for unit in parsed if unit.type is UnitType.SEQUENCE]
        elif name == "motion":
            runs = [unit.payload for unit in parsed if unit.type is UnitType.MOTION and len(unit.payload) < 256]
            found.append(b"".join(bytes([len(run)]) + run for run in runs))
    return [data for data in dict.fromkeys(found) if len(data) <= LONGEST]


def corpus_file(name: str) -> Path:
    """Where the kept inputs of a target are."""
    return HERE / "corpus" / f"{name}.hex"


def corpus(name: str) -> list[bytes]:
    """The kept inputs of a target."""
    path = corpus_file(name)
    return [bytes.fromhex(line) for line in path.read_text().split("\n") if line] if path.exists() else []


def smallest(inputs: set[bytes]) -> list[bytes]:
    """Those that are worth keeping in a repository."""
    kept: list[bytes] = []
    for data in sorted(inputs, key=lambda data: (len(data), data)):
        if len(kept) < KEPT and sum(map(len, kept)) + len(data) <= KEPT_BYTES:
            kept.append(data)
    return kept


def bounded(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The target, which fails if it takes too long."""

    def timed(data: bytes) -> None:
        start = time.process_time()
        target(data)
        spent = time.process_time() - start
        if spent > SECONDS:
            raise AssertionError(f"{spent:.1f} s for {len(data)} bytes")

    return timed


def fuzz(name: str, arguments: list[str]) -> None:
    """In the subprocess: instrument and run; does not return."""
    import atheris

    sys.path[:0] = [str(ROOT), str(HERE)]
    with atheris.instrument_imports(include=["bitstream"]):
        from targets import TARGETS

    atheris.Setup([sys.argv[0], *arguments], bounded(TARGETS[name]))
    atheris.Fuzz()


def call(name: str, arguments: list[str]) -> str:
    """What libFuzzer prints."""
    command = [sys.executable, __file__, name, "--inside", *arguments]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
    return done.stderr


def main() -> None:
    """The command: prints one line of JSON with executions, coverage and findings."""
    if "--inside" in sys.argv:
        fuzz(sys.argv[1], sys.argv[sys.argv.index("--inside") + 1 :])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--record", type=Path, help="a JSON file in which to keep the result, under fuzzing TARGET")
    options, more = parser.parse_known_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        inputs, found = Path(folder) / "inputs", Path(folder) / "found"
        for path in (inputs, found):
            path.mkdir()
        for number, data in enumerate([*seeds(options.target), *corpus(options.target)]):
            (inputs / f"{number:05}").write_bytes(data)
        limits = [f"-max_len={LONGEST}", f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={found}/"]
        limits += ["-timeout=600", "-report_slow_units=600"]  # seconds on the clock: for what never ends
        said = call(
            options.target, [*limits, f"-max_total_time={options.seconds}", "-print_final_stats=1", *more, str(inputs)]
        )
        executed = re.search(r"stat::number_of_executed_units:\s+(\d+)", said)
        reached = re.findall(r"cov: (\d+) ft: (\d+)", said)
        fresh = {path.read_bytes() for path in inputs.iterdir()} - set(seeds(options.target))
        kept = smallest(fresh)
        findings = {path.name: path.read_bytes().hex() for path in found.iterdir()}
    corpus_file(options.target).parent.mkdir(exist_ok=True)
    corpus_file(options.target).write_text("".join(f"{data.hex()}\n" for data in kept if data))
    result = {"target": options.target, "seconds": options.seconds, "executions": int(executed[1]) if executed else 0}
    result |= {"edges": int(reached[-1][0]) if reached else 0, "kept": len(kept), "findings": findings}
    print(json.dumps(result))
    if options.record:
        sys.path.insert(0, str(HERE.parent))
        from mutations import record

        record(options.record, f"fuzzing {options.target}", result)
    if findings or not executed:
        print(said[-4000:], file=sys.stderr)


if __name__ == "__main__":
    main()
