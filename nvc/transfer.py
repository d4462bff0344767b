"""Motion transfer: another portrait does what the head in the stream does (second seed; FOMM, section 4.3).

The portrait keeps its own canonical keypoints, and of the expression it takes what has changed since a reference frame
of the driver: what a face is like when nothing moves is identity, and must not pass over. Relative transfer takes pose
and place in the same way; absolute transfer takes them as they are. The reference frame should look like the portrait
as much as possible: *best-frame alignment* finds it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from nvc import colour, keyframe
from nvc.colour import Rgb
from nvc.crop import FaceDetector, Sighting, Square, centre_square, plan_squares
from nvc.inference import to_network
from nvc.models.interface import CodecModel
from nvc.pose import HeadMotion, euler_to_matrix, matrix_to_euler, rotation_between
from nvc.survey import LOOK_SIDE
from nvc.video import VideoReader

_KEY_QP = 26  # of the portrait: networks have only ever seen decoded key pictures, this is the finest of them
_DEGREES, _SHIFT = 10.0, 0.25  # turned by so much, or moved by so many units of expression, count alike


class TransferMode(Enum):
    """How pose and place pass over to the portrait."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


class Alignment(Enum):
    """Which frame of the driver the portrait stands for, in relative transfer."""

    FIRST = "first"
    BEST = "best"


@dataclass(frozen=True)
class Transfer:
    """A request: drive this portrait, uint8 [H, W, 3] square RGB, with the stream's motion.

    ``align``: which frame of the driver the portrait stands for; the best one can only be found where all motion is
    known beforehand (`Decoder.foresee`), else it is the first. ``reference``: motion [7 + N] of that frame, if known.
    """

    portrait: Rgb
    mode: TransferMode = TransferMode.RELATIVE
    align: Alignment = Alignment.BEST
    reference: Tensor | None = None

    def __post_init__(self) -> None:
        shape = self.portrait.shape
        if self.portrait.dtype != np.uint8 or len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3:
            raise ValueError(f"a portrait is uint8 [S, S, 3], not {self.portrait.dtype} {list(shape)}")


@dataclass(frozen=True)
class Portrait:
    """A portrait as a model sees it: its picture at the model's side, keypoints [K, 3] and head."""

    picture: Rgb
    x_c: Tensor
    motion: HeadMotion

    @classmethod
    def of(cls, picture: Rgb, model: CodecModel, device: torch.device) -> Portrait:
        """Look at a square picture, uint8 [H, W, 3]."""
        side = model.config.side
        rgb = colour.resize_rgb(picture, width=side, height=side)
        rgb = keyframe.decode_picture(keyframe.encode_picture(rgb, qp=_KEY_QP), width=side, height=side)
        with torch.inference_mode():
            batch = to_network([rgb], device)
            return cls(rgb, model.canonical(batch)[0].float(), _float(model.estimate(batch)))


@dataclass(frozen=True)
class Retarget:
    """Motion of the driver to motion of the portrait. ``reference``: the driver's head that the portrait stands for."""

    mode: TransferMode
    portrait: HeadMotion
    reference: HeadMotion

    def apply(self, motion: HeadMotion) -> HeadMotion:
        """B heads of the driver as heads of the portrait."""
        still, start = self.portrait, self.reference
        expression = still.expression + motion.expression - start.expression
        if self.mode is TransferMode.ABSOLUTE:
            return replace(motion, expression=expression)
        turned = euler_to_matrix(motion.angles) @ euler_to_matrix(start.angles).transpose(1, 2)
        size = still.log2_scale - start.log2_scale
        return HeadMotion(
            matrix_to_euler(turned @ euler_to_matrix(still.angles)),
            still.translation + (motion.translation - start.translation) * torch.exp2(size),
            motion.log2_scale + size,
            expression,
        )


def best_frame(motion: HeadMotion, portrait: HeadMotion) -> int:
    """Which of T driving frames looks most like the portrait, by pose and expression."""
    turned = rotation_between(motion, portrait) / _DEGREES
    moved = (motion.expression - portrait.expression).norm(dim=1) / _SHIFT
    return int((turned + moved).argmin())


def read_portrait(path: str | os.PathLike[str], *, crop: str | Square = "auto") -> Rgb:
    """A picture file, cropped as the encoder crops: uint8 [S, S, 3].

    Args:
        path: JPEG, PNG or anything else that PyAV opens; of a video, its first frame.
        crop: ``auto`` looks for the face, ``none`` takes a square picture whole, a Square is taken as it is.

    Raises:
        VideoError, OSError: it cannot be read.
        ValueError: ``none`` for a picture that is not square, no face where one is looked for, a square outside.
        CropUnavailable: ``auto`` without a face detector.
    """
    frame = next(VideoReader(path).source_frames())
    rgb = frame.rgb()
    height, width, _ = rgb.shape
    if isinstance(crop, Square):
        return np.ascontiguousarray(crop.of(rgb))
    if crop == "none":
        if height != width:
            raise ValueError(f"the portrait is {width} x {height}, not square: crop to the face or give a square")
        return rgb
    if crop != "auto":
        raise ValueError(f"crop of the portrait is {crop!r}; it must be auto, none or a square")
    small, scale = frame.small(LOOK_SIDE)
    face = FaceDetector().find(small)
    if face is None:
        raise ValueError(f"no face was found in the portrait {os.fspath(path)}")
    face = type(face)(face.x / scale, face.y / scale, face.side / scale)
    plan = plan_squares([Sighting(0, face)], [], width=width, height=height, frame_rate=1.0, frame_count=1)
    square = plan.segments[0].square if plan.face_found else centre_square(width, height)
    return np.ascontiguousarray(square.of(rgb))


def _float(motion: HeadMotion) -> HeadMotion:
    return HeadMotion.from_vector(torch.nan_to_num(motion.vector().float()))
