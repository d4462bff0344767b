"""Damages the conformance vectors in every small way, in a subprocess under a memory and a time limit.

``python tests/mutations.py`` tries a sample of each kind of damage on every vector, ``--all`` all of it (hours). Only
BitstreamError may come out; anything else is printed with the bytes that did it. Counts are printed as JSON, by kind of
damage and by what came out.
"""

from __future__ import annotations

import argparse
import binascii
import json
import random
import resource
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "spec" / "vectors"
MEMORY = 1 << 30  # bytes of address space
HEADER_BYTES = 64  # of a payload, that count as its header
LONG = 8192  # bytes from which on a vector is only sampled, even with --all
HEAVY = 1500  # motion integers likewise
SAMPLE = 500  # of each kind of damage to such a vector, if nothing else is asked for


def split(data: bytes) -> tuple[bytes, list[bytes]]:
    """The signature (or nothing) and the units of a stream, up to where its framing breaks; the rest as a last unit."""
    from bitstream import SIGNATURE, BitstreamError, UnitReader

    head = SIGNATURE if data.startswith(SIGNATURE) else b""
    reader, units, at = UnitReader(signature=False, keep_unknown=True), [], len(head)
    try:
        for unit in reader.feed(data[at:]):
            units.append(unit.to_bytes())
            at += len(units[-1])
    except BitstreamError:
        pass
    return head, units + ([data[at:]] if at < len(data) else [])


def flips(unit: bytes) -> Iterator[tuple[str, bytes]]:
    """Every bit of a unit's header and of the first bytes of its payload, with the old CRC and with a new one."""
    for bit in range(8 * min(len(unit), 6 + HEADER_BYTES)):
        damaged = bytearray(unit)
        damaged[bit // 8] ^= 128 >> bit % 8
        yield "flip", bytes(damaged)
        fresh = with_new_crc(bytes(damaged))
        if fresh is not None and fresh not in (unit, bytes(damaged)):
            yield "flip_new_crc", fresh


def with_new_crc(unit: bytes) -> bytes | None:
    """The unit with the CRC that its bytes ask for, or None if it has none."""
    if not unit or not unit[0] & 4:
        return None
    if unit[0] >> 3 & 15 == 2:
        return unit[:-2] + binascii.crc_hqx(unit[:-2], 0).to_bytes(2, "big")
    return unit[:-4] + zlib.crc32(unit[:-4]).to_bytes(4, "big")


def mutations(data: bytes, others: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """All damaged forms of a stream, with the kind of damage."""
    for size in range(len(data)):
        yield "truncate", data[:size]
    head, units = split(data)
    for k, unit in enumerate(units):
        before, after = head + b"".join(units[:k]), b"".join(units[k + 1 :])
        for kind, damaged in flips(unit):
            yield kind, before + damaged + after
        yield "drop", before + after
        yield "duplicate", before + unit + unit + after
        for other in range(k + 1, len(units)):
            order = [*units[:k], units[other], *units[k + 1 : other], unit, *units[other + 1 :]]
            yield "reorder", head + b"".join(order)
        for other in others:
            yield "splice", before + b"".join(split(other)[1][k:])
            yield "splice", before + unit[: len(unit) // 2] + other[len(other) // 2 :]
    for kind, damaged in flips(head) if head else ():
        yield kind, damaged + b"".join(units)


def outcome(data: bytes) -> str:
    """What the strict decoder says, ``ok`` or the name of a BitstreamError; the one for damaged files is run too."""
    from bitstream import BitstreamError, UnitReader, UnitType
    from bitstream.stream import StreamDecoder, read_damaged
    from bitstream.trace import error_class

    said = "ok"
    reader, decoder = UnitReader(keep_unknown=True), StreamDecoder()
    try:
        for unit in reader.feed(data):
            if isinstance(unit.type, UnitType):
                decoder.decode(unit)
        reader.feed(b"")
        reader.close()
    except BitstreamError as error:
        said = error_class(error)
    try:
        read_damaged(data)
    except BitstreamError as error:
        if error_class(error) in ("Corrupt", "Truncated"):
            raise AssertionError("reading a damaged file raised what it never may") from error
    return said


def heavy(data: bytes) -> bool:
    """Whether decoding the stream takes long: has it very many motion integers?"""
    from bitstream.trace import trace_stream

    return sum(len(frame.values) for unit in trace_stream(data).units for frame in unit.frames) > HEAVY


def sample(found: list[tuple[str, bytes]], count: int, seed: str) -> list[tuple[str, bytes]]:
    """At most ``count`` of each kind, the same ones every time."""
    chooser, kinds = random.Random(seed), {}
    for item in found:
        kinds.setdefault(item[0], []).append(item)
    return [item for items in kinds.values() for item in chooser.sample(items, min(count, len(items)))]


def work(names: list[str], count: int | None, sampled: int = SAMPLE) -> None:
    """In the subprocess: try everything, print one JSON line a vector.

    ``count``: of each kind of damage, None for all, but ``sampled`` where a vector is long or heavy.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    paths = sorted(FOLDER.glob("*/*.nvc"))
    for name in names:
        data = (FOLDER / f"{name}.nvc").read_bytes()
        chooser = random.Random(name)
        others = [path.read_bytes() for path in chooser.sample(paths, 3)]
        if len(data) < LONG:
            found = list(mutations(data, [other for other in others if len(other) < LONG]))
        else:
            found = [("truncate", data[:size]) for size in chooser.sample(range(len(data)), sampled)]
        most = sampled if count is None and heavy(data) else count
        chosen = found if most is None else sample(found, most, name)
        complete = len(chosen) == len(found) and len(data) < LONG
        counts, findings, start = Counter(), [], time.perf_counter()
        for kind, damaged in chosen:
            try:
                counts[f"{kind} {outcome(damaged)}"] += 1
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                findings.append(f"{kind}: {error!r}: {damaged.hex()}")
                if isinstance(error, KeyboardInterrupt):
                    raise
        seconds = round(time.perf_counter() - start, 3)
        result = {"name": name, "complete": complete, "counts": counts, "findings": findings, "seconds": seconds}
        print(json.dumps(result), flush=True)


def run(names: list[str], *, count: int | None, seconds: float, sampled: int = SAMPLE) -> list[dict]:
    """Results of a limited subprocess, one a vector. Raises CalledProcessError or TimeoutExpired if it does not end."""
    numbers = ["--count", "0" if count is None else str(count), "--sampled", str(sampled)]
    command = [sys.executable, __file__, "--work", *names, *numbers]
    environment = {"PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines()]


def summary(results: list[dict]) -> dict:
    """Counts over all vectors: how many got all damage and not a sample, tried by kind, what came out, findings."""
    kinds, outcomes = Counter(), Counter()
    for result in results:
        for name, number in result["counts"].items():
            kind, said = name.split(" ")
            kinds[kind] += number
            outcomes[said] += number
    findings = [f"{result['name']}: {finding}" for result in results for finding in result["findings"]]
    total = sum(kinds.values()) + len(findings)
    whole = sum(result["complete"] for result in results)
    found = {"vectors": len(results), "complete_vectors": whole, "mutations": total, "findings": findings}
    return {**found, "by_kind": kinds, "outcomes": outcomes}


def record(path: Path, name: str, found: dict) -> None:
    """Keep a result under its name in a JSON file that holds others too."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**kept, name: found}, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="everything, not a sample")
    parser.add_argument("--count", type=int, default=3, help="of each kind a vector (default 3)")
    parser.add_argument("--sampled", type=int, default=SAMPLE, help="of each kind for long vectors with --all (500)")
    parser.add_argument("--seconds", type=float, default=14400, help="for one vector with --all")
    parser.add_argument("--resume", type=Path, help="a file that keeps the result of every vector, for going on later")
    parser.add_argument("--record", type=Path, help="a JSON file in which to keep the counts, under mutations")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.count or None, options.sampled)
        return
    names = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.nvc"))
    lines = options.resume.read_text().splitlines() if options.resume and options.resume.exists() else []
    results = [json.loads(line) for line in lines]
    done = {result["name"] for result in results}
    for name in names:
        if name in done:
            continue
        count = None if options.all else options.count
        results += run([name], count=count, seconds=options.seconds, sampled=options.sampled)
        print(f"{len(results)}/{len(names)} {name} {results[-1]['seconds']} s", file=sys.stderr, flush=True)
        if options.resume:
            with options.resume.open("a") as file:
                file.write(json.dumps(results[-1]) + "\n")
    found = {"all": options.all, "seconds": round(sum(result["seconds"] for result in results)), **summary(results)}
    print(json.dumps(found, indent=1))
    if options.record:
        record(options.record, "mutations", found)


if __name__ == "__main__":
    main()
