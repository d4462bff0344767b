"""Motion mended by drawing: corrections lower the error, change slowly, and never touch the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nvc.models import zoo
from nvc.pose import HeadMotion
from nvc.refinement import Correction, Effort, MotionRefiner

CPU = torch.device("cpu")


class Scene:
    """A key picture and frames that the model itself draws for known motion."""

    def __init__(self, frames: int) -> None:
        self.model = zoo.load("tiny-64")
        rng = np.random.default_rng(3)
        coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 8, 8)).astype(np.float32))
        key = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(0, 255).byte()
        self.key = key[0].permute(1, 2, 0).contiguous().numpy()
        self.canonical = self.model.mean_keypoints.numpy()
        self.still = np.zeros(7 + self.model.config.expression, dtype=np.float32)
        self.true = np.tile(self.still, (frames, 1))
        self.true[:, 3] = 0.08
        self.frames = self.draw(self.true)

    def draw(self, motion: np.ndarray) -> np.ndarray:
        picture = torch.from_numpy(self.key)[None].permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            drawn = self.model.render(
                self.model.appearance(picture),
                torch.from_numpy(self.canonical),
                HeadMotion.from_vector(torch.from_numpy(self.still)[None]),
                HeadMotion.from_vector(torch.from_numpy(motion)),
            )
        return (drawn * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()

    def correction(self, effort: Effort) -> Correction:
        refiner = MotionRefiner(self.model, device=CPU, effort=effort)
        refiner.start(self.key, self.canonical, self.still)
        for index, frame in enumerate(self.frames):
            refiner.push(10 + index, frame, self.still)
        return refiner.finish()

    def error(self, motion: np.ndarray) -> float:
        return float(np.square(self.draw(motion).astype(float) - self.frames).mean())


def test_refined_motion_draws_the_original_better() -> None:
    scene = Scene(frames=9)
    found = scene.correction(Effort(spacing=4, iterations=12))
    refined = np.stack([scene.still + found.at(10 + i) for i in range(9)])
    estimated = np.tile(scene.still, (9, 1))
    assert scene.error(refined) < 0.8 * scene.error(estimated)


@pytest.mark.parametrize(("frames", "knots"), [(1, [10]), (4, [10, 13]), (5, [10, 14]), (9, [10, 14, 18])])
def test_knots_lie_a_spacing_apart_and_at_both_ends(frames: int, knots: list[int]) -> None:
    found = Scene(frames).correction(Effort(spacing=4, iterations=1))
    assert found.indices.tolist() == knots


def test_no_iterations_correct_nothing() -> None:
    found = Scene(frames=5).correction(Effort(iterations=0))
    assert not found.rows.any()


def test_a_segment_without_frames_has_an_empty_correction() -> None:
    model = zoo.load("tiny-64")
    refiner = MotionRefiner(model, device=CPU, effort=Effort())
    assert not refiner.finish().at(3).any()


def test_frames_before_a_key_picture_are_refused() -> None:
    scene = Scene(frames=1)
    with pytest.raises(ValueError, match="before any key picture"):
        MotionRefiner(scene.model, device=CPU, effort=Effort()).push(0, scene.frames[0], scene.still)


def test_the_weights_stay_as_they_are() -> None:
    scene = Scene(frames=2)
    before = {name: value.clone() for name, value in scene.model.state_dict().items()}
    scene.correction(Effort(iterations=2))
    assert all(torch.equal(value, before[name]) for name, value in scene.model.state_dict().items())
    assert all(parameter.grad is None for parameter in scene.model.parameters())


def test_a_segment_does_not_remember_the_one_before() -> None:
    scene = Scene(frames=3)
    refiner = MotionRefiner(scene.model, device=CPU, effort=Effort(spacing=1, iterations=3))
    rows = []
    for _ in range(2):
        refiner.start(scene.key, scene.canonical, scene.still)
        for index, frame in enumerate(scene.frames):
            refiner.push(index, frame, scene.still)
        rows.append(refiner.finish().rows)
    assert np.array_equal(*rows)


@given(st.integers(-5, 40))
def test_between_knots_the_correction_is_linear(index: int) -> None:
    rows = np.array([[0.0, 4.0], [8.0, 0.0]], dtype=np.float32)
    found = Correction(np.array([10, 18]), rows).at(index)
    part = min(max((index - 10) / 8, 0), 1)
    assert np.allclose(found, [8 * part, 4 - 4 * part])


@pytest.mark.parametrize("bad", [{"spacing": 0}, {"iterations": -1}])
def test_an_impossible_effort_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        Effort(**bad)
