"""The free view: nothing asked, nothing changed; what is asked is what the head does."""

from __future__ import annotations

import math

import pytest
import torch

from nvc.pose import HeadMotion
from nvc.view import View


def heads(*angles: tuple[float, float, float]) -> HeadMotion:
    """Heads with pitch, yaw and roll in degrees."""
    turned = torch.tensor(angles) * math.pi / 180
    count = len(angles)
    return HeadMotion(turned, torch.full((count, 3), 0.1), torch.zeros(count, 1), torch.arange(4.0).expand(count, 4))


def degrees(motion: HeadMotion) -> list[list[float]]:
    return (motion.angles * 180 / math.pi).tolist()


def test_no_view_changes_no_bit() -> None:
    motion = heads((5, -12, 3))
    assert View().apply(motion) is motion


def test_angles_add_to_a_frontal_head() -> None:
    seen = View(yaw=20, pitch=-10, roll=5).apply(heads((0, 0, 0)))
    assert degrees(seen)[0] == pytest.approx([-10, 20, 5], abs=1e-3)


def test_frontal_holds_the_head_and_lets_the_expression_play() -> None:
    motion = heads((5, -12, 3), (9, 30, -4))
    seen = View(frontal=True).apply(motion)
    assert torch.allclose(seen.angles, torch.zeros(2, 3), atol=1e-6)
    assert torch.equal(seen.expression, motion.expression)
    assert degrees(View(frontal=True, yaw=15).apply(motion))[1] == pytest.approx([0, 15, 0], abs=1e-3)


def test_a_turn_is_the_viewers_not_the_heads() -> None:
    """R_u R_d: a head on its shoulder, seen from the side, nods; its own angles do not simply add up."""
    seen = degrees(View(yaw=40).apply(heads((0, 0, 30))))[0]
    assert seen != pytest.approx([0, 40, 30], abs=5)
    assert abs(seen[0]) > 15


def test_a_shift_moves_the_head() -> None:
    seen = View(x=0.25, y=-0.5).apply(heads((0, 0, 0)))
    assert seen.translation[0].tolist() == pytest.approx([0.35, -0.4, 0.1])


@pytest.mark.parametrize("view", [{"yaw": 181}, {"pitch": float("nan")}, {"roll": -200}, {"x": 3}, {"y": float("inf")}])
def test_views_out_of_range_are_refused(view: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        View(**view)


def test_far_views_are_warned_of_and_near_ones_not() -> None:
    assert View(yaw=30, pitch=-20, roll=45, x=0.5).warnings() == ()
    assert len(View(yaw=-31, roll=60, y=-0.6).warnings()) == 3
    assert "likeness" in View(pitch=25).warnings()[0]
