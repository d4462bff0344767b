"""Expression editing: a control does what it names and nothing else, whatever the weights."""

from __future__ import annotations

import pytest
import torch
from streams import tiny

from nvc.expression import (
    BOTH,
    ControlSpace,
    ExpressionEdit,
    ExpressionEditor,
    ExpressionUnavailable,
    Setting,
    control_names,
    settings_from,
)
from nvc.models import zoo
from nvc.pose import HeadMotion, deformation


@pytest.fixture(scope="module")
def lite():
    return zoo.load("lite-256")


@pytest.fixture(scope="module")
def space(lite) -> ControlSpace:
    return ControlSpace.of(lite)


def faces(count: int, size: int) -> HeadMotion:
    expression = 0.05 * torch.randn(count, size, generator=torch.Generator().manual_seed(1))
    return HeadMotion(torch.zeros(count, 3), torch.zeros(count, 3), torch.zeros(count, 1), expression)


def edited(space: ControlSpace, edit: ExpressionEdit, motion: HeadMotion, rest: torch.Tensor) -> torch.Tensor:
    changed = ExpressionEditor(edit, space, rest).apply(motion)
    assert torch.equal(changed.angles, motion.angles)
    return space.amounts(changed.expression, rest)


def test_directions_and_measures_are_each_other_s_inverse(space):
    assert torch.allclose(space.measures @ space.directions.T, torch.eye(len(space.names)), atol=1e-3)


def test_every_control_of_the_issue_is_there():
    wanted = {"smile", "jaw", "brow", "blink", "blink_left", "blink_right", "gaze_x", "gaze_y", "pucker"}
    assert set(control_names()) == wanted


def test_a_set_control_has_its_amount_whatever_the_face_does(space):
    motion, rest = faces(5, 32), torch.full((32,), 0.01)
    before = space.amounts(motion.expression, rest)
    after = edited(space, ExpressionEdit.parse("smile=0.6,blink=0"), motion, rest)
    names = list(space.names)
    assert torch.allclose(after[:, names.index("smile")], torch.tensor(0.6), atol=1e-3)
    for part in BOTH["blink"]:
        assert torch.allclose(after[:, names.index(part)], torch.tensor(0.0), atol=1e-3)
    others = [i for i, name in enumerate(names) if name not in ("smile", *BOTH["blink"])]
    assert torch.allclose(after[:, others], before[:, others], atol=1e-3)


def test_an_added_amount_comes_on_top(space):
    motion, rest = faces(3, 32), torch.zeros(32)
    before = space.amounts(motion.expression, rest)
    after = edited(space, ExpressionEdit.parse("jaw+=0.5,brow-=0.25"), motion, rest)
    names = list(space.names)
    change = after - before
    assert torch.allclose(change[:, names.index("jaw")], torch.tensor(0.5), atol=1e-3)
    assert torch.allclose(change[:, names.index("brow")], torch.tensor(-0.25), atol=1e-3)


def test_neutralising_holds_the_face_at_rest_and_exaggerating_doubles_what_it_does(space):
    motion, rest = faces(4, 32), torch.full((32,), 0.02)
    still = ExpressionEditor(ExpressionEdit(strength=0), space, rest).apply(motion)
    assert torch.allclose(still.expression, rest.expand(4, 32))
    double = ExpressionEditor(ExpressionEdit(strength=2), space, rest).apply(motion)
    assert torch.allclose(double.expression - rest, 2 * (motion.expression - rest), atol=1e-6)


def test_an_open_jaw_opens_the_lips_and_a_smile_lifts_the_corners(lite, space):
    """In the keypoints themselves: 13 and 14 are the inner lips, 61 and 291 the corners; y points down."""
    move = {
        name: deformation(space.directions[j][None], lite.expression_basis)[0] for j, name in enumerate(space.names)
    }
    upper, lower, corners = 0, 1, [8, 9]
    assert move["jaw"][lower, 1] - move["jaw"][upper, 1] > 0.05
    assert (move["smile"][corners, 1] < -0.01).all() and move["smile"][9, 0] - move["smile"][8, 0] > 0.02
    assert (move["gaze_x"][[16, 17], 0] > 0.01).all()  # the irises
    assert move["blink_left"][19, 1] > 5 * abs(move["blink_left"][18, 1])  # the left upper lid, not the right one


def test_the_face_at_rest_is_not_its_mean(space):
    """Eyes that blink now and then are open at rest."""
    names, rest = list(space.names), torch.zeros(32)
    moving = torch.zeros(20, 32)
    moving[:3] = space.directions[names.index("blink_left")] + space.directions[names.index("blink_right")]
    found = space.amounts(space.rest_of(moving)[None], rest)[0]
    assert abs(found[names.index("blink_left")]) < 0.05


@pytest.mark.parametrize("text", ["smile", "smile=", "smile=x", "=1", "smile:1", "smile=1;jaw=1", "smile=--1"])
def test_what_cannot_be_read_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="must be like smile=0.6"):
        ExpressionEdit.parse(text)


def test_unknown_controls_and_wild_amounts_are_refused():
    with pytest.raises(ExpressionUnavailable, match="there are blink, jaw"):
        ExpressionEdit.parse("sneer=1")
    for text in ("smile=9", "smile=nan"):
        with pytest.raises(ValueError):
            ExpressionEdit.parse(text)
    for strength in (-0.1, 3.5, float("nan")):
        with pytest.raises(ValueError, match="strength"):
            ExpressionEdit(strength=strength)


def test_what_goes_too_far_is_warned_of():
    assert ExpressionEdit.parse("smile=0.6,gaze_x=-1").warnings() == ()
    assert "jaw" in ExpressionEdit.parse("jaw=1.5").warnings()[0]
    assert "exaggerated" in ExpressionEdit(strength=2).warnings()[0]


def test_models_know_only_the_controls_that_their_keypoints_show():
    space = ControlSpace.of(tiny())
    assert space.names == ("jaw",)
    rest = torch.zeros(8)
    after = edited(space, ExpressionEdit.parse("jaw=0.4"), faces(2, 8), rest)
    assert torch.allclose(after, torch.tensor(0.4), atol=1e-3)
    with pytest.raises(ExpressionUnavailable, match="do not show gaze_x"):
        edited(space, ExpressionEdit.parse("gaze_x=1"), faces(2, 8), rest)


def test_keypoints_that_have_no_names_cannot_be_edited():
    with pytest.raises(ExpressionUnavailable, match="have no names"):
        ControlSpace.of(zoo.build("paper-256"))


def test_sliders_at_zero_ask_for_nothing():
    assert settings_from({"smile": 0.0, "jaw": 0.3}) == (Setting("jaw", 0.3, add=True),)
