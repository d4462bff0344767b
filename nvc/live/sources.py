"""Where the frames of a call come from: a file or a camera, cut to the square in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from nvc.crop import Square
from nvc.encoder import Frame
from nvc.source_frame import Cropper, SourceFrame, Upright
from nvc.video import VideoReader

CAMERA_RATE = Fraction(25)


def frames_of(name: str, side: int) -> tuple[Iterator[Frame], Fraction]:
    """Frames uint8 [3, side, side] of a file, or of a camera such as ``/dev/video0``, and how many come in a second.

    Raises:
        VideoError, OSError: it cannot be read.
    """
    if name.startswith("/dev/video"):
        return _camera(name, side), CAMERA_RATE
    reader = VideoReader(Path(name))
    info = reader.info
    place = _middle(info.width, info.height)
    return (_planes(frame.square(place, side)) for frame in reader.source_frames()), info.frame_rate


def _camera(device: str, side: int) -> Iterator[Frame]:
    try:
        container = av.open(device, format="v4l2", options={"framerate": str(CAMERA_RATE)})
    except FFmpegError as error:
        raise OSError(f"camera {device} cannot be opened: {error}") from error
    with container:
        upright: Upright | None = None
        for frame in container.decode(video=0):
            upright = upright or Upright(frame.width, frame.height)
            whole = SourceFrame(frame, upright, Cropper(upright))
            yield _planes(whole.square(_middle(frame.width, frame.height), side))


def _middle(width: int, height: int) -> Square:
    side = min(width, height)
    return Square((width - side) // 2, (height - side) // 2, side)


def _planes(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))
