"""nvc as one of the codecs under test: through files, every byte of the file counted."""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nvc
from benchmarks.anchors import Coded
from benchmarks.clips import Clip, read_clip, write_lossless
from bitstream import SIGNATURE, UnitReader, UnitType
from nvc.models import zoo

_POINT = re.compile(
    r"((?P<default>default)|q(?P<quality>[0-9])|(?P<rate>[0-9]+(\.[0-9]+)?)k?)(-(?P<preset>fast|medium|slow))?"
)


@dataclass(frozen=True)
class NvcPoint:
    """What is asked of nvc: a bitrate in kbit/s, a quality 0..9, or neither (its defaults); perhaps a preset."""

    bitrate: float | None = None
    quality: int | None = None
    preset: str | None = None

    @classmethod
    def parse(cls, text: str) -> NvcPoint:
        """``3`` or ``3k`` (kbit/s), ``q5`` (quality 5) or ``default``, then perhaps a preset: ``q5-slow``.

        Raises `ValueError` for anything else.
        """
        match = _POINT.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no operating point; it must be like 3 (kbit/s), q5 or default")
        if match["default"]:
            return cls(preset=match["preset"])
        if match["quality"]:
            return cls(quality=int(match["quality"]), preset=match["preset"])
        return cls(bitrate=float(match["rate"]), preset=match["preset"])

    def __str__(self) -> str:
        rate = "default" if self.quality is None else f"q{self.quality}"
        if self.bitrate is not None:
            rate = f"{self.bitrate:g}k"
        return rate if self.preset is None else f"{rate}-{self.preset}"

    @property
    def bits_per_second(self) -> float | None:
        """The bitrate as `nvc.encode_file` takes it."""
        return None if self.bitrate is None else self.bitrate * 1000

    def options(self) -> dict[str, Any]:
        """What is asked for, by the names of `nvc.encode_file`."""
        asked = {"bitrate": self.bits_per_second, "quality": self.quality, "preset": self.preset}
        return {name: value for name, value in asked.items() if value is not None}


def code(clip: Clip, point: NvcPoint, *, model: str | None = None, keep: Path | None = None) -> Coded:
    """Encode and decode a square clip; `keep` is where the coded file should stay, `model` a name or weights file.

    Raises `RuntimeError` when frames go missing on the way.
    """
    with tempfile.TemporaryDirectory() as name:
        source, coded, result = (Path(name) / file for file in ("source.mkv", "coded.nvc", "decoded.mkv"))
        write_lossless(clip, source)
        start = time.perf_counter()
        nvc.encode_file(source, coded, crop="none", model=model or zoo.DEFAULT_MODEL, **point.options())
        encoded = time.perf_counter()
        nvc.decode_file(coded, result, model=model)
        finished = time.perf_counter()
        data = coded.read_bytes()
        decoded = read_clip(result)
        if keep is not None:
            keep.write_bytes(data)
    if decoded.frames.shape != clip.frames.shape:
        raise RuntimeError(f"nvc {point}: {clip.frames.shape} in, {decoded.frames.shape} out")
    clip = replace(clip, frames=decoded.frames)
    return Coded(clip, len(data), bytes_by_unit(data), encoded - start, finished - encoded)


def bytes_by_unit(data: bytes) -> dict[str, int]:
    """Bytes of each type of unit in a file, headers and checksums included; the sum is the size of the file."""
    sizes = {"signature": len(SIGNATURE)}
    reader = UnitReader()
    for unit in reader.feed(data):
        name = UnitType(unit.type).name.lower()
        sizes[name] = sizes.get(name, 0) + len(unit.to_bytes())
    reader.close()
    return sizes
