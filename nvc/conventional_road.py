"""The road of conventional pictures: what they cost at a quality, which quality fits a budget, and how they look."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av

from nvc import colour
from nvc.colour import KEY_PICTURE, Rgb
from nvc.film import Film
from nvc.keyframe import picture_of
from nvc.picture_coder import MAX_CRF, PicturePoint, Preset, code_pictures
from nvc.roads import Part

_UNIT_BYTES = 12  # of a PICTURE unit around its pictures
_KEY_BYTES = 45  # of a KEYFRAME unit around its picture, keypoints at rest included
_GROUP = 64
_SLOPE = 0.11  # by how much the logarithm of the size falls with crf, usually
_FIRST_CRF, _FINEST = 36.0, 10.0
_NEAR = 0.012  # a size within this part below the budget is good enough
_TRIES = 5
_TRY_SMALLER = 35.0  # from this crf on, fewer pixels may look better
_SIDES = (1, 2, 4)  # coded sides that are tried, as parts of the full one

Score = Callable[[Part, PicturePoint], float]


@dataclass(frozen=True)
class Fit:
    """Pictures for a budget: how they are coded, and the bytes that they take."""

    point: PicturePoint
    size: int


class ConventionalRoad:
    """Codes parts of a film as H.264, each once for every setting that is asked for."""

    def __init__(self, film: Film, *, frame_rate: Fraction, side: int, preset: Preset) -> None:
        self._film = film
        self._rate = frame_rate
        self._side = side
        self._preset = preset
        self._sizes: dict[tuple[Part, PicturePoint], int] = {}
        self._coded: dict[tuple[Part, PicturePoint], list[bytes]] = {}

    def point(self, crf: float, *, shrink: int = 1) -> PicturePoint:
        """Settings at a crf, coded at a part of the full side."""
        side = max(16, self._side // shrink // 2 * 2)
        return PicturePoint(crf=min(MAX_CRF, max(_FINEST, round(crf, 2))), side=side, preset=self._preset)

    def smallest(self) -> PicturePoint:
        """The fewest bytes that are possible."""
        return self.point(MAX_CRF, shrink=_SIDES[-1])

    def coded(self, part: Part, point: PicturePoint) -> list[bytes]:
        """Coded pictures of a part in decoding order, the first of which is a key picture."""
        if (part, point) not in self._coded:
            pictures = self._film.span(part.start, part.end)
            self._coded[part, point] = code_pictures(pictures, point, frame_rate=self._rate)
            self._sizes[part, point] = sum(map(len, self._coded[part, point]))
        return self._coded[part, point]

    def size(self, parts: Iterable[Part], point: PicturePoint) -> int:
        """Bytes that parts take in a stream, headers included."""
        total = 0
        for part in parts:
            if (part, point) not in self._sizes:
                self.coded(part, point)
            total += self._sizes[part, point] + _KEY_BYTES + _UNIT_BYTES * math.ceil((part.frames - 1) / _GROUP)
        return total

    def shown(self, part: Part, point: PicturePoint, indices: Sequence[int]) -> list[Rgb]:
        """Frames of a part as a decoder shows them, by their index in the film, which must rise."""
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1
        wanted, found, number = set(indices), [], part.start
        for packet in [*map(av.Packet, self.coded(part, point)), None]:
            for frame in decoder.decode(packet):
                if number in wanted:
                    small = picture_of(frame, point.side, point.side, KEY_PICTURE)
                    found.append(colour.resize_rgb(small, width=self._side, height=self._side))
                number += 1
        return found

    def fit(self, parts: Sequence[Part], budget: float, score: Score) -> Fit | None:
        """The best pictures within ``budget`` bytes, or None where even the smallest take more.

        ``score`` says how good a part looks; it decides between coded sides.
        """
        best: tuple[float, Fit] | None = None
        for shrink in _SIDES:
            found = self._fit_side(parts, budget, shrink)
            if found is not None:
                value = sum(score(part, found.point) * part.frames for part in parts)
                if best is not None and value <= best[0]:
                    break
                best = value, found
                if found.point.crf < _TRY_SMALLER:
                    break
        return None if best is None else best[1]

    def forget(self) -> None:
        """Drop coded pictures; sizes stay."""
        self._coded.clear()

    def _fit_side(self, parts: Sequence[Part], budget: float, shrink: int) -> Fit | None:
        known: dict[float, float] = {}  # crf -> logarithm of the size
        target, crf = math.log(max(1.0, budget * (1 - _NEAR / 2))), _FIRST_CRF
        best: Fit | None = None
        for _ in range(_TRIES):
            point = self.point(crf, shrink=shrink)
            size = self.size(parts, point)
            known[point.crf] = math.log(size)
            if size <= budget and (best is None or size > best.size):
                best = Fit(point, size)
            if (1 - _NEAR) * budget <= size <= budget:
                break
            crf = _next_crf(known, target)
            if self.point(crf, shrink=shrink).crf in known:
                break
        return best


def _next_crf(known: dict[float, float], target: float) -> float:
    """Where the logarithm of the size should be ``target``, from the two nearest ones that are known."""
    nearest = sorted(known, key=lambda crf: abs(known[crf] - target))[:2]
    at = nearest[0]
    slope = _SLOPE
    if len(nearest) == 2 and abs(nearest[1] - at) > 1e-6:
        slope = min(0.4, max(0.03, (known[at] - known[nearest[1]]) / (nearest[1] - at)))
    return min(MAX_CRF, max(_FINEST, at + (known[at] - target) / slope))
