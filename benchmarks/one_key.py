"""A clip reduced to one key picture, and heads drawn from it: what views, edits and transfers are measured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.captions import write_moments
from benchmarks.clips import read_clip
from nvc import colour, keyframe
from nvc.drawing import Drawer, drawer_for
from nvc.inference import to_network
from nvc.metrics import FaceAnalyser
from nvc.models.interface import CodecModel
from nvc.pose import HeadMotion
from nvc.rate import DEFAULT_QUALITY, coding_point

Frames = NDArray[np.uint8]
_CELL = 128  # pixels of a picture in a sheet
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class KeyedClip:
    """Frames of a clip, uint8 [T, S, S, 3], their motion, and the first one as a coded key picture to draw from."""

    name: str
    frames: Frames
    motion: HeadMotion
    x_c: torch.Tensor
    prepared: Any


class Studio:
    """A model with its drawer, and dlib."""

    def __init__(self, model: CodecModel) -> None:
        self.model = model
        self.drawer: Drawer = drawer_for(model, _CPU)
        self.faces = FaceAnalyser()
        self.side = int(model.config.side)

    def key(self, path: Path, *, frames: int = 1, every: int = 1) -> KeyedClip:
        """The first ``frames`` of every ``every``-th frame of a clip."""
        clip = read_clip(path, limit=(frames - 1) * every + 1)
        pictures = np.ascontiguousarray(clip.frames[::every].transpose(0, 2, 3, 1))
        qp = coding_point(DEFAULT_QUALITY).key_qp
        coded = keyframe.decode_picture(keyframe.encode_picture(pictures[0], qp=qp), width=self.side, height=self.side)
        with torch.inference_mode():
            batch = to_network(list(pictures), _CPU)
            parts = [self.model.estimate(part).vector().float() for part in batch.split(16)]
            motion, x_c = HeadMotion.from_vector(torch.cat(parts)), self.model.canonical(batch[:1])[0].float()
            prepared = self.drawer.prepare(coded, x_c, motion[:1])
        return KeyedClip(path.stem, pictures, motion, x_c, prepared)

    def draw(self, prepared: Any, motion: HeadMotion) -> Frames:
        """Pictures of B heads, uint8 [B, S, S, 3]."""
        with torch.inference_mode():
            pictures = list(self.drawer.draw(prepared, motion))
        return np.ascontiguousarray(np.stack(pictures).transpose(0, 2, 3, 1))

    def landmarks(self, picture: Frames) -> NDArray[np.float64] | None:
        """The 68 landmarks [68, 2] in pixels, None where no face is found."""
        box = self.faces.find(picture)
        return None if box is None else self.faces.landmarks(picture, box).astype(np.float64)

    def identity(self, picture: Frames) -> NDArray[np.float64] | None:
        """The identity vector [128], None where no face is found."""
        box = self.faces.find(picture)
        return None if box is None else self.faces.embedding(picture, box)


def write_sheet(columns: Sequence[tuple[str, Sequence[Frames]]], path: Path) -> None:
    """A small PNG: one column a caption, one row a picture, uint8 [S, S, 3] each."""
    smaller = [
        (caption, np.stack([colour.resize_rgb(p, width=_CELL, height=_CELL) for p in pictures]).transpose(0, 3, 1, 2))
        for caption, pictures in columns
    ]
    write_moments(smaller, path, moments=range(len(columns[0][1])))
    with Image.open(path) as sheet:
        sheet.quantize(256).save(path, optimize=True)  # a third of the bytes, and still to be looked at


def mean(values: list[float]) -> float | None:
    """Mean to four digits, None of nothing."""
    return round(float(np.mean(values)), 4) if values else None
