"""face-vid2vid as published: sizes, cost, and the algebra of its flows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from paper_standins import TINY_PAPER
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bitstream import ExpressionTransform
from nvc.models.paper import PaperModel
from nvc.models.paper_config import PAPER_PRESETS, FlowOrder
from nvc.models.paper_dense_motion import candidate_flows, volume_grid
from nvc.models.paper_keypoints import heat_centres
from nvc.models.paper_motion_estimator import PaperEstimate, expected_angle
from nvc.pose import HeadMotion, euler_to_matrix, keypoints, redirect


@cache
def _on_paper(name: str) -> PaperModel:
    with torch.device("meta"):
        return PaperModel(PAPER_PRESETS[name]).eval()


@cache
def _tiny() -> PaperModel:
    torch.manual_seed(3)
    return PaperModel(TINY_PAPER).eval().requires_grad_(False)


def _motion(heads: int, expression: int, *, seed: int = 0, spread: float = 0.3) -> HeadMotion:
    generator = torch.Generator().manual_seed(seed)
    vector = spread * torch.randn(heads, 7 + expression, generator=generator)
    vector[:, 6] = 0
    return HeadMotion.from_vector(vector)


@pytest.mark.parametrize(
    ("part", "millions"),
    [("source", 0.84), ("detector", 41.9), ("estimator", 24.1), ("dense_motion", 38.9), ("generator", 8.7)],
)
def test_parameters_are_those_of_the_paper(part: str, millions: float) -> None:
    count = sum(p.numel() for p in getattr(_on_paper("paper-256"), part).parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.05)


def _calls(model: PaperModel) -> dict[str, tuple[float, Callable[[], object]]]:
    # Multiply-adds in units of 1e9 that the paper's blocks need, and the call that spends them.
    config = model.config
    pictures = torch.empty(1, 3, config.side, config.side, device="meta")
    volume = torch.empty(1, 32, 16, config.volume_side, config.volume_side, device="meta")
    points = torch.empty(1, 20, 3, device="meta")
    motion = HeadMotion.from_vector(torch.empty(1, 67, device="meta"))
    field = model.dense_motion(volume, points, points, motion, motion)
    return {
        "F": (32.6, lambda: model.appearance(pictures)),
        "L": (19.6, lambda: model.canonical(pictures)),
        "H": (5.6, lambda: model.estimate(pictures)),
        "M": (109.6, lambda: model.dense_motion(volume, points, points, motion, motion)),
        "G": (44.4, lambda: model.generator(volume, field)),
    }


@pytest.mark.parametrize("part", ["F", "L", "H", "M", "G"])
def test_cost_is_that_of_the_paper(part: str) -> None:
    expected, call = _calls(_on_paper("paper-256"))[part]
    with FlopCounterMode(display=False) as counter:
        call()
    assert counter.get_total_flops() / 2e9 == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("name", list(PAPER_PRESETS))
def test_shapes_of_every_part(name: str) -> None:
    model = _on_paper(name)
    side = model.config.side
    pictures = torch.empty(2, 3, side, side, device="meta")
    source, x_c, motion = model.appearance(pictures[:1]), model.canonical(pictures), model.estimate(pictures)
    assert source.volume.shape == (1, 32, 16, side // 4, side // 4)
    assert x_c.shape == (2, 20, 3)
    assert motion.vector().shape == (2, 7 + 60)
    drawn, field = model.draw(source.repeat(2), x_c, motion, motion)
    assert field.masks.shape == (2, 21, 16, side // 4, side // 4)
    assert field.flow.shape == (2, 16, side // 4, side // 4, 3)
    assert field.visible.shape == (2, 1, side // 4, side // 4)
    assert drawn.shape == model.render(source, x_c[:1], motion[:1], motion).shape == (2, 3, side, side)


def test_training_at_512_starts_from_the_weights_of_256() -> None:
    small, large = _on_paper("paper-256").state_dict(), _on_paper("paper-512").state_dict()
    assert {k: v.shape for k, v in small.items()} == {k: v.shape for k, v in large.items()}


def test_configuration_says_what_the_stream_needs() -> None:
    config = PAPER_PRESETS["paper-256"]
    assert (config.name, config.side, config.keypoints, config.expression) == ("paper-256", 256, 20, 60)
    assert config.expression_transform is ExpressionTransform.KEYPOINTS
    assert config.bins == 66 and config.bin_degrees == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"keypoints": 0},
        {"pose_blocks": (1,)},
        {"generator_channels": (8, 8)},
        {"side": 36},
        {"motion_channels": (8, 8, 8, 8)},
        {"keypoint_side": 18},
    ],
)
def test_impossible_sizes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(TINY_PAPER, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("bin_index", "degrees"), [(0, -99), (33, 0), (34, 3), (65, 96)])
def test_a_bin_stands_for_three_degrees(bin_index: int, degrees: float) -> None:
    logits = torch.full((66,), -50.0)
    logits[bin_index] = 50
    assert math.degrees(expected_angle(logits, 3.0).item()) == pytest.approx(degrees, abs=1e-3)


def test_an_angle_is_the_mean_of_its_histogram() -> None:
    logits = torch.full((66,), -50.0)
    logits[40], logits[42] = math.log(0.25), math.log(0.75)
    assert math.degrees(expected_angle(logits, 3.0).item()) == pytest.approx(0.25 * 21 + 0.75 * 27, abs=1e-3)


def test_keypoints_of_an_estimate_are_the_papers() -> None:
    estimate = PaperEstimate(0.5 * torch.randn(3, 3), torch.randn(3, 3), torch.randn(3, 4, 3))
    x_c = torch.randn(3, 4, 3)
    found = keypoints(x_c, estimate.motion(), _tiny().expression_basis)
    rotation = euler_to_matrix(estimate.angles)
    expected = torch.stack(
        [
            torch.stack([rotation[b] @ x_c[b, k] + estimate.translation[b] + estimate.delta[b, k] for k in range(4)])
            for b in range(3)
        ]
    )
    torch.testing.assert_close(found, expected)


def test_a_redirected_head_takes_its_expression_along() -> None:
    estimate = PaperEstimate(0.3 * torch.randn(1, 3), torch.randn(1, 3), torch.randn(1, 4, 3))
    x_c, basis = torch.randn(4, 3), _tiny().expression_basis
    turn, shift = torch.tensor([0.1, 0.4, -0.2]), torch.tensor([0.1, 0.0, 0.3])
    before = keypoints(x_c, estimate.motion(), basis) - estimate.translation[:, None]
    after = keypoints(x_c, redirect(estimate.motion(), angles=turn, translation=shift), basis)
    expected = before @ euler_to_matrix(turn).T + estimate.translation[:, None] + shift
    torch.testing.assert_close(after, expected)


def test_the_centre_of_a_peak_is_its_cell() -> None:
    logits = torch.full((1, 2, 4, 8, 16), -60.0)
    logits[0, 0, 1, 6, 3] = logits[0, 1, 3, 0, 15] = 60
    # Cell i of n has its centre at (2 i + 1) / n - 1.
    expected = torch.tensor([[[7 / 16 - 1, 13 / 8 - 1, 3 / 4 - 1], [31 / 16 - 1, 1 / 8 - 1, 7 / 4 - 1]]])
    torch.testing.assert_close(heat_centres(logits), expected)


def test_flows_are_those_of_equation_four() -> None:
    source, driving = _motion(2, 0, seed=1), _motion(2, 0, seed=2)
    x_s, x_d = torch.randn(2, 3, 3), torch.randn(2, 3, 3)
    grid = volume_grid((2, 4, 4), x_d)
    flows = candidate_flows(grid, x_s, x_d, source, driving, order=FlowOrder.FIRST)
    assert flows.shape == (2, 4, 2, 4, 4, 3)
    for b in range(2):
        turn = euler_to_matrix(source.angles)[b] @ torch.linalg.inv(euler_to_matrix(driving.angles)[b])
        torch.testing.assert_close(flows[b, 0], grid)
        for k in range(3):
            p = grid[1, 2, 3]
            torch.testing.assert_close(flows[b, 1 + k, 1, 2, 3], turn @ (p - x_d[b, k]) + x_s[b, k])


def test_flows_of_order_zero_only_shift() -> None:
    x_s, x_d = torch.randn(1, 3, 3), torch.randn(1, 3, 3)
    grid = volume_grid((2, 4, 4), x_d)
    flows = candidate_flows(grid, x_s, x_d, _motion(1, 0, seed=1), _motion(1, 0, seed=2), order=FlowOrder.ZEROTH)
    torch.testing.assert_close(flows[0, 2], grid + (x_s - x_d)[0, 1])


def test_every_keypoint_comes_from_where_it_was() -> None:
    source, driving = _motion(1, 0, seed=4), _motion(1, 0, seed=5)
    x_s, x_d = torch.randn(1, 1, 3), torch.randn(1, 1, 3)
    flows = candidate_flows(x_d[None], x_s, x_d, source, driving, order=FlowOrder.FIRST)
    torch.testing.assert_close(flows[0, 1].flatten(), x_s.flatten())


def test_the_flow_of_an_unmoved_head_is_the_identity() -> None:
    model = _tiny()
    source = model.appearance(torch.rand(2, 3, 32, 32))
    motion = _motion(2, 12)
    points = keypoints(torch.randn(4, 3), motion, model.expression_basis)
    field = model.dense_motion(source.volume, points, points, motion, motion)
    grid = volume_grid(source.volume.shape[2:], points)
    assert (field.flow - grid).abs().max() < 1e-5


def test_masks_share_every_point_and_occlusion_is_a_share() -> None:
    model = _tiny()
    source = model.appearance(torch.rand(1, 3, 32, 32))
    _, field = model.draw(source, torch.randn(4, 3), _motion(1, 12, seed=1), _motion(1, 12, seed=2))
    torch.testing.assert_close(field.masks.sum(1), torch.ones(1, 4, 8, 8))
    assert field.visible.min() >= 0 and field.visible.max() <= 1


def test_one_source_drives_many_heads_as_it_drives_each() -> None:
    model = _tiny()
    source, x_c = model.appearance(torch.rand(1, 3, 32, 32)), torch.randn(1, 4, 3)
    still, motion = _motion(1, 12, seed=1), _motion(3, 12, seed=2)
    together = model.render(source, x_c, still, motion)
    alone = torch.cat([model.render(source, x_c, still, motion[i : i + 1]) for i in range(3)])
    assert together.shape == (3, 3, 32, 32) and together.min() >= 0 and together.max() <= 1
    torch.testing.assert_close(together, alone)
    assert (together[0] - together[1]).abs().max() > 1e-4


def test_estimates_have_no_scale_and_pictures_of_any_size() -> None:
    model = _tiny()
    motion = model.estimate(torch.rand(2, 3, 48, 48))
    assert motion.vector().shape == (2, 19)
    assert motion.log2_scale.abs().max() == 0
    assert motion.angles.abs().max() < math.radians(99)
    assert model.canonical(torch.rand(1, 3, 48, 48)).abs().max() < 1


def _grid_of_colour() -> Tensor:
    ramp = torch.linspace(0, 1, 32)
    return torch.stack([ramp.expand(32, 32), ramp[:, None].expand(32, 32), torch.full((32, 32), 0.5)])[None]


def test_a_shift_of_the_head_shifts_the_volume() -> None:
    model = _tiny()
    volume = model.appearance(_grid_of_colour()).volume
    points = 0.2 * torch.randn(1, 4, 3)
    still = HeadMotion.from_vector(torch.zeros(1, 19))
    shift = torch.tensor([0.25, 0.0, 0.0])  # one cell of eight
    flows = candidate_flows(
        volume_grid(volume.shape[2:], points), points, points + shift, still, still, order=FlowOrder.FIRST
    )
    warped = model.dense_motion._warped(volume, flows)
    small = model.dense_motion.compress(volume)
    torch.testing.assert_close(warped[:, 0], small)
    torch.testing.assert_close(warped[:, 1, ..., 1:], small[..., :-1], atol=1e-5, rtol=1e-4)


def test_only_g_and_no_other_part_has_spectral_norm() -> None:
    names = [n for n in _tiny().state_dict() if n.endswith("weight.original")]
    convolutions = [m for m in _tiny().generator.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(names) == len(convolutions) and all(n.startswith("generator.") for n in names)
