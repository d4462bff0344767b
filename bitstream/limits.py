"""Ceilings that hold before anything is allocated, and the levels of the format.

Two kinds: the constants are part of the format (a stream beyond them is not a stream), :class:`Limits` is what one
decoder is willing to take, at most the constants. Levels bound what an encoder may ask of a decoder.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

from bitstream.errors import InvalidField

MAX_UNIT_BYTES = (1 << 24) - 1  # payload of a SEQUENCE, KEYFRAME, PICTURE or ancillary unit
MAX_MOTION_BYTES = 4095  # payload of a MOTION unit
MAX_PIXELS = 1 << 22  # coded side squared
MAX_SIDE = 2048
MAX_MOTION_FRAMES = 64  # frames in one MOTION unit
MAX_PICTURES = 64  # coded pictures in one PICTURE unit
MAX_SYMBOLS_PER_FRAME = 4096  # pose and expression integers of one motion frame
MAX_EXTENSION_BYTES = 1024  # at the end of SEQUENCE
MAX_KEYPOINTS = 512
MAX_PRESENTATION_INDEX = (1 << 28) - 1
SOURCE_SLOTS = 4  # key pictures held at once
MAX_SOURCES_ONLY = SOURCE_SLOTS  # key frames that are sources only, between two output frames
POSE_COUNT = 7  # pitch, yaw, roll, tx, ty, tz, log2 scale
MIN_VALUE, MAX_VALUE = -32768, 32767  # every coded motion and keypoint integer


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a reader is willing to hold. All in bytes of payload, or counts. Defaults are the ceilings of the format."""

    max_unit_bytes: int = MAX_UNIT_BYTES
    max_motion_bytes: int = MAX_MOTION_BYTES
    max_ancillary_bytes: int = 1 << 22
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        ceilings = {"max_motion_bytes": MAX_MOTION_BYTES, "max_pixels": MAX_PIXELS}
        for field in fields(self):
            value, ceiling = getattr(self, field.name), ceilings.get(field.name, MAX_UNIT_BYTES)
            if not 1 <= value <= ceiling:
                raise InvalidField(f"Limits.{field.name} = {value}, allowed 1 to {ceiling}")


class Level(IntEnum):
    """How large and how fast a stream may be; see :data:`LEVEL_TABLE`."""

    L1 = 1
    L2 = 2
    L3 = 3
    L4 = 4
    L5 = 5


@dataclass(frozen=True)
class LevelLimits:
    """Bounds of one level: coded side in pixels, frames a second, bytes of a key frame or picture unit's payload."""

    max_side: int
    max_frame_rate: int
    max_picture_bytes: int


LEVEL_TABLE = {
    Level.L1: LevelLimits(128, 30, 1 << 16),
    Level.L2: LevelLimits(256, 60, 1 << 18),
    Level.L3: LevelLimits(512, 60, 1 << 20),
    Level.L4: LevelLimits(1024, 120, 1 << 22),
    Level.L5: LevelLimits(MAX_SIDE, 240, MAX_UNIT_BYTES),
}


def smallest_level(side: int, frame_rate: float) -> Level:
    """The lowest level that allows this coded side (pixels) and frame rate (1/s). Raises InvalidField if none does."""
    for level, bounds in LEVEL_TABLE.items():
        if side <= bounds.max_side and frame_rate <= bounds.max_frame_rate:
            return level
    raise InvalidField(f"side {side} at {frame_rate} frames a second is beyond level {max(LEVEL_TABLE)}")
