"""Plans with mended motion: what is sent changes, when and from which key picture does not."""

from __future__ import annotations

import numpy as np
import torch

from nvc import colour, keyframe
from nvc.analysis import FramePlan
from nvc.crop import Square
from nvc.key_input import KeyInput
from nvc.models import zoo
from nvc.motion_mending import EFFORTS, mend
from nvc.picture_coder import Preset
from nvc.rate import coding_point
from nvc.refinement import Effort

SIDE = 64
POINT = coding_point(5)


def picture(shift: int) -> np.ndarray:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    disc = np.hypot(rows - 32, columns - 32 - shift) < 20
    return np.where(disc[..., None], np.uint8(190), np.uint8(40)).repeat(3, axis=2)


def plans(kinds: str, width: int) -> list[FramePlan]:
    """A letter a frame: h held, all others move."""
    return [FramePlan(i, None if kind == "h" else np.zeros(width, dtype=np.float32)) for i, kind in enumerate(kinds)]


def change(index: int, width: int, *, shown: bool) -> KeyInput:
    canonical, motion = np.zeros((8, 3), dtype=np.float32), np.zeros(width, dtype=np.float32)
    return KeyInput(index, picture(0), canonical, motion, Square(0, 0, SIDE), shown=shown)


def mended(kinds: str, *, coded: list[int] | None = None, side: int = SIDE) -> tuple[list[FramePlan], list[FramePlan]]:
    """k begins with a key frame that is shown, s with one that is not."""
    model = zoo.load("tiny-64")
    width = 7 + model.config.expression
    before = plans(kinds, width)

    def code(key: KeyInput) -> bytes:
        if coded is not None:
            coded.append(key.index)
        return keyframe.encode_picture(colour.resize_rgb(key.picture, width=side, height=side), qp=30)

    after = mend(
        before,
        [picture(index) for index in range(len(kinds))],
        model=model,
        device=torch.device("cpu"),
        effort=Effort(spacing=2, iterations=2),
        point=POINT,
        changes=[change(i, width, shown=kind == "k") for i, kind in enumerate(kinds) if kind in "ks"],
        coded=code,
    )
    return before, after


def test_motion_is_corrected_and_nothing_else_changes() -> None:
    before, after = mended("kmmmm")
    assert [plan.index for plan in after] == list(range(5))
    assert after[0] is before[0]
    for old, new in zip(before[1:], after[1:], strict=True):
        assert new.motion is not None and old.motion is not None
        assert np.abs(new.motion - old.motion).max() > 0
        assert (new.key, new.reason, new.square) == (old.key, old.reason, old.square)


def test_key_pictures_of_another_side_are_seen_at_the_side_of_the_model() -> None:
    _, after = mended("kmm", side=SIDE // 2)
    assert all(np.isfinite(plan.motion).all() for plan in after)


def test_held_frames_stay_held() -> None:
    _, after = mended("kmhhm")
    assert [plan.motion is None for plan in after] == [False, False, True, True, False]


def test_only_key_frames_that_are_shown_keep_their_motion() -> None:
    coded: list[int] = []
    before, after = mended("smkmsm", coded=coded)
    assert coded == [0, 2, 4]
    assert [new is old for new, old in zip(after, before, strict=True)] == [i == 2 for i in range(6)]


def test_a_video_of_held_frames_alone_is_left_as_it_is() -> None:
    before, after = mended("khh")
    assert [plan.motion is None for plan in after] == [plan.motion is None for plan in before]


def test_fast_does_not_refine_and_slow_looks_harder_than_medium() -> None:
    assert EFFORTS[Preset.FAST] is None
    medium, slow = EFFORTS[Preset.MEDIUM], EFFORTS[Preset.SLOW]
    assert medium is not None and slow is not None
    assert slow.iterations / slow.spacing > medium.iterations / medium.spacing
