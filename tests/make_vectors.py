"""Makes everything under spec/vectors: ``python tests/make_vectors.py``. The same bytes every time, on every machine.

``--pictures`` first codes the pictures again, which takes libx264 and may give other bytes with another version of it;
``--frames`` first draws the reference frames again (float32, one thread), which takes torch.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from vector_faults import faulty
from vector_streams import decodable
from vector_writer import FOLDER, Vector

from bitstream import Limits
from bitstream.stream import Frame, read_damaged
from bitstream.trace import error_class, trace_lines, trace_stream

_LONGEST_TRACE = 1000  # lines; of longer ones only the number and the hash are kept
TOLERANCE = {"psnr": 35, "difference": 64}  # of tiny-64, whose random weights make much of small differences


def all_vectors() -> list[Vector]:
    """Every vector, in the order of the manifest."""
    return [*decodable(), *faulty()]


def _frames(frames: list[Frame]) -> list[list[Any]]:
    return [[f.presentation_index, f.kind.name, list(f.sources), list(f.values)] for f in frames]


def _trace(lines: list[str]) -> dict[str, Any]:
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    found: dict[str, Any] = {"trace_lines": len(lines), "trace_sha256": digest}
    return {**found, "trace": lines} if len(lines) <= _LONGEST_TRACE else found


def expectation(vector: Vector) -> dict[str, Any]:
    """What a decoder must make of a vector: its JSON file."""
    found: dict[str, Any] = {"what": vector.what, "size": len(vector.data)}
    found["sha256"] = hashlib.sha256(vector.data).hexdigest()
    if vector.condition:
        found["condition"] = vector.condition
    if vector.model_id is not None:
        found["model_id"] = vector.model_id.hex()
    if vector.max_pixels is not None:
        found["max_pixels"] = vector.max_pixels
    if vector.frames:
        found["reference_frames"] = {"count": vector.frames, **TOLERANCE}
    if vector.damaged:
        return {**found, "read": "damaged", "result": "ok", **damaged_result(vector)}
    limits = Limits() if vector.max_pixels is None else Limits(max_pixels=vector.max_pixels)
    trace = trace_stream(vector.data, model_id=vector.model_id, limits=limits)
    found["read"] = "strict"
    found["result"] = "ok" if trace.error is None else error_class(trace.error)
    found["units"] = len(trace.units)
    found["frames"] = _frames([frame for unit in trace.units for frame in unit.frames])
    return {**found, **_trace(list(trace_lines(trace)))}


def damaged_result(vector: Vector) -> dict[str, Any]:
    """Frames that the procedure for damaged files gives."""
    return {"frames": _frames(read_damaged(vector.data, model_id=vector.model_id))}


def as_text(value: Any) -> str:
    """JSON with one line an item of the outer lists, so that differences can be read."""
    parts = []
    for name, item in value.items():
        if isinstance(item, list) and item:
            rows = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in item)
            parts.append(f' "{name}": [\n{rows}]')
        else:
            parts.append(f' "{name}": {json.dumps(item, ensure_ascii=False)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def files() -> Iterator[tuple[str, bytes]]:
    """Path below spec/vectors and content of every file that depends on the bitstream only."""
    manifest = {}
    for vector in all_vectors():
        expected = expectation(vector)
        yield f"{vector.name}.nvc", vector.data
        yield f"{vector.name}.json", as_text(expected).encode()
        short = {name: expected[name] for name in ("what", "size", "sha256", "result", "condition") if name in expected}
        manifest[vector.name] = short
    text = ",\n".join(f' "{name}": {json.dumps(entry, ensure_ascii=False)}' for name, entry in manifest.items())
    yield "manifest.json", ("{\n" + text + "\n}\n").encode()


def make_pictures() -> None:
    """Code the key pictures and the pictures of a short conventional stream; note what they decode to."""
    from vector_pictures import coded_pictures, picture_facts

    for name, data in coded_pictures().items():
        (FOLDER / "pictures" / f"{name}.h264").write_bytes(data)
    (FOLDER / "pictures" / "pictures.json").write_text(as_text(picture_facts()))


def make_frames() -> None:
    """Draw the reference frames of Part B with tiny-64."""
    from vector_pictures import draw_frames

    vector = next(v for v in decodable() if v.frames)
    pixels = draw_frames(vector.data, vector.frames)
    path = FOLDER / f"{vector.name}.rgb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pixels.tobytes())


def main(arguments: list[str] | None = None) -> None:
    """Write all files and remove vectors that are not made any more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--frames", action="store_true")
    options = parser.parse_args(arguments)
    (FOLDER / "pictures").mkdir(parents=True, exist_ok=True)
    if options.pictures:
        make_pictures()
    made = dict(files())
    for folder in ("valid", "limits", "extension", "faulty", "loss"):
        (FOLDER / folder).mkdir(exist_ok=True)
        for path in sorted(FOLDER.glob(f"{folder}/*")):
            if str(path.relative_to(FOLDER)) not in made and path.suffix != ".rgb":
                path.unlink()
    for name, data in made.items():
        (FOLDER / name).write_bytes(data)
    if options.frames:
        make_frames()
    print(
        f"{sum(name.endswith('.nvc') for name in made)} vectors, {sum(map(len, made.values()))} bytes", file=sys.stderr
    )


if __name__ == "__main__":
    main()
