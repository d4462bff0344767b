"""The algebra of heads: properties that hold for every head."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nvc.pose import (
    POSE_COUNT,
    HeadMotion,
    align,
    deformation,
    euler_to_matrix,
    keypoints,
    matrix_to_euler,
    redirect,
    rotation_between,
)

_HALF_TURN = st.floats(-3.1, 3.1)
_QUARTER_TURN = st.floats(-1.5, 1.5)
_SEEDS = st.integers(0, 10_000)


def _head(seed: int, *, heads: int = 3, expression: int = 4) -> tuple[Tensor, HeadMotion, Tensor]:
    # Canonical keypoints [5, 3], heads, and an expression basis [expression, 5, 3].
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    motion = HeadMotion(0.6 * draw(heads, 3), draw(heads, 3), 0.5 * draw(heads, 1), draw(heads, expression))
    return draw(5, 3), motion, draw(expression, 5, 3)


@given(pitch=_HALF_TURN, yaw=_QUARTER_TURN, roll=_HALF_TURN)
@settings(max_examples=60, deadline=None)
def test_angles_survive_the_way_through_a_matrix(pitch: float, yaw: float, roll: float) -> None:
    angles = torch.tensor([[pitch, yaw, roll]], dtype=torch.float64)
    torch.testing.assert_close(matrix_to_euler(euler_to_matrix(angles)), angles, atol=1e-6, rtol=0)


@given(pitch=_HALF_TURN, yaw=_HALF_TURN, roll=_HALF_TURN)
@settings(max_examples=60, deadline=None)
def test_a_matrix_is_a_rotation_and_survives_the_way_through_angles(pitch: float, yaw: float, roll: float) -> None:
    rotation = euler_to_matrix(torch.tensor([pitch, yaw, roll], dtype=torch.float64))
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=torch.float64))
    assert torch.det(rotation).item() == pytest.approx(1)
    torch.testing.assert_close(euler_to_matrix(matrix_to_euler(rotation)), rotation, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("angles", "start", "end"),
    [
        # Right-handed turns about x (right), y (down) and z (away from the camera).
        ([math.pi / 2, 0, 0], [0, 1, 0], [0, 0, 1]),
        ([0, math.pi / 2, 0], [0, 0, 1], [1, 0, 0]),
        ([0, 0, math.pi / 2], [1, 0, 0], [0, 1, 0]),
    ],
)
def test_each_angle_turns_about_its_axis(angles: list[float], start: list[float], end: list[float]) -> None:
    turned = euler_to_matrix(torch.tensor(angles)) @ torch.tensor(start, dtype=torch.float32)
    torch.testing.assert_close(turned, torch.tensor(end, dtype=torch.float32), atol=1e-6, rtol=0)


@given(pitch=_HALF_TURN, yaw=_HALF_TURN, roll=_HALF_TURN)
@settings(max_examples=20, deadline=None)
def test_pitch_comes_first_and_roll_last(pitch: float, yaw: float, roll: float) -> None:
    alone = [torch.zeros(3, dtype=torch.float64) for _ in range(3)]
    for axis, value in enumerate((pitch, yaw, roll)):
        alone[axis][axis] = value
    x, y, z = (euler_to_matrix(a) for a in alone)
    torch.testing.assert_close(euler_to_matrix(torch.tensor([pitch, yaw, roll], dtype=torch.float64)), z @ y @ x)


def test_keypoints_are_s_r_of_shape_plus_t() -> None:
    x_c, motion, basis = _head(1)
    found = keypoints(x_c, motion, basis)
    for b in range(3):
        rotation, scale = euler_to_matrix(motion.angles[b]), 2 ** motion.log2_scale[b]
        for k in range(5):
            delta = sum((motion.expression[b, n] * basis[n, k] for n in range(4)), torch.zeros(3, dtype=torch.float64))
            expected = scale * (rotation @ (x_c[k] + delta)) + motion.translation[b]
            torch.testing.assert_close(found[b, k], expected)


@given(seed=_SEEDS)
@settings(max_examples=30, deadline=None)
def test_keypoints_turn_shift_and_grow_with_the_head(seed: int) -> None:
    x_c, motion, basis = _head(seed)
    turn = euler_to_matrix(0.7 * torch.randn(3, generator=torch.Generator().manual_seed(seed + 1)).double())
    shift, octaves = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64), 0.75
    moved = HeadMotion(
        matrix_to_euler(turn @ euler_to_matrix(motion.angles)),
        2**octaves * motion.translation @ turn.T + shift,
        motion.log2_scale + octaves,
        motion.expression,
    )
    expected = 2**octaves * keypoints(x_c, motion, basis) @ turn.T + shift
    torch.testing.assert_close(keypoints(x_c, moved, basis), expected, atol=1e-6, rtol=1e-6)


@given(seed=_SEEDS)
@settings(max_examples=30, deadline=None)
def test_redirection_turns_about_the_heads_own_origin_and_then_shifts(seed: int) -> None:
    x_c, motion, basis = _head(seed)
    angles, shift = torch.tensor([0.1, -0.4, 0.2], dtype=torch.float64), torch.tensor([0.1, 0.2, 0.3]).double()
    found = redirect(motion, angles=angles, translation=shift)
    t = motion.translation[:, None]
    expected = (keypoints(x_c, motion, basis) - t) @ euler_to_matrix(angles).T + t + shift
    torch.testing.assert_close(keypoints(x_c, found, basis), expected, atol=1e-6, rtol=1e-6)
    assert torch.equal(found.log2_scale, motion.log2_scale) and torch.equal(found.expression, motion.expression)


def test_redirection_by_nothing_changes_nothing_and_back_undoes_it() -> None:
    _, motion, _ = _head(3)
    nothing = torch.zeros(3, dtype=torch.float64)
    same = redirect(motion, angles=nothing, translation=nothing)
    torch.testing.assert_close(same.vector(), motion.vector())
    turn, shift = torch.tensor([0.2, 0.3, -0.1]).double(), torch.tensor([0.5, 0.0, -0.5]).double()
    back = matrix_to_euler(euler_to_matrix(turn).T)
    undone = redirect(redirect(motion, angles=turn, translation=shift), angles=back, translation=-shift)
    torch.testing.assert_close(undone.vector(), motion.vector())


@given(seed=_SEEDS)
@settings(max_examples=30, deadline=None)
def test_align_recovers_a_known_similarity(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    reference = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    weights = torch.rand(9, generator=generator, dtype=torch.float64) + 0.1
    _, motion, _ = _head(seed)
    rotation, scale = euler_to_matrix(motion.angles), torch.exp2(motion.log2_scale[:, 0])
    points = scale[:, None, None] * reference @ rotation.transpose(1, 2) + motion.translation[:, None]
    s, r, t = align(points, reference, weights)
    torch.testing.assert_close(s, scale)
    torch.testing.assert_close(r, rotation)
    torch.testing.assert_close(t, motion.translation)


def test_align_gives_a_rotation_even_for_a_mirrored_face() -> None:
    reference = torch.randn(9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mirrored = (reference * torch.tensor([-1.0, 1.0, 1.0]).double())[None]
    _, rotation, _ = align(mirrored, reference, torch.ones(9, dtype=torch.float64))
    assert torch.det(rotation).item() == pytest.approx(1)


def test_align_listens_to_the_weights() -> None:
    reference = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = reference[None].clone()
    points[0, 5] += 3.0  # one point is wild, and has no say
    weights = torch.tensor([1.0, 1, 1, 1, 1, 0]).double()
    scale, rotation, translation = align(points, reference, weights)
    torch.testing.assert_close(scale, torch.ones(1).double())
    torch.testing.assert_close(rotation[0], torch.eye(3).double())
    torch.testing.assert_close(translation[0], torch.zeros(3).double(), atol=1e-9, rtol=0)


def test_a_vector_holds_all_numbers_in_the_order_of_the_stream() -> None:
    vector = torch.arange(24.0).view(2, 12)
    motion = HeadMotion.from_vector(vector)
    assert motion.angles[0].tolist() == [0, 1, 2] and motion.translation[0].tolist() == [3, 4, 5]
    assert motion.log2_scale[0].tolist() == [6] and motion.expression[0].tolist() == [7, 8, 9, 10, 11]
    assert torch.equal(motion.vector(), vector)
    assert torch.equal(motion[1:].vector(), vector[1:])


@pytest.mark.parametrize("shape", [(POSE_COUNT,), (2, POSE_COUNT - 1), (1, 2, POSE_COUNT)])
def test_what_is_no_motion_vector_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="motion vector"):
        HeadMotion.from_vector(torch.zeros(shape))


def test_missing_coefficients_are_zero() -> None:
    _, motion, basis = _head(5)
    short = torch.cat([motion.expression[:, :2], torch.zeros(3, 2).double()], 1)
    torch.testing.assert_close(deformation(motion.expression[:, :2], basis), deformation(short, basis))


@given(degrees=st.floats(1, 179), seed=_SEEDS)
@settings(max_examples=30, deadline=None)
def test_the_rotation_between_two_heads_is_its_angle(degrees: float, seed: int) -> None:
    _, motion, _ = _head(seed, heads=1)
    turn = torch.zeros(3, dtype=torch.float64)
    turn[seed % 3] = math.radians(degrees)
    moved = redirect(motion, angles=turn, translation=torch.zeros(3, dtype=torch.float64))
    assert rotation_between(motion, moved).item() == pytest.approx(degrees, abs=1e-3)
