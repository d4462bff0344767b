"""Which road each part of a video takes, and at what quality: within a budget, or at a quality level.

The encoder does what the decoder will do. For parts with a face the network is the first choice; where H.264 at the
same bytes looks better, which is seen by coding both and comparing sampled frames, it takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nvc.conventional_road import ConventionalRoad, Fit
from nvc.film import Film
from nvc.judging import Judge
from nvc.keyframe import MAX_QP
from nvc.network_road import KeyQps, NetworkRoad
from nvc.picture_coder import PicturePoint, Preset
from nvc.rate import LADDER, LADDERS, Rung, Solution, Tune, solve
from nvc.reports import Judged
from nvc.roads import Part, Road

_SAMPLES = {Preset.FAST: 4, Preset.MEDIUM: 8, Preset.SLOW: 24}  # frames of a part that are looked at
_ALWAYS_NETWORK = {Tune.PERCEPTUAL: 6_000.0, Tune.PSNR: 2_000.0}  # bit/s below which H.264 has never been better
_ALWAYS_PICTURES = {Tune.PERCEPTUAL: 60_000.0, Tune.PSNR: 20_000.0}  # and above which the network has never been
_TABLE = {Tune.PERCEPTUAL: 36_000.0, Tune.PSNR: 6_000.0}  # where it usually changes, for those who do not look
_POOR = {Tune.PERCEPTUAL: 60.0, Tune.PSNR: 20.0}  # scores below which something is wrong with the network's frames
_SEQUENCE_BYTES = 60  # of a SEQUENCE unit, at most, which the network's bytes hold already
_COARSER_KEYS = 6  # QP by which key pictures may be coarser than the ladder says, where there are more of them
# Motion finer by so many steps, pose and expression.
_FILLING = (
    (0, 0),
    (0, 1),
    (1, 0),
    (1, 1),
    (-1, 0),
    (0, -1),
    (0, 2),
    (2, 0),
    (-1, 1),
    (1, 2),
    (2, 2),
    (2, 1),
    (0, 3),
    (3, 0),
)
_FULL = 0.98  # of a budget is as good as all of it
_PICTURES_WEIGHT = 3.0  # bytes for a second without a face, against one with it


@dataclass(frozen=True)
class Choice:
    """How a video is sent. ``roads`` by part; ``reached``: whether the budget could be kept."""

    roads: tuple[Road, ...]
    rung: Rung
    key_qps: KeyQps = field(default_factory=dict)
    pictures: dict[Part, PicturePoint] = field(default_factory=dict)
    reached: bool = True


class RoadChooser:
    """Chooses for one video."""

    def __init__(
        self,
        parts: Sequence[Part],
        network: NetworkRoad,
        conventional: ConventionalRoad,
        film: Film,
        judge: Judge,
        *,
        seconds: float,
        expression_count: int,
        preset: Preset,
    ) -> None:
        self._parts = tuple(parts)
        self._network = network
        self._conventional = conventional
        self._film = film
        self._judge = judge
        self._seconds = seconds
        self._count = expression_count
        self._preset = preset
        self._scores: dict[tuple[Part, PicturePoint], float] = {}

    def for_budget(self, budget: float) -> Choice:
        """The best for so many bytes, without signature, index and end."""
        roads = self._by_face()
        choice = self._spend(roads, budget)
        better = self._compared(choice, budget)
        other = choice if better == roads else self._spend(better, budget)
        return choice if choice.reached and not other.reached else other

    def for_rung(self, rung: Rung) -> Choice:
        """A quality level: pictures where there is no face or where the network fails, whatever they cost."""
        choice = self._at(self._by_face(), rung)
        if self._preset is Preset.FAST:
            return choice
        everywhere = self._at((Road.PICTURES,) * len(self._parts), rung)
        roads = list(choice.roads)
        for number, part in enumerate(self._parts):
            if roads[number] is Road.NETWORK:
                score = float(self.scores(part, choice, _SAMPLES[self._preset]).mean())
                fails = score < _POOR[self._judge.tune] and self._score(part, everywhere.pictures[part]) > score
                roads[number] = Road.PICTURES if fails else Road.NETWORK
        return self._at(tuple(roads), rung)

    def scores(self, part: Part, choice: Choice, count: int) -> NDArray[np.float64]:
        """Scores of sampled frames of a part as it is sent."""
        indices = part.sample(count)
        point = choice.pictures.get(part)
        if point is not None:
            return self._judged(indices, self._conventional.shown(part, point, indices))
        return self._judged(indices, self._network.shown(part, choice.rung, indices))

    def with_floor(self, choice: Choice, floor: float) -> Choice:
        """The same, with finer pictures for every part of which a sampled frame scores below ``floor``."""
        roads, pictures = list(choice.roads), dict(choice.pictures)
        for number, part in enumerate(self._parts):
            if self.scores(part, choice, _SAMPLES[self._preset]).min(initial=np.inf) >= floor:
                continue
            roads[number], pictures[part] = Road.PICTURES, self._point_above(part, floor)
        return replace(choice, roads=tuple(roads), pictures=pictures)

    def judged(self, choice: Choice, floor: float) -> Judged:
        """How good the video is as it is sent, by sampled frames."""
        count = _SAMPLES[Preset.SLOW]
        scores = np.concatenate([self.scores(part, choice, count) for part in self._parts])
        below = float((scores < floor).mean())
        return Judged(float(scores.mean()), float(scores.min()), below, len(scores), floor)

    def _point_above(self, part: Part, floor: float) -> PicturePoint:
        """The coarsest pictures whose sampled frames all reach a floor, or the finest that were tried."""
        indices = part.sample(_SAMPLES[self._preset])
        for crf in range(44, 12, -4):
            point = self._conventional.point(crf)
            if self._judged(indices, self._conventional.shown(part, point, indices)).min() >= floor:
                break
        return point

    def _by_face(self) -> tuple[Road, ...]:
        return tuple(Road.NETWORK if part.face else Road.PICTURES for part in self._parts)

    def _on(self, roads: Sequence[Road], road: Road) -> list[Part]:
        return [part for part, taken in zip(self._parts, roads, strict=True) if taken is road]

    def _network_bytes(self, parts: Sequence[Part], rung: Rung) -> int:
        pictures = self._network.picture_bytes(parts, rung)
        return pictures + self._network.motion_bytes(parts, rung)

    def _at(self, roads: tuple[Road, ...], rung: Rung) -> Choice:
        """Everything at the quality of a rung."""
        shrink = 2 if rung.crf > 36 else 1
        point = self._conventional.point(rung.crf - 4 if shrink > 1 else rung.crf, shrink=shrink)
        return Choice(roads, rung, pictures={part: point for part in self._on(roads, Road.PICTURES)})

    def _spend(self, roads: tuple[Road, ...], budget: float) -> Choice:
        """A budget shared between both roads."""
        faces, others = self._on(roads, Road.NETWORK), self._on(roads, Road.PICTURES)
        if not faces:
            return self._all_pictures(roads, others, budget)
        frames, other_frames = sum(p.frames for p in faces), sum(p.frames for p in others)
        share = _PICTURES_WEIGHT * other_frames / (frames + _PICTURES_WEIGHT * other_frames)
        fit = self._fit(others, share * budget) if others else None
        found = self._solved(faces, budget - (0 if fit is None else fit.size))
        if others and not found.fits:  # pictures of the smallest kind may leave enough for the network
            fit = self._smallest(others)
            found = self._solved(faces, budget - fit.size)
        picture_bytes = 0 if fit is None else fit.size
        if others and found.size < 0.97 * (budget - picture_bytes):  # what the network cannot use
            fit = self._fit(others, budget - found.size) or fit
        points = {part: fit.point for part in others} if fit is not None else {}
        if not found.fits:
            return Choice(roads, found.rung, {}, points, reached=False)
        left = budget - (0 if fit is None else fit.size)
        rung, key_qps = self._filled(faces, self._with_more_keys(faces, found.rung, left), left)
        return Choice(roads, rung, key_qps, points)

    def _solved(self, faces: list[Part], budget: float) -> Solution:
        return solve(
            budget,
            lambda rung: self._network_bytes(faces, rung),
            expression_count=self._count,
            ladder=LADDERS[self._judge.tune],
        )

    def _filled(self, faces: list[Part], rung: Rung, budget: float) -> tuple[Rung, KeyQps]:
        """The rung and QPs of key pictures that use a budget up; where QPs are too coarse a knob, quantisers help."""
        best: tuple[int, Rung, KeyQps] | None = None
        for pose, expression in _FILLING:
            point = rung.point
            finer = {
                "pose_quantiser": min(63, max(0, point.pose_quantiser - pose)),
                "expression_quantiser": min(63, max(0, point.expression_quantiser - expression)),
            }
            tried = replace(rung, point=replace(point, **finer))
            motion = self._network.motion_bytes(faces, tried)
            key_qps, size = self._network.key_qps(faces, tried, budget - motion)
            if motion + size <= budget and (best is None or motion + size > best[0]):
                best = motion + size, tried, key_qps
            if best is not None and best[0] >= _FULL * budget:
                break
        return (rung, {}) if best is None else best[1:]

    def _with_more_keys(self, faces: list[Part], rung: Rung, budget: float) -> Rung:
        """The rung with as many key frames as the next one up, if coarser ones make room and PSNR is what counts."""
        if self._judge.tune is not Tune.PSNR:  # fewer and finer ones look better
            return rung
        above = [r for r in LADDERS[Tune.PSNR] if r.point.key_qp <= rung.point.key_qp and r.saving < rung.saving]
        for candidate in above[:1]:
            coarsest = min(MAX_QP, candidate.point.key_qp + _COARSER_KEYS)
            denser = Rung(replace(rung.point, key_qp=candidate.point.key_qp), candidate.saving, rung.crf)
            least = replace(denser, point=replace(denser.point, key_qp=coarsest))
            if self._network_bytes(faces, least) <= budget:
                return denser
        return rung

    def _all_pictures(self, roads: tuple[Road, ...], parts: list[Part], budget: float) -> Choice:
        fit = self._conventional.fit(parts, budget - _SEQUENCE_BYTES, self._score)
        point = self._conventional.smallest() if fit is None else fit.point
        return Choice(roads, _rung_beside(point), {}, {part: point for part in parts}, fit is not None)

    def _fit(self, parts: list[Part], budget: float) -> Fit:
        fit = self._conventional.fit(parts, budget, self._score)
        return self._smallest(parts) if fit is None else fit

    def _smallest(self, parts: list[Part]) -> Fit:
        point = self._conventional.smallest()
        return Fit(point, self._conventional.size(parts, point))

    def _compared(self, choice: Choice, budget: float) -> tuple[Road, ...]:
        """The roads after pictures have been tried where they may be better."""
        faces = self._on(choice.roads, Road.NETWORK)
        if not faces:
            return choice.roads
        tune = self._judge.tune
        spent = sum(p.frames for p in faces) / sum(p.frames for p in self._parts) * self._seconds
        rate = 8 * budget / max(spent, 1e-3)
        if rate > _ALWAYS_PICTURES[tune] or (self._preset is Preset.FAST and rate > _TABLE[tune]):
            return (Road.PICTURES,) * len(self._parts)
        count = _SAMPLES[self._preset]
        scores = {part: float(self.scores(part, choice, count).mean()) for part in faces}
        doubtful = [p for p in faces if rate > _ALWAYS_NETWORK[tune] or scores[p] < _POOR[tune]]
        worse = set()
        if doubtful == faces and self._whole_is_worse(faces, scores, budget):
            worse = set(faces)
        elif len(faces) > 1:
            worse = {part for part in doubtful if self._part_is_worse(part, scores[part], choice.rung)}
        pairs = zip(self._parts, choice.roads, strict=True)
        return tuple(Road.PICTURES if part in worse else road for part, road in pairs)

    def _whole_is_worse(self, faces: list[Part], scores: dict[Part, float], budget: float) -> bool:
        fit = self._conventional.fit(faces, budget, self._score)
        if fit is None:
            return False
        gain = sum((self._score(part, fit.point) - scores[part]) * part.frames for part in faces)
        return gain > 0

    def _part_is_worse(self, part: Part, score: float, rung: Rung) -> bool:
        fit = self._conventional.fit([part], self._network_bytes([part], rung), self._score)
        return fit is not None and self._score(part, fit.point) > score

    def _score(self, part: Part, point: PicturePoint) -> float:
        if (part, point) not in self._scores:
            indices = part.sample(_SAMPLES[self._preset])
            scores = self._judged(indices, self._conventional.shown(part, point, indices))
            self._scores[part, point] = float(scores.mean())
        return self._scores[part, point]

    def _judged(self, indices: list[int], shown: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
        originals = self._film.some(indices)
        return self._judge.scores([originals[index] for index in indices], shown)


def _rung_beside(point: PicturePoint) -> Rung:
    """The rung that goes with pictures: it fills the fields of SEQUENCE, nothing is drawn with it."""
    return min(LADDER, key=lambda rung: abs(rung.crf - point.crf))
