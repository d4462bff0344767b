"""Scene cuts: found where a scene ends, and not where a head merely moves."""

from __future__ import annotations

import numpy as np
import pytest

from nvc.scenes import CutDetector, difference, thumbnail


def scene(seed: int, side: int = 96) -> np.ndarray:
    """A blotchy picture; another seed is another scene."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return coarse.repeat(side // 6, axis=0).repeat(side // 6, axis=1)


def cuts_of(frames: list[np.ndarray]) -> list[int]:
    detector = CutDetector()
    return [i for i, frame in enumerate(frames) if detector.is_cut(thumbnail(frame))]


def test_a_new_scene_is_a_cut() -> None:
    frames = [scene(1)] * 5 + [scene(2)] * 5 + [scene(3)] * 5
    assert cuts_of(frames) == [5, 10]


def test_black_and_white_flashes_are_cuts_even_though_flat() -> None:
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    assert cuts_of([black] * 4 + [white] * 4) == [4]


def test_one_picture_for_ever_has_no_cut() -> None:
    assert cuts_of([scene(1)] * 20) == []


def test_a_moving_head_is_no_cut(small_clip: np.ndarray) -> None:
    assert cuts_of(list(small_clip.transpose(0, 2, 3, 1))) == []


@pytest.mark.parametrize("speed", [1, 2, 4])
def test_a_pan_is_no_cut(speed: int) -> None:
    wide = np.concatenate([scene(k) for k in range(6)], axis=1)
    assert cuts_of([wide[:, i * speed : i * speed + 96] for i in range(60)]) == []


def test_a_fade_is_no_cut() -> None:
    assert cuts_of([(scene(1) * (1 - i / 30)).astype(np.uint8) for i in range(30)]) == []


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (32, 32), (64, 96), (100, 77), (720, 1280)])
def test_thumbnails_of_any_size_average_blocks(size: tuple[int, int]) -> None:
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    ramp = np.stack([255 * x / size[1]] * 3, -1).astype(np.uint8)
    small = thumbnail(ramp)
    assert small.shape == (32, 32) and small.min() >= 0 and small.max() <= 255
    assert np.allclose(small, small[0]) and (np.diff(small[0]) >= 0).all()
    if size[1] >= 64:
        assert np.abs(small[0] - (np.arange(32) + 0.5) * 255 / 32).max() < 6


def test_difference_is_in_levels_of_luma() -> None:
    grey = [thumbnail(np.full((40, 70, 3), level, np.uint8)) for level in (10, 60)]
    assert difference(grey[0], grey[1]) == pytest.approx(50)
    assert grey[0].shape == (32, 32)
