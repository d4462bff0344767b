"""Which road a part takes: the network with a face, pictures without, and whatever looks better for the same bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import write_clip
from hypothesis import given
from hypothesis import strategies as st
from streams import SIDE, tiny

import nvc
from nvc.analysis import FramePlan
from nvc.conventional_road import Fit
from nvc.judging import psnr
from nvc.key_placement import KeyReason
from nvc.nvc_file import NvcFile
from nvc.picture_coder import PicturePoint, Preset, code_pictures
from nvc.rate import LADDER, Rung, Tune
from nvc.road_choice import RoadChooser
from nvc.roads import Part, Road, parts_of
from nvc.video import VideoReader

FACE, FACE_2, GONE = Part(0, 100, True), Part(100, 200, True), Part(200, 300, False)


@dataclass
class Network:
    """Costs 10 bytes a frame at the lowest rung and twice as much two rungs up."""

    unit: float = 10.0

    def motion_bytes(self, parts: list[Part], rung: Rung) -> int:
        return round(
            sum(p.frames for p in parts) * self.unit * 2 ** (LADDER[0].point.key_qp - rung.point.key_qp) ** 0.5
        )

    def picture_bytes(self, parts: list[Part], rung: Rung) -> int:
        return 0

    def key_qps(self, parts: list[Part], rung: Rung, budget: float) -> tuple[dict[int, int], int]:
        return {}, 0

    def shown(self, part: Part, rung: Rung, indices: list[int]) -> list[tuple[str, int]]:
        return [("network", index) for index in indices]


@dataclass
class Conventional:
    """Takes what it is given, down to a floor in bytes a frame."""

    floor: float = 15.0
    asked: list[float] = field(default_factory=list)

    def point(self, crf: float, *, shrink: int = 1) -> PicturePoint:
        return PicturePoint(crf=crf, side=64)

    def smallest(self) -> PicturePoint:
        return PicturePoint(crf=51, side=16)

    def size(self, parts: list[Part], point: PicturePoint) -> int:
        return round(self.floor * sum(p.frames for p in parts))

    def fit(self, parts: list[Part], budget: float, score: object) -> Fit | None:
        self.asked.append(budget)
        return Fit(PicturePoint(crf=30, side=64), int(budget)) if budget >= self.size(parts, self.smallest()) else None

    def shown(self, part: Part, point: PicturePoint, indices: list[int]) -> list[tuple[str, int]]:
        return [("pictures", index) for index in indices]


class Film:
    def some(self, indices: list[int]) -> dict[int, int]:
        return {index: index for index in indices}


@dataclass
class Judge:
    """Scores of the roads, by part for the network."""

    network: dict[Part, float]
    pictures: float
    tune: Tune = Tune.PERCEPTUAL

    def scores(self, originals: list[int], shown: list[tuple[str, int]]) -> np.ndarray:
        assert originals == [index for _, index in shown]
        of = {index: value for part, value in self.network.items() for index in range(part.start, part.end)}
        scores = [of[index] if road == "network" else self.pictures for road, index in shown]
        return np.array(scores, np.float64)


def chooser(parts: list[Part], judge: Judge, *, preset: Preset = Preset.MEDIUM, **roads: float) -> RoadChooser:
    seconds = parts[-1].end / 25
    network, conventional = Network(roads.get("unit", 10.0)), Conventional(roads.get("floor", 15.0))
    stand_ins = (network, conventional, Film(), judge)
    return RoadChooser(parts, *stand_ins, seconds=seconds, expression_count=32, preset=preset)  # type: ignore[arg-type]


def test_parts_begin_with_scenes_and_where_faces_come_and_go() -> None:
    reasons = {0: KeyReason.FIRST, 5: KeyReason.TURN, 9: KeyReason.SCENE_CUT, 20: KeyReason.NO_FACE, 30: KeyReason.FACE}
    plans = [FramePlan(i, reason=reasons.get(i), face=not 20 <= i < 30) for i in range(40)]
    assert parts_of(plans) == [Part(0, 9, True), Part(9, 20, True), Part(20, 30, False), Part(30, 40, True)]
    assert parts_of([]) == []
    with pytest.raises(ValueError, match="begins with a key frame"):
        parts_of(plans[1:])


@given(st.integers(1, 2000), st.integers(0, 500), st.integers(1, 50))
def test_samples_lie_within_their_part(frames: int, start: int, count: int) -> None:
    part = Part(start, start + frames, True)
    sample = part.sample(count)
    assert len(sample) == min(count, frames) and sample == sorted(set(sample))
    assert start <= sample[0] and sample[-1] < start + frames


def test_the_network_takes_faces_at_low_rates_and_pictures_the_rest() -> None:
    choice = chooser([FACE, GONE], Judge({FACE: 75}, 70)).for_budget(300 / 25 * 3000 / 8)
    assert choice.roads == (Road.NETWORK, Road.PICTURES) and choice.reached
    assert list(choice.pictures) == [GONE]


def test_pictures_take_over_where_they_look_better_for_the_same_bytes() -> None:
    budget = 200 / 25 * 16_000 / 8
    for score, road in ((70, Road.NETWORK), (80, Road.PICTURES)):
        choice = chooser([FACE, FACE_2], Judge({FACE: 75, FACE_2: 75}, score)).for_budget(budget)
        assert choice.roads == (road, road)


def test_a_part_that_the_network_fails_at_changes_over_alone() -> None:
    judge = Judge({FACE: 75, FACE_2: 30}, 60)
    choice = chooser([FACE, FACE_2], judge, floor=5).for_budget(200 / 25 * 5000 / 8)
    assert choice.roads == (Road.NETWORK, Road.PICTURES)
    choice = chooser([FACE, FACE_2], judge).for_rung(LADDER[5])
    assert choice.roads == (Road.NETWORK, Road.PICTURES)


def test_above_what_the_network_can_use_nobody_needs_to_look() -> None:
    for preset, rate in ((Preset.MEDIUM, 64_000), (Preset.FAST, 40_000)):
        choice = chooser([FACE], Judge({}, 0), preset=preset).for_budget(4 * rate / 8)
        assert choice.roads == (Road.PICTURES,)


def test_below_what_is_possible_the_least_is_sent_and_said() -> None:
    choice = chooser([FACE], Judge({FACE: 75}, 70)).for_budget(500)
    assert not choice.reached and choice.rung == LADDER[0]
    choice = chooser([GONE], Judge({}, 70)).for_budget(100)
    assert not choice.reached and choice.pictures == {GONE: Conventional().smallest()}


def test_pictures_that_do_not_fit_never_take_the_place_of_a_network_that_does() -> None:
    choice = chooser([FACE, GONE], Judge({FACE: 30}, 60), unit=5).for_budget(2900)
    assert choice.reached and choice.roads == (Road.NETWORK, Road.PICTURES)


def test_pictures_make_room_for_the_network_where_both_would_not_fit() -> None:
    choice = chooser([FACE, GONE], Judge({FACE: 75}, 60), unit=10).for_budget(2900)
    assert choice.reached and choice.roads == (Road.NETWORK, Road.PICTURES)


def test_a_floor_makes_pictures_of_what_is_below_it() -> None:
    judge = Judge({FACE: 75, FACE_2: 40}, 90)
    choosing = chooser([FACE, FACE_2], judge, preset=Preset.FAST)
    choice = choosing.for_rung(LADDER[5])
    assert choosing.judged(choice, 50).below == 0.5 and choosing.judged(choice, 50).worst == 40
    mended = choosing.with_floor(choice, 50)
    assert mended.roads == (Road.NETWORK, Road.PICTURES)
    assert choosing.judged(mended, 50).below == 0


def _clips() -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(7)
    grid = np.linspace(0, 255, 96)
    landscape = np.stack([np.tile(grid, (96, 1)), np.tile(grid[:, None], (1, 96)), np.full((96, 96), 90)], -1)
    landscape = np.clip(landscape + 20 * rng.standard_normal((96, 96, 1)), 0, 255).astype(np.uint8)
    slide = np.full((SIDE, SIDE, 3), 240, np.uint8)
    slide[8:56:8, 6:58] = 20
    head = [np.ascontiguousarray(f.transpose(1, 2, 0)) for f in _head()]
    return {
        "noise": [rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8) for _ in range(30)],
        "black": [np.zeros((SIDE, SIDE, 3), np.uint8)] * 30,
        "still": [head[0]] * 30,
        "landscape": [np.ascontiguousarray(landscape[8:72, k // 2 : k // 2 + SIDE]) for k in range(30)],
        "face and slides": head[:15] + [slide] * 15 + head[15:30],
    }


def _head() -> np.ndarray:
    from nvc.demo import make_clip

    return make_clip(seconds=1.6, side=SIDE)


@pytest.mark.parametrize(
    ("name", "kbps"), [("noise", 48), ("black", 24), ("still", 24), ("landscape", 24), ("face and slides", 12)]
)
def test_no_input_looks_worse_than_h264_at_the_same_rate(tmp_path: Path, name: str, kbps: int) -> None:
    frames = _clips()[name]
    source = write_clip(tmp_path / "a.mkv", frames, codec="ffv1", pixel_format="bgr0", options={})
    options = {"tune": "psnr", "model": tiny(), "device": "cpu", "crop": "none", "audio": False}
    report = nvc.encode_file(source, tmp_path / "a.nvc", bitrate=1000 * kbps, **options)  # type: ignore[arg-type]
    nvc.decode_file(tmp_path / "a.nvc", tmp_path / "b.mkv", model=tiny(), device="cpu")
    shown = list(VideoReader(tmp_path / "b.mkv").frames())
    assert len(shown) == len(frames) == NvcFile(tmp_path / "a.nvc").contents().frame_count
    own = np.mean([psnr(a, b) for a, b in zip(frames, shown, strict=True)])
    assert report.video_bytes <= 1.03 * len(frames) / 25 * kbps * 125 or not report.reached
    for crf in range(18, 52, 3):  # x264's best that takes no more
        coded = code_pictures(frames, PicturePoint(crf=crf, side=SIDE), frame_rate=Fraction(25))
        if sum(map(len, coded)) <= report.video_bytes:
            assert own >= 0.98 * np.mean([psnr(a, b) for a, b in zip(frames, _decoded(coded), strict=True)])
            break


def _decoded(coded: list[bytes]) -> list[np.ndarray]:
    from test_picture_coder import KEY_PICTURE, key_of, unit_of

    from nvc.keyframe import decode_picture
    from nvc.picture_decoder import PictureDecoder

    decoder = PictureDecoder(key_of(coded[0]), spec=KEY_PICTURE, side=SIDE)
    shown = [decode_picture(coded[0], width=SIDE, height=SIDE)]
    return shown + decoder.decode(unit_of(tuple(coded[1:]))) + decoder.drain()
