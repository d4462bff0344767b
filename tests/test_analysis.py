"""The analysis: the same motion in any batch, held where there is no face, key frames with what they need."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from streams import SIDE, tiny

from nvc.analysis import Analyser, FramePlan
from nvc.crop import Square
from nvc.key_placement import KeyPolicy

WHOLE = Square(0, 0, SIDE)


def analyse(frames: list[np.ndarray], *, batch: int = 1, faces: list[bool] | None = None) -> list[FramePlan]:
    analyser = Analyser(tiny(), device=torch.device("cpu"), policy=KeyPolicy(), batch=batch)
    plans: list[FramePlan] = []
    for i, frame in enumerate(frames):
        plans += analyser.push(frame, square=WHOLE, face=True if faces is None else faces[i])
    return plans + analyser.flush()


@pytest.fixture(scope="module")
def frames(small_clip: np.ndarray) -> list[np.ndarray]:
    return list(np.ascontiguousarray(small_clip.transpose(0, 2, 3, 1)))


@pytest.mark.parametrize("batch", [1, 5, 16])
def test_every_frame_gets_one_plan_in_order(frames: list[np.ndarray], batch: int) -> None:
    plans = analyse(frames, batch=batch)
    assert [plan.index for plan in plans] == list(range(12))
    assert plans[0].key is not None and all(p.key is None and p.motion is not None for p in plans[1:])


def test_batches_change_nothing_that_matters(frames: list[np.ndarray]) -> None:
    single, batched = (
        np.stack([p.motion for p in analyse(frames, batch=n)[1:] if p.motion is not None]) for n in (1, 12)
    )
    assert np.abs(single - batched).max() < 1e-4


def test_a_key_frame_brings_its_picture_keypoints_and_motion(frames: list[np.ndarray]) -> None:
    key = analyse(frames)[0].key
    assert key is not None
    assert np.array_equal(key.picture, frames[0]) and key.square == WHOLE
    assert key.canonical.shape == (8, 3) and key.motion.shape == (15,)
    picture = torch.from_numpy(frames[0]).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        assert np.allclose(key.motion, tiny().estimate(picture).vector()[0].numpy(), atol=1e-5)
        assert np.allclose(key.canonical, tiny().canonical(picture)[0].numpy(), atol=1e-5)


def test_no_face_no_motion(frames: list[np.ndarray]) -> None:
    plans = analyse(frames, faces=[True] * 4 + [False] * 4 + [True] * 4)
    assert [p.motion is None for p in plans[1:]] == [False] * 3 + [True] * 4 + [False] * 4


def test_what_a_broken_network_says_does_not_stop_the_encoder(frames: list[np.ndarray]) -> None:
    class Broken:
        config = tiny().config

        def estimate(self, pictures: torch.Tensor) -> object:
            class Motion:
                def vector(self) -> torch.Tensor:
                    return torch.full((len(pictures), 15), torch.nan)

            return Motion()

        def canonical(self, pictures: torch.Tensor) -> torch.Tensor:
            return torch.full((1, 8, 3), torch.inf)

    analyser = Analyser(Broken(), device=torch.device("cpu"), policy=KeyPolicy())  # type: ignore[arg-type]
    (plan,) = analyser.push(frames[0], square=WHOLE)
    assert plan.key is not None and (plan.key.motion == 0).all() and (plan.key.canonical == 0).all()
