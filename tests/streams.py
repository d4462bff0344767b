"""The tiny model, and streams made with it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bitstream import Unit, UnitType
from nvc.encoder import Encoder
from nvc.models import zoo
from nvc.models.interface import CodecModel

SIDE = 64


@cache
def tiny() -> CodecModel:
    """tiny-64 on the CPU, loaded once."""
    return zoo.load("tiny-64")


def make_encoder(**options: Any) -> Encoder:
    """An encoder of 64 x 64 frames at 25 a second with the tiny model."""
    return Encoder(**{"width": SIDE, "height": SIDE, "frame_rate": 25, "model": tiny(), "device": "cpu", **options})


def encode(frames: np.ndarray, **options: Any) -> list[Unit]:
    """All units of some frames, uint8 [T, 3, 64, 64]."""
    encoder = make_encoder(**options)
    units = [unit for frame in frames for unit in encoder.encode(frame)]
    return units + encoder.flush()


def types_of(units: list[Unit]) -> list[UnitType]:
    """What the units are."""
    return [UnitType(unit.type) for unit in units]


def joined(units: list[Unit]) -> bytes:
    """Units as they stand in a stream."""
    return b"".join(unit.to_bytes() for unit in units)
