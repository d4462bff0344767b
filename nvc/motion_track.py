"""All motion of a file before anything is drawn: Part A alone, at no cost worth mentioning."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bitstream import Limits, UnitType, dequantise, frame_steps
from bitstream.stream import StreamDecoder
from nvc.nvc_file import NvcFile

_AWAY = (UnitType.AUDIO, UnitType.METADATA, UnitType.INDEX)


def motion_track(file: NvcFile, *, limits: Limits | None = None) -> Tensor:
    """Motion of every frame that has any, [T, 7 + N] in radians, half-sides and basis units.

    Raises BitstreamError subclasses.
    """
    stream = StreamDecoder(limits=limits)
    rows: list[np.ndarray] = []
    for unit in file.units():
        if not isinstance(unit.type, UnitType) or unit.type in _AWAY:
            continue
        values = [frame.values for frame in stream.decode(unit) if frame.values]
        if values and stream.sequence is not None:
            rows.append(dequantise(np.array(values, dtype=np.int64), frame_steps(stream.sequence)))
    width = max((row.shape[1] for row in rows), default=0)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows]
    return torch.from_numpy(np.concatenate(padded)).float() if padded else torch.zeros(0, 7)
