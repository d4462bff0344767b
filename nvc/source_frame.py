"""One frame of a file, converted only as far as it is needed: whole, small, or one square of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.filter
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from nvc import colour
from nvc.colour import Rgb
from nvc.crop import Square


@dataclass(frozen=True)
class Upright:
    """How coded frames become upright: scaled to ``width x height``, mirrored in x, then turned counter-clockwise."""

    width: int
    height: int
    mirrored: bool = False
    quarter_turns: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height when upright."""
        return (self.height, self.width) if self.quarter_turns % 2 else (self.width, self.height)

    def turn(self, rgb: Rgb) -> Rgb:
        """Mirror and turn a picture."""
        if self.mirrored:
            rgb = rgb[:, ::-1]
        return np.ascontiguousarray(np.rot90(rgb, self.quarter_turns))

    def coded(self, square: Square) -> Square:
        """Where a square of the upright picture lies before turning."""
        x, y, side = square.x, square.y, square.side
        right, bottom = self.width - side, self.height - side
        x, y = ((x, y), (right - y, x), (right - x, bottom - y), (y, bottom - x))[self.quarter_turns]
        return Square(right - x if self.mirrored else x, y, side)


def orientation_of(frame: av.VideoFrame) -> tuple[bool, int]:
    """Mirrored or not, and counter-clockwise quarter turns, from the frame's display matrix."""
    side_data: Any = frame.side_data  # its type stubs say that these are strings
    found = [bytes(data) for data in side_data if data.type == SideDataType.DISPLAYMATRIX]
    if not found:
        return False, 0
    # x' = a x + c y, y' = b x + d y with y downwards; angles that are not right ones are rounded.
    a, b, _, c, d = (int(v) for v in np.frombuffer(found[0], dtype=np.int32)[:5])
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    if abs(a) >= abs(b):
        return mirrored, 0 if a >= 0 else 2
    return mirrored, 1 if b < 0 else 3


class Cropper:
    """Cuts squares out of coded frames without converting the rest of them."""

    def __init__(self, upright: Upright) -> None:
        self._upright = upright
        self._graph: av.filter.Graph | None = None
        self._key: tuple[object, ...] = ()

    def cut(self, frame: av.VideoFrame, square: Square) -> av.VideoFrame | None:
        """The square as a coded frame, or None where samples do not line up with it (chroma needs even places)."""
        place = self._upright.coded(square)
        if (frame.width, frame.height) != (self._upright.width, self._upright.height):
            return None
        if place.side == frame.width == frame.height:
            return frame
        if (place.x | place.y | place.side) % 2 and not frame.format.is_rgb:
            return None
        key = (frame.format.name, frame.width, frame.height, place)
        if self._graph is None or key != self._key:
            self._graph, self._key = _crop_graph(frame, place), key
        self._graph.push(frame)
        part = self._graph.pull()
        return part if isinstance(part, av.VideoFrame) else None


def _crop_graph(frame: av.VideoFrame, place: Square) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(frame.time_base or 1)
    )
    crop = graph.add("crop", f"{place.side}:{place.side}:{place.x}:{place.y}:exact=1")
    sink = graph.add("buffersink")
    source.link_to(crop)
    crop.link_to(sink)
    graph.configure()
    return graph


class SourceFrame:
    """A decoded frame and how to turn it upright."""

    def __init__(self, frame: av.VideoFrame, upright: Upright, cropper: Cropper) -> None:
        self._frame = frame
        self._upright = upright
        self._cropper = cropper

    def rgb(self) -> Rgb:
        """The whole frame, uint8 ``[H, W, 3]``."""
        width, height = self._upright.width, self._upright.height
        if (self._frame.width, self._frame.height) == (width, height):
            return self._upright.turn(colour.frame_to_rgb(self._frame))
        return self._upright.turn(colour.frame_to_rgb(self._frame, width=width, height=height))

    def small(self, longest: int) -> tuple[Rgb, float]:
        """The frame with at most ``longest`` pixels a side, roughly converted, and its scale (up to 1)."""
        scale = min(1.0, longest / max(self._upright.size))
        width, height = (max(1, round(v * scale)) for v in (self._upright.width, self._upright.height))
        return self._upright.turn(colour.frame_to_rgb(self._frame, width=width, height=height, rough=True)), scale

    def square(self, square: Square, side: int) -> Rgb:
        """A square of the upright frame, scaled to uint8 ``[side, side, 3]``."""
        part = self._cropper.cut(self._frame, square)
        if part is None:
            return colour.resize_rgb(square.of(self.rgb()), width=side, height=side)
        spec = colour.spec_of(self._frame)
        return self._upright.turn(colour.frame_to_rgb(part, width=side, height=side, spec=spec))
