"""The losses of face-vid2vid and one training step of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_standins import TINY_PAPER, StandInBackbone
from safetensors.torch import save_file
from torch import Tensor
from training_pack import random_squeezenet

from nvc.models.discriminator import DiscriminatorConfig, PatchDiscriminator
from nvc.models.layers import pixel_grid
from nvc.models.paper import PaperModel
from nvc.models.paper_keypoints import heat_centres
from nvc.pose import HeadMotion, keypoints
from nvc.training.augment import Similarity, transform_motion
from nvc.training.backbone import UnknownBackbone, backbone_of, load_backbone, paper_perceptual
from nvc.training.dropout import draw_kept, hold_tail
from nvc.training.kinds import task_for
from nvc.training.losses import SqueezeFeatures
from nvc.training.paper import PaperParts, PaperPrediction, paper_terms
from nvc.training.paper_losses import (
    LAYER_WEIGHTS,
    PaperWeights,
    PerceptualLoss,
    deformation_loss,
    equivariance_loss,
    head_pose_loss,
    keypoint_prior_loss,
)
from nvc.training.paper_task import PaperTask
from nvc.training.prior_task import PriorTask
from nvc.training.random_warp import RandomWarp
from nvc.training.vgg import VggFeatures, VggLayout

_JUDGE = DiscriminatorConfig(channels=(4, 8), strided=2, scales=1)


def test_weights_are_those_of_the_paper() -> None:
    w = PaperWeights()
    terms = (w.perceptual, w.adversarial, w.equivariance, w.keypoint_prior, w.head_pose, w.deformation)
    assert terms == (10, 1, 20, 10, 20, 5)
    assert LAYER_WEIGHTS == (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)


def test_perceptual_loss_adds_scales_and_the_face_network() -> None:
    def mean_of(pictures: Tensor) -> list[Tensor]:
        return [pictures] * 5

    picture, target = torch.full((1, 3, 16, 16), 0.75), torch.full((1, 3, 16, 16), 0.5)
    once = 0.25 * sum(LAYER_WEIGHTS)
    assert PerceptualLoss(mean_of)(picture, target).item() == pytest.approx(4 * once)
    assert PerceptualLoss(mean_of, mean_of)(picture, target).item() == pytest.approx(5 * once)
    assert PerceptualLoss(mean_of, scales=1)(picture, target).item() == pytest.approx(once)


def test_perceptual_loss_sees_fine_differences_at_full_size_only() -> None:
    sizes = []

    def record(pictures: Tensor) -> list[Tensor]:
        sizes.append(pictures.shape[-1])
        return [pictures] * 5

    checks = torch.eye(2).tile(8, 8).expand(1, 3, 16, 16)
    found = PerceptualLoss(record)(checks, 1 - checks)
    assert found.item() == pytest.approx(sum(LAYER_WEIGHTS))
    assert sizes == [16, 16, 8, 8, 4, 4, 2, 2]


def test_perceptual_loss_refuses_a_network_of_other_depth() -> None:
    with pytest.raises(ValueError, match="2 maps for 5 weights"):
        PerceptualLoss(lambda x: [x, x])(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))


def test_near_keypoints_repel_and_far_ones_do_not() -> None:
    apart = torch.tensor([[[-0.5, 0, 0.33], [0.5, 0, 0.33]]])
    assert keypoint_prior_loss(apart).item() == pytest.approx(0, abs=1e-6)
    near = torch.tensor([[[0.0, 0, 0.43], [0.1, 0, 0.43]]])
    # Both ordered pairs miss D_t = 0.1 by 0.1 - 0.01; the mean depth is 0.1 off.
    assert keypoint_prior_loss(near).item() == pytest.approx(2 * 0.09 + 0.1, abs=1e-6)


def test_head_pose_loss_is_in_degrees() -> None:
    angles = torch.tensor([[0.1, -0.2, 0.0]])
    assert head_pose_loss(angles, torch.zeros(1, 3)).item() == pytest.approx(math.degrees(0.1), rel=1e-5)


def test_deformation_and_equivariance_are_mean_distances() -> None:
    assert deformation_loss(torch.tensor([[[0.3, -0.3, 0.0]]])).item() == pytest.approx(0.2)
    points = torch.tensor([[[0.1, 0.2, 9.0]]])
    assert equivariance_loss(points, torch.tensor([[[0.2, 0.5]]])).item() == pytest.approx(0.2)


def test_a_warp_moves_what_is_drawn_where_it_moves_points() -> None:
    generator = torch.Generator().manual_seed(0)
    warp = RandomWarp.draw(4, generator, affine=0.1, spline=0.02)
    axis = (torch.arange(64) * 2 + 1) / 64 - 1
    ramps = torch.stack(torch.meshgrid(axis, axis, indexing="xy")).expand(4, 2, 64, 64)
    seen = warp.pictures(ramps)
    for row, column in ((32, 32), (20, 40), (44, 24)):
        p = torch.tensor([axis[column], axis[row]]).expand(4, 1, 2)
        torch.testing.assert_close(seen[:, :, row, column], warp.points(p)[:, 0], atol=1e-4, rtol=0)


def test_keypoints_that_follow_the_picture_are_equivariant_and_others_are_charged() -> None:
    # Three dots, found as the centres of heat maps in the picture and in the warped picture.
    generator = torch.Generator().manual_seed(3)
    warp = RandomWarp.draw(5, generator)
    places = torch.tensor([[0.3, -0.2], [-0.4, 0.1], [0.0, 0.4]])
    grid = pixel_grid(128, 128, places)
    heat = torch.exp(-(grid[None] - places[:, None, None]).square().sum(-1) / (2 * 0.03**2)).expand(5, -1, -1, -1)

    def found(maps: Tensor) -> Tensor:
        return heat_centres(maps.clamp(min=1e-9).log()[:, :, None])[..., :2]

    returned = warp.points(found(warp.pictures(heat)))
    assert (found(heat) - places).abs().max() < 1e-3
    assert equivariance_loss(found(heat), returned) < 2e-3
    stubborn = warp.points(found(heat))  # keypoints that stay where they are while the picture moves
    assert equivariance_loss(found(heat), stubborn) > 0.02


def test_keypoints_of_a_moved_head_are_the_moved_keypoints() -> None:
    generator = torch.Generator().manual_seed(6)
    moved = Similarity.draw(4, generator, shift=0.3, scale=0.4, roll=0.7)
    motion = HeadMotion.from_vector(0.3 * torch.randn(4, 7 + 12, generator=generator))
    basis, x_c = torch.eye(12).unflatten(1, (4, 3)), torch.randn(4, 3, generator=generator)
    before = keypoints(x_c, motion, basis)[..., :2]
    after = keypoints(x_c, transform_motion(motion, moved), basis)[..., :2]
    expected = before @ moved.matrix().transpose(1, 2) + moved.shift[:, None]
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)


def test_a_warp_without_spread_is_none() -> None:
    warp = RandomWarp.draw(2, affine=0, spline=0)
    picture, points = torch.rand(2, 3, 16, 16), torch.rand(2, 5, 2)
    torch.testing.assert_close(warp.points(points), points)
    torch.testing.assert_close(warp.pictures(picture), picture, atol=1e-5, rtol=0)


def test_warps_have_the_papers_spread() -> None:
    warp = RandomWarp.draw(4000, torch.Generator().manual_seed(1))
    assert warp.affine.std(0).mean().item() == pytest.approx(0.05, rel=0.05)
    assert warp.weights.shape == (4000, 25, 2)
    assert warp.weights.std().item() == pytest.approx(0.005, rel=0.05)


@given(units=st.integers(1, 64), most=st.floats(0, 1), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_kept_units_stay_in_range(units: int, most: float, seed: int) -> None:
    kept = draw_kept(50, units, torch.Generator().manual_seed(seed), most_dropped=most)
    assert kept.max() <= units and kept.min() >= units * (1 - most) - 1e-9


def test_at_most_three_quarters_of_the_keypoints_are_dropped() -> None:
    kept = draw_kept(2000, 20, torch.Generator().manual_seed(0))
    assert sorted(set(kept.tolist())) == list(range(5, 21))


@pytest.mark.parametrize(("units", "most"), [(0, 0.5), (4, 1.5), (4, -0.1)])
def test_impossible_dropout_is_refused(units: int, most: float) -> None:
    with pytest.raises(ValueError):
        draw_kept(1, units, most_dropped=most)


def test_the_tail_is_held_and_the_head_of_the_list_is_not() -> None:
    motion, held = HeadMotion.from_vector(torch.rand(2, 16)), HeadMotion.from_vector(torch.rand(2, 16))
    found = hold_tail(motion, held, torch.tensor([1, 3]), group=3)
    assert torch.equal(found.angles, motion.angles) and torch.equal(found.translation, motion.translation)
    assert torch.equal(found.expression[0, :3], motion.expression[0, :3])
    assert torch.equal(found.expression[0, 3:], held.expression[0, 3:])
    assert torch.equal(found.expression[1], motion.expression[1])


def _vgg(layout: VggLayout, *, numbered: bool) -> dict[str, Tensor]:
    from nvc.training.vgg import _WIDTHS, _needed

    tensors, inputs = {}, 3
    for block, name, number in _needed(layout):
        key = f"features.{number}" if numbered else name
        tensors[f"{key}.weight"] = torch.full((_WIDTHS[block], inputs, 3, 3), 1 / (9 * inputs))
        tensors[f"{key}.bias"] = torch.zeros(_WIDTHS[block])
        inputs = _WIDTHS[block]
    return tensors


def test_vgg_layers_have_the_numbers_that_torchvision_gives_them() -> None:
    vgg19 = [int(n.split(".")[1]) for n in _vgg(VggLayout.VGG19, numbered=True) if n.endswith("weight")]
    assert vgg19 == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28]
    vgg16 = [int(n.split(".")[1]) for n in _vgg(VggLayout.VGG_FACE, numbered=True) if n.endswith("weight")]
    assert vgg16 == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24]


def test_vgg_features_come_from_a_file_of_either_naming(tmp_path: Path) -> None:
    path, picture = tmp_path / "vgg.safetensors", torch.full((1, 3, 16, 16), 0.9)
    save_file(_vgg(VggLayout.VGG19, numbered=True), str(path))
    maps = VggFeatures.from_file(path, VggLayout.VGG19)(picture)
    assert [tuple(m.shape) for m in maps] == [
        (1, c, s, s) for c, s in zip((64, 128, 256, 512, 512), (16, 8, 4, 2, 1), strict=True)
    ]
    # Away from the border every kernel here takes the mean of what it sees.
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    assert maps[0][0, 0, 8, 8].item() == pytest.approx(((0.9 - mean) / deviation).mean().item(), rel=1e-4)
    save_file(_vgg(VggLayout.VGG_FACE, numbered=False), str(path))
    face = VggFeatures.from_file(path, VggLayout.VGG_FACE)(picture)
    expected = (0.9 * 255 - (129.186279296875 + 104.76238250732422 + 93.59396362304688) / 3) / 255
    assert face[0][0, 0, 8, 8].item() == pytest.approx(expected, rel=1e-4)


def test_vgg_weights_that_do_not_fit_are_refused() -> None:
    tensors = _vgg(VggLayout.VGG_FACE, numbered=False)
    with pytest.raises(ValueError, match="conv3_4"):
        VggFeatures(tensors, VggLayout.VGG19)
    tensors["conv2_1.weight"] = torch.zeros(128, 64, 1, 1)
    with pytest.raises(ValueError, match="conv2_1"):
        VggFeatures(tensors, VggLayout.VGG_FACE)


@pytest.mark.parametrize("numbered", [False, True])
def test_a_weights_file_says_which_network_it_holds(numbered: bool, tmp_path: Path) -> None:
    for layout in VggLayout:
        path = tmp_path / f"{layout.value}.safetensors"
        save_file(_vgg(layout, numbered=numbered), str(path))
        found = load_backbone(path)
        assert isinstance(found, VggFeatures) and found.layout is layout
    assert isinstance(backbone_of(random_squeezenet_tensors()), SqueezeFeatures)
    save_file({"something.weight": torch.zeros(1)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(UnknownBackbone, match="other.safetensors"):
        load_backbone(tmp_path / "other.safetensors")


def random_squeezenet_tensors() -> dict[str, Tensor]:
    return {name: torch.from_numpy(value).float() for name, value in random_squeezenet().items()}


def test_the_papers_task_compares_by_vgg19_and_vgg_face() -> None:
    vgg19, face = (VggFeatures(_vgg(layout, numbered=True), layout) for layout in (VggLayout.VGG19, VggLayout.VGG_FACE))
    for preset in ("paper-256", "prior-256"):
        task = task_for(preset, vgg19, face)
        assert isinstance(task, PaperTask | PriorTask)
        assert task.perceptual.backbone is vgg19 and task.perceptual.face is face
        assert task.perceptual.scales == 4 and task.perceptual.weights == LAYER_WEIGHTS


def test_squeezenet_stands_in_for_vgg_at_vggs_size() -> None:
    perceptual = paper_perceptual(backbone_of(random_squeezenet_tensors()))
    maps = perceptual.backbone(torch.rand(1, 3, 64, 64))
    assert len(maps) == len(LAYER_WEIGHTS)
    for features in maps[:1]:  # deep maps of random weights may be zero in places
        torch.testing.assert_close(features.square().mean(1), torch.ones(1, *features.shape[2:]), atol=1e-3, rtol=0)
    # 64 and 32 pixels are compared; smaller pictures have no deepest map.
    assert torch.isfinite(perceptual(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)))


def _pair() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(4, 3, 4, 4, generator=generator)
    pictures = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bicubic").clamp(0, 1)
    return pictures[:2], pictures[2:], 0.3 * torch.randn(2, 3, generator=generator)


def _predict(parts: PaperParts) -> PaperPrediction:
    source, driving, _ = _pair()
    warp = RandomWarp.draw(2, torch.Generator().manual_seed(2))
    return parts(source, source, driving, warp=warp, kept=torch.tensor([1, 4]))


def test_every_loss_is_there_and_every_weight_learns() -> None:
    torch.manual_seed(0)
    parts, judge = PaperParts(PaperModel(TINY_PAPER)).train(), PatchDiscriminator(_JUDGE)
    _, driving, angles = _pair()
    terms = paper_terms(_predict(parts), driving, angles, PerceptualLoss(StandInBackbone()), judge)
    assert set(terms) == {
        "perceptual",
        "adversarial",
        "feature_matching",
        "equivariance",
        "keypoint_prior",
        "head_pose",
        "deformation",
    }
    torch.stack(list(terms.values())).sum().backward()
    silent = [n for n, p in parts.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not silent
    assert all(p.grad is None for p in judge.parameters())


def test_dropped_keypoints_take_no_gradient_from_the_picture() -> None:
    torch.manual_seed(0)
    parts = PaperParts(PaperModel(TINY_PAPER)).train()
    out = _predict(parts)
    out.estimate.delta.retain_grad()
    out.picture.square().sum().backward()
    assert out.estimate.delta.grad is not None
    moved = out.estimate.delta.grad.abs().sum(2)
    assert (moved[0, 1:] == 0).all() and (moved[0, 0] > 0) and (moved[1] > 0).all()


def test_ten_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    parts, perceptual = PaperParts(PaperModel(TINY_PAPER)).train(), PerceptualLoss(StandInBackbone())
    optimiser = torch.optim.Adam(parts.parameters(), 1e-3, betas=(0.5, 0.999))
    _, driving, angles = _pair()
    history = []
    for _ in range(11):
        terms = paper_terms(_predict(parts), driving, angles, perceptual)
        loss = torch.stack(list(terms.values())).sum()
        history.append({k: v.item() for k, v in terms.items()} | {"total": loss.item()})
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert history[-1]["total"] < 0.8 * history[0]["total"]
    assert history[-1]["perceptual"] < history[0]["perceptual"]
    assert history[-1]["head_pose"] < history[0]["head_pose"]
