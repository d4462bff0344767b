"""Key frames come when the picture can no longer explain the head, and not more often than that."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nvc.key_placement import KeyPlacement, KeyPolicy, KeyReason, Moment, turn_between

GREY = np.full((32, 32), 128.0)


def moment(
    yaw: float = 0.0,
    *,
    pitch: float = 0.0,
    roll: float = 0.0,
    shift: float = 0.0,
    zoom: float = 0.0,
    grey: float = 128.0,
    cut: bool = False,
    face: bool = True,
    new_square: bool = False,
) -> Moment:
    """A frame whose head is turned by degrees, moved by half-sides, scaled by octaves."""
    angles = [math.radians(v) for v in (pitch, yaw, roll)]
    vector = np.array([*angles, shift, 0, 0, zoom, 0, 0], np.float32)
    return Moment(motion=vector, thumbnail=np.full((32, 32), grey), cut=cut, face=face, new_square=new_square)


def reasons(moments: list[Moment], **policy: int | float) -> dict[int, KeyReason]:
    placement = KeyPlacement(KeyPolicy(**policy))
    found = {i: placement.next(m) for i, m in enumerate(moments)}
    return {i: reason for i, reason in found.items() if reason is not None}


def test_the_first_frame_is_a_key_frame_and_a_quiet_head_needs_no_other() -> None:
    assert reasons([moment(5 * math.sin(i / 9)) for i in range(500)]) == {0: KeyReason.FIRST}


def test_the_clock_bounds_the_distance() -> None:
    assert list(reasons([moment()] * 100, interval=30)) == [0, 30, 60, 90]


@pytest.mark.parametrize("away", [{"yaw": 50}, {"pitch": -40}, {"shift": 0.7}, {"zoom": -0.8}])
def test_a_head_that_stays_away_gets_a_picture_of_its_own(away: dict[str, float]) -> None:
    found = reasons([moment()] * 60 + [moment(**away)] * 60, patience=5, spacing=50)
    assert found == {0: KeyReason.FIRST, 65: KeyReason.TURN}


def test_a_glance_is_not_worth_a_picture() -> None:
    glance = [moment()] * 60 + [moment(60)] * 5 + [moment()] * 60
    assert reasons(glance, patience=5) == {0: KeyReason.FIRST}


def test_a_head_that_swings_costs_no_more_than_one_picture_a_spacing() -> None:
    swinging = [moment(60 if i // 10 % 2 else 0) for i in range(1000)]
    keys = list(reasons(swinging, patience=3, spacing=50))
    assert 5 < len(keys) <= 20 and min(np.diff(keys)) >= 50


def test_a_rolled_head_is_the_same_picture() -> None:
    assert reasons([moment()] * 60 + [moment(roll=80)] * 60) == {0: KeyReason.FIRST}
    a, b = moment(10, pitch=5).motion, moment(10, pitch=5, roll=90).motion
    assert turn_between(a, b) == pytest.approx(0, abs=0.1)
    assert turn_between(moment(-20).motion, moment(25).motion) == pytest.approx(45, abs=0.01)
    assert turn_between(moment(pitch=-20).motion, moment(pitch=25).motion) == pytest.approx(45, abs=0.01)


def test_a_cut_is_followed_at_once_but_a_flash_costs_one_picture() -> None:
    assert reasons([moment()] * 20 + [moment(cut=True)] + [moment()] * 20) == {
        0: KeyReason.FIRST,
        20: KeyReason.SCENE_CUT,
    }
    strobe = [moment(cut=i % 2 == 1) for i in range(60)]
    keys = list(reasons(strobe, cut_spacing=6))
    assert min(np.diff(keys)) >= 6


def test_between_a_cut_and_its_key_frame_nothing_is_settled() -> None:
    placement = KeyPlacement(KeyPolicy(cut_spacing=6))
    placement.next(moment())
    assert placement.settled
    assert placement.next(moment(cut=True)) is None
    assert not placement.settled
    assert [placement.next(moment()) for _ in range(4)] == [None] * 4
    assert placement.next(moment()) is KeyReason.SCENE_CUT and placement.settled


def test_another_square_is_always_a_key_frame() -> None:
    found = reasons([moment()] * 3 + [moment(new_square=True)] + [moment()] * 3)
    assert found == {0: KeyReason.FIRST, 3: KeyReason.CROP}


def test_where_the_face_goes_and_where_it_comes_back_there_are_key_frames_and_none_between() -> None:
    away = [moment()] * 30 + [moment(face=False, grey=i) for i in range(200)] + [moment()] * 30
    assert reasons(away) == {0: KeyReason.FIRST, 30: KeyReason.NO_FACE, 230: KeyReason.FACE}


def test_the_clock_goes_on_without_a_face() -> None:
    assert list(reasons([moment(face=False)] * 100, interval=30)) == [0, 30, 60, 90]


def test_a_key_frame_for_somebody_elses_reason_starts_the_clock_again() -> None:
    placement = KeyPlacement(KeyPolicy(interval=30))
    found = []
    for index in range(60):
        if index == 20:
            placement.restart(moment())
        elif placement.next(moment()) is not None:
            found.append(index)
    assert found == [0, 50]


def test_a_receiver_can_ask() -> None:
    placement = KeyPlacement(KeyPolicy())
    placement.next(moment())
    placement.request()
    assert placement.next(moment()) is KeyReason.REQUEST
    assert placement.next(moment()) is None


def test_bounds_follow_the_frame_rate() -> None:
    slow, fast = KeyPolicy.for_rate(10, keyint=2.5), KeyPolicy.for_rate(60, keyint=2.5)
    assert (slow.interval, fast.interval) == (25, 150)
    assert fast.spacing == 6 * slow.spacing
    assert KeyPolicy.for_rate(25).interval is None
    for keyint in (0, -1, math.inf, math.nan):
        with pytest.raises(ValueError, match="keyint"):
            KeyPolicy.for_rate(25, keyint=keyint)
