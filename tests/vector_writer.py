"""What the conformance vectors are written with: good units from their classes, bad ones element by element."""

from __future__ import annotations

import binascii
import zlib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bitstream import (
    SIGNATURE,
    End,
    KeyFrame,
    Level,
    Motion,
    MotionEncoder,
    Sequence,
    UnitType,
    make_unit,
)
from bitstream.bytefields import FieldWriter, leb128
from bitstream.rangecoder import RangeEncoder
from bitstream.registry import known_models

FOLDER = Path(__file__).resolve().parent.parent / "spec" / "vectors"
TINY = bytes.fromhex(next(model_id for model_id, name in known_models().items() if name == "tiny-64"))
K, N = 8, 8  # of tiny-64

SEQUENCE = Sequence(
    level=Level.L1,
    side=64,
    source_width=64,
    source_height=64,
    crop_side=64,
    frame_rate_numerator=25,
    model_id=TINY,
    keypoint_count=K,
    expression_count=N,
    pose_quantiser=28,
    expression_quantiser=28,
    canonical_quantiser=24,
)
RESILIENT = replace(SEQUENCE, error_resilient=True)


@dataclass(frozen=True)
class Vector:
    """One conformance vector: its bytes and how they are to be read; the expectation is computed, not written here."""

    name: str  # folder/NNN-what
    what: str  # one sentence
    data: bytes
    condition: str = ""  # row of the table of errors, for faulty ones
    damaged: bool = False  # read by the procedure for damaged files
    model_id: bytes | None = None  # the model at hand, None: any
    max_pixels: int | None = None  # limit of the decoder, None: that of the format
    frames: int = 0  # reference frames of Part B that belong to it, from the first one on
    tags: tuple[str, ...] = field(default=())


@lru_cache
def picture(name: str = "key-64") -> bytes:
    """A coded picture of spec/vectors/pictures."""
    return (FOLDER / "pictures" / f"{name}.h264").read_bytes()


def wave(frames: int, values: int = 7 + N, size: int = 30, start: int = 0) -> np.ndarray:
    """Smooth motion in integers only: triangular waves of different lengths, int32 [frames, values]."""
    time = np.arange(start, start + frames, dtype=np.int64)[:, None]
    period = 20 + 7 * (np.arange(values, dtype=np.int64) % 11)
    phase = (time + 3 * np.arange(values)) % period
    height = np.minimum(phase, period - phase) - period // 4
    return (height * size * 4 // period // (1 + np.arange(values) // 4)).astype(np.int32)


def noise(frames: int, values: int = 7 + N, size: int = 1000, seed: int = 1) -> np.ndarray:
    """Rough motion from a linear congruential generator, int32 [frames, values] from -size to size."""
    out, state = [], seed
    for _ in range(frames * values):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        out.append((state >> 33) % (2 * size + 1) - size)
    return np.array(out, dtype=np.int32).reshape(frames, values)


def key(
    index: int = 0, *, sequence: Sequence = SEQUENCE, slot: int = 0, values: np.ndarray | None = None, **changes: Any
) -> KeyFrame:
    """A key frame that fits the sequence."""
    row = (wave(1, sequence.frame_values) if values is None else values).ravel().tolist()
    canonical = noise(1, 3 * sequence.keypoint_count, 12, seed=5).ravel().tolist()
    fields = {
        "presentation_index": index,
        "source_slot": slot,
        "coded_width": 64,
        "coded_height": 64,
        "canonical": tuple(canonical),
        "pose": tuple(row[:7]),
        "expression": tuple(row[7:]),
        "picture": picture(),
    }
    return KeyFrame(**{**fields, **changes})


class Stream:
    """Collects the units of one stream; motion is encoded as a real encoder would."""

    def __init__(self, sequence: Sequence = SEQUENCE, *, signature: bool = True) -> None:
        self.sequence = sequence
        self.units: list[bytes] = []
        self._signature = SIGNATURE if signature else b""
        self._encoder = MotionEncoder(sequence)
        self.add(sequence)

    def add(self, *payloads: Any) -> Stream:
        """Append units with these fields; key frames also start the motion encoder."""
        for payload in payloads:
            if isinstance(payload, Sequence) and payload != self.sequence:
                self.sequence, self._encoder = payload, MotionEncoder(payload)
            if isinstance(payload, KeyFrame):
                self._encoder.start(payload)
            self.units.append(make_unit(payload, self.sequence).to_bytes())
        return self

    def motion(self, frames: np.ndarray, counts: Any = None, sources: Any = None) -> Stream:
        """Append one MOTION unit."""
        coded = self._encoder.encode(frames, counts, sources=sources)
        return self.add(Motion(frame_count=len(frames), coded=coded))

    def raw(self, *units: bytes) -> Stream:
        """Append bytes as they are."""
        self.units += units
        return self

    def damage(self, k: int) -> Stream:
        """Change a byte in the middle of unit k."""
        unit = bytearray(self.units[k])
        unit[len(unit) // 2] ^= 0x10
        self.units[k] = bytes(unit)
        return self

    @property
    def offset(self) -> int:
        """Where the next unit begins."""
        return len(self._signature) + sum(map(len, self.units))

    def end(self) -> bytes:
        """All bytes, with END."""
        return self.add(End()).cut()

    def cut(self) -> bytes:
        """All bytes so far."""
        return self._signature + b"".join(self.units)


def unit(
    kind: int,
    payload: bytes,
    *,
    crc_flag: int | None = None,
    size: bytes | None = None,
    header: int = 0,
    crc: bytes | None = None,
) -> bytes:
    """Any unit at all; ``header`` is or-ed into the first byte, ``size`` replaces unit_size."""
    flag = int(kind != UnitType.END) if crc_flag is None else crc_flag
    body = bytes([kind << 3 | flag << 2 | header]) + (leb128(len(payload)) if size is None else size) + payload
    if not flag:
        return body
    right = (
        binascii.crc_hqx(body, 0).to_bytes(2, "big") if kind == UnitType.MOTION else zlib.crc32(body).to_bytes(4, "big")
    )
    return body + (right if crc is None else crc)


_SEQUENCE_ELEMENTS = (
    [("version", 8), ("micro_version", 8), ("profile", 4), ("level", 4)]
    + [(name, "leb128") for name in ("side", "source_width", "source_height")]
    + [("crop_x", "signed"), ("crop_y", "signed")]
    + [(name, "leb128") for name in ("crop_side", "frame_rate_numerator", "frame_rate_denominator")]
    + [(name, 8) for name in ("colour_primaries", "transfer_characteristics", "matrix_coefficients")]
    + [("picture_codec", 4), ("expression_transform", 4), ("model_id", "raw")]
    + [("keypoint_count", "leb128"), ("expression_count", "leb128")]
    + [(name, 8) for name in ("pose_quantiser", "expression_quantiser", "canonical_quantiser", "motion_group")]
    + [("full_range", 1), ("error_resilient", 1), ("synthetic", 1), ("motion_crc", 2), ("flags_zero", 3)]
    + [("extension", "raw")]
)


def sequence_payload(sequence: Sequence = SEQUENCE, **overrides: Any) -> bytes:
    """The payload of a SEQUENCE with some elements replaced by anything that their descriptor can hold, or by bytes."""
    out, bits, pending = FieldWriter(), 0, 0
    for name, kind in _SEQUENCE_ELEMENTS:
        value = overrides.get(name, 0 if name == "flags_zero" else getattr(sequence, name))
        if isinstance(kind, int):
            pending, bits = pending << kind | int(value), bits + kind
            if bits == 8:
                out.u8(pending)
                bits = pending = 0
        elif isinstance(value, bytes):
            out.raw(value)
        elif kind == "leb128":
            out.leb128(value)
        else:
            out.signed(value)
    return bytes(out)


def fields(*values: Any) -> bytes:
    """A payload of numbers (leb128) and bytes as they are."""
    return b"".join(value if isinstance(value, bytes) else leb128(value) for value in values)


def run(*symbols: tuple[str, int, int]) -> bytes:
    """A range coder run of (kind, parameter, symbol)."""
    coder = RangeEncoder()
    for kind, parameter, symbol in symbols:
        getattr(coder, kind)(parameter, symbol)
    return coder.finish()


def good() -> Stream:
    """SEQUENCE and KEYFRAME, for something bad to follow."""
    return Stream().add(key())
