"""The encoder's own eye: equal frames score best, blur is worse than a detail that lies a little beside its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from streams import SIDE, tiny

from nvc import colour
from nvc.demo import make_clip
from nvc.judging import Judge, psnr
from nvc.rate import Tune

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return np.ascontiguousarray(make_clip(seconds=0.04, side=SIDE)[0].transpose(1, 2, 0))


def judge(tune: Tune = Tune.PERCEPTUAL) -> Judge:
    return Judge(tiny(), device=torch.device("cpu"), tune=tune)


def blurred(frame: np.ndarray, factor: int) -> np.ndarray:
    small = colour.resize_rgb(frame, width=SIDE // factor, height=SIDE // factor)
    return colour.resize_rgb(small, width=SIDE, height=SIDE)


@pytest.mark.parametrize(("tune", "best"), [(Tune.PERCEPTUAL, 100.0), (Tune.PSNR, 60.0)])
def test_equal_frames_score_best(frame: np.ndarray, tune: Tune, best: float) -> None:
    assert judge(tune).scores([frame] * 5, [frame] * 5) == pytest.approx([best] * 5, abs=1e-3)


@pytest.mark.parametrize("tune", list(Tune))
def test_the_more_is_missing_the_lower_the_score(frame: np.ndarray, tune: Tune) -> None:
    scores = judge(tune).scores([frame] * 3, [blurred(frame, 2), blurred(frame, 4), blurred(frame, 8)])
    assert scores[0] > scores[1] > scores[2]


def test_detail_beside_its_place_is_better_than_none() -> None:
    texture = RNG.integers(60, 200, (SIDE, SIDE, 1)).astype(np.uint8).repeat(3, axis=2)
    moved, gone = np.roll(texture, 1, axis=1), blurred(texture, 8)
    assert psnr(texture, moved) < psnr(texture, gone)
    scores = judge().scores([texture] * 2, [np.ascontiguousarray(moved), gone])
    assert scores[0] > scores[1]


def test_no_frames_no_scores() -> None:
    assert judge().scores([], []).shape == (0,)


def test_psnr_of_known_errors(frame: np.ndarray) -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(grey, grey + np.uint8(5)) == pytest.approx(20 * np.log10(255 / 5))
    assert psnr(frame, frame) == 60
