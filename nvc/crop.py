"""Where the face is: one steady square for every stretch of a video.

A square is about twice as wide as the face that dlib's detector boxes, the framing that the models were trained on.
It stays put as long as the face stays inside it; only a cut, or a face that walks out, begins another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from nvc import colour
from nvc.colour import Rgb

ABSENT_SECONDS = 1.0  # detectors miss turned heads for moments: a face is gone only after so long
BURST_SECONDS = 0.25
_SQUARE = 2.05  # square side over box side, with dlib's boxes
_DROP = 0.105  # the face sits this far below the middle of the square, in sides
_MARGIN = 1.15  # a box grown by this must stay inside
_MOST_STRETCH = 1.4  # of a square, to keep a wandering face inside
_SEARCH_SIDE = 640
_FINE_SEARCH_SIDE = 1280
_MOST_FINE_SEARCHES = 3  # a scene: each takes seconds
_TRACK_SIDE = 220
_TRACK_REGION = 2.6  # box sides


class CropUnavailable(ImportError, ValueError):
    """There is no face detector in this installation."""


@dataclass(frozen=True)
class Square:
    """A square of source pixels: left and top edge, side."""

    x: int
    y: int
    side: int

    def of(self, rgb: Rgb) -> Rgb:
        """This part of a picture, uint8 ``[side, side, 3]``. Raises ValueError where it is not inside."""
        self.check(rgb.shape[1], rgb.shape[0])
        return rgb[self.y : self.y + self.side, self.x : self.x + self.side]

    def check(self, width: int, height: int) -> None:
        """Raise ValueError unless the square is inside a picture of this size."""
        if self.side < 1 or self.x < 0 or self.y < 0 or self.x + self.side > width or self.y + self.side > height:
            raise ValueError(f"crop {self.x},{self.y},{self.side} is not inside the picture of {width} x {height}")


def centre_square(width: int, height: int) -> Square:
    """The largest square in the middle of a picture."""
    side = min(width, height)
    return Square((width - side) // 2, (height - side) // 2, side)


@dataclass(frozen=True)
class Face:
    """A face box: middle and side, source pixels."""

    x: float
    y: float
    side: float


@dataclass(frozen=True)
class Sighting:
    """What the detector said of one frame; ``face`` is None where it found none."""

    frame: int
    face: Face | None


@dataclass(frozen=True)
class Segment:
    """Frames from ``start`` on show this square."""

    start: int
    square: Square


@dataclass(frozen=True)
class CropPlan:
    """Squares of a whole video, in order, the first from frame 0; ``absent``: ranges of frames without a face."""

    segments: tuple[Segment, ...]
    absent: tuple[range, ...] = ()
    face_found: bool = True

    def segment_at(self, frame: int) -> Segment:
        """The segment that holds a frame."""
        return [s for s in self.segments if s.start <= frame][-1]

    def face_at(self, frame: int) -> bool:
        """Whether a face is there, as far as known."""
        return not any(frame in gone for gone in self.absent)


@cache
def _load_detector() -> Callable[[Rgb, int], Iterable[Any]]:
    """Loaded once: that takes longer than finding a face."""
    try:
        import dlib
    except ImportError:
        message = "finding the face needs dlib: pip install 'nvc[crop]', or give the square or none"
        raise CropUnavailable(message) from None
    return dlib.get_frontal_face_detector()


class FaceDetector:
    """dlib's frontal face detector. Raises CropUnavailable where dlib is not installed."""

    def __init__(self) -> None:
        self._detector = _load_detector()
        self._last: Face | None = None
        self._fine_searches = 0

    def find(self, rgb: Rgb) -> Face | None:
        """The face in a picture: the one followed so far, else the largest. None where there is none."""
        face = self._track(rgb) or self._search(rgb, _SEARCH_SIDE)
        if face is None and self._last is None and self._fine_searches < _MOST_FINE_SEARCHES:
            self._fine_searches += 1
            face = self._search(rgb, _FINE_SEARCH_SIDE)
        self._last = face or self._last
        return face

    def forget(self) -> None:
        """Begin with the largest face again, as after a cut."""
        self._last, self._fine_searches = None, 0

    def _track(self, rgb: Rgb) -> Face | None:
        """Look only where the face was."""
        if self._last is None:
            return None
        half = self._last.side * _TRACK_REGION / 2
        height, width, _ = rgb.shape
        left, top = max(0, int(self._last.x - half)), max(0, int(self._last.y - half))
        right, bottom = min(width, int(self._last.x + half)), min(height, int(self._last.y + half))
        if min(right - left, bottom - top) < 16:
            return None
        found = self._boxes(rgb[top:bottom, left:right], _TRACK_SIDE)
        return _nearest([Face(f.x + left, f.y + top, f.side) for f in found], self._last)

    def _search(self, rgb: Rgb, side: int) -> Face | None:
        found = self._boxes(rgb, side)
        if self._last is not None and (followed := _nearest(found, self._last)):
            return followed
        return max(found, key=lambda f: f.side, default=None)

    def _boxes(self, rgb: Rgb, side: int) -> list[Face]:
        """Faces in a picture scaled down to ``side`` pixels: boxes from about 80 pixels are found."""
        height, width, _ = rgb.shape
        scale = min(1.0, side / max(height, width))
        small = colour.resize_rgb(rgb, width=max(1, round(width * scale)), height=max(1, round(height * scale)))
        boxes = self._detector(np.ascontiguousarray(small), 0)
        return [Face(b.center().x / scale, b.center().y / scale, b.width() / scale) for b in boxes]


def _nearest(faces: Iterable[Face], last: Face) -> Face | None:
    """The face that can be the same one as ``last``."""
    near = [f for f in faces if max(abs(f.x - last.x), abs(f.y - last.y)) < last.side and 0.5 < f.side / last.side < 2]
    return min(near, key=lambda f: abs(f.x - last.x) + abs(f.y - last.y), default=None)


def plan_squares(
    sightings: Sequence[Sighting],
    cuts: Sequence[int],
    *,
    width: int,
    height: int,
    frame_rate: float,
    frame_count: int,
) -> CropPlan:
    """Squares for a video of ``width x height`` from what was seen at some of its frames, in order.

    ``cuts``: first frames of new scenes. Scenes without a face show the largest square in the middle.
    """
    starts = [0, *_last_of_bursts([c for c in cuts if c > 0], max(1, round(BURST_SECONDS * frame_rate)))]
    segments: list[Segment] = []
    for start, end in zip(starts, [*starts[1:], frame_count], strict=True):
        faces = [(s.frame, s.face) for s in sightings if start <= s.frame < end and s.face is not None]
        segments += _scene_segments(start, faces, width, height)
    found = any(s.face is not None for s in sightings)
    absent = _absences(sightings, frame_count, round(ABSENT_SECONDS * frame_rate)) if found else ()
    return CropPlan(tuple(segments), absent, found)


def _last_of_bursts(cuts: Sequence[int], length: int) -> list[int]:
    """Cuts without those that another one follows at once: a flash between two scenes is no scene."""
    kept: list[int] = []
    burst_start = 0
    for cut in cuts:
        if kept and cut - burst_start < length:
            kept[-1] = cut
        else:
            kept.append(cut)
            burst_start = cut
    return kept


def _scene_segments(start: int, faces: Sequence[tuple[int, Face]], width: int, height: int) -> list[Segment]:
    """One square for the scene, or more where the face walks out of it."""
    groups: list[tuple[int, list[Face]]] = [(start, [])]
    for frame, face in faces:
        if not _fits([*groups[-1][1], face]):
            groups.append((frame, []))
        groups[-1][1].append(face)
    return [Segment(at, _square_for(group, width, height)) for at, group in groups]


def _extent(faces: Sequence[Face]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom that hold all boxes grown by the margin."""
    half = [f.side * _MARGIN / 2 for f in faces]
    return (
        min(f.x - h for f, h in zip(faces, half, strict=True)),
        min(f.y - h for f, h in zip(faces, half, strict=True)),
        max(f.x + h for f, h in zip(faces, half, strict=True)),
        max(f.y + h for f, h in zip(faces, half, strict=True)),
    )


def _usual_side(faces: Sequence[Face]) -> float:
    return _SQUARE * float(np.median([f.side for f in faces]))


def _fits(faces: Sequence[Face]) -> bool:
    left, top, right, bottom = _extent(faces)
    return max(right - left, bottom - top) <= _MOST_STRETCH * _usual_side(faces)


def _square_for(faces: Sequence[Face], width: int, height: int) -> Square:
    if not faces:
        return centre_square(width, height)
    left, top, right, bottom = _extent(faces)
    wanted = max(_usual_side(faces), right - left, bottom - top)
    side = max(1, min(_even(wanted), width, height))
    middle_x = float(np.median([f.x for f in faces]))
    middle_y = float(np.median([f.y for f in faces])) - _DROP * side
    x = _inside(middle_x, side, left, right, width)
    return Square(x, _inside(middle_y, side, top, bottom, height), side)


def _inside(middle: float, side: int, low: float, high: float, size: int) -> int:
    """Where a side around ``middle`` starts so that it holds low..high if it can, and stays in 0..size."""
    start = middle - side / 2
    if high - low <= side:
        start = min(max(start, high - side), low)
    return min(max(_even(start), 0), size - side)


def _even(value: float) -> int:
    """Chroma samples sit at even places: a square that starts on one needs no interpolation."""
    return 2 * round(value / 2)


def _absences(sightings: Sequence[Sighting], frame_count: int, shortest: int) -> tuple[range, ...]:
    """Stretches of at least ``shortest`` frames in which no sample shows a face."""
    gone: list[range] = []
    first: int | None = None
    for sighting in [*sightings, Sighting(frame_count, Face(0, 0, 0))]:
        if sighting.face is None:
            first = sighting.frame if first is None else first
        elif first is not None:
            gone.append(range(first, sighting.frame))
            first = None
    return tuple(r for r in gone if len(r) >= shortest)
