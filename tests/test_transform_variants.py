"""The two variants of the lite model that are compared to choose an expression transform."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from training_pack import mean_face, write_pack

from benchmarks.transform_training import VariantTask, recipe
from benchmarks.transform_variants import (
    SIDE,
    Seen,
    UnsupervisedModel,
    Variant,
    anchors,
    arrived,
    build,
    draw_prior,
    draw_unsupervised,
    rebuilt,
)
from nvc.pose import HeadMotion, keypoints
from nvc.training.backbone import load_backbone
from nvc.training.data import PackedClips
from nvc.training.loop import Trainer


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("pack"))


def _heads(count: int, expression: int, seed: int) -> HeadMotion:
    vector = 0.2 * torch.randn(count, 7 + expression, generator=torch.Generator().manual_seed(seed))
    return HeadMotion.from_vector(vector)


@pytest.mark.parametrize("variant", list(Variant))
def test_ten_steps_through_the_loop_lower_the_loss(variant: Variant, pack: Path, tmp_path: Path) -> None:
    data = PackedClips(pack, mean=mean_face())
    trainer = Trainer(recipe(11), data, VariantTask(variant, load_backbone(pack / "squeeze.npz")), tmp_path)
    torch.manual_seed(1)
    assert trainer._sampler is None
    rows = [trainer.step() for _ in range(11)]
    pictures = [r["pixel"] + r["perceptual"] + r["copied"] for r in rows]
    assert np.mean(pictures[-4:]) < np.mean(pictures[:4])
    own = {"equivariance", "keypoint_prior", "head_pose", "deformation"}
    assert (own <= set(rows[0])) is (variant is Variant.UNSUPERVISED)


@pytest.mark.parametrize("variant", list(Variant))
def test_a_frame_costs_less_than_two_and_a_half_gigaflop(variant: Variant) -> None:
    model = build(variant).eval().requires_grad_(False)
    picture = torch.rand(1, 3, SIDE, SIDE)
    with FlopCounterMode(display=False) as counter:
        if isinstance(model, UnsupervisedModel):
            seen = model.see(picture)
            x_c = model.canonical_of(seen)
            draw_unsupervised(
                model, model.appearance(picture), x_c, model.source_motion(seen), model.motion_to(x_c, seen)
            )
        else:
            still = _heads(1, 32, 0)
            draw_prior(
                model, model.appearance(picture), torch.rand(1, 16, 3), still, rebuilt(still, model.expression_basis)
            )
    # F, once a key frame, is counted in.
    assert counter.get_total_flops() < 2.5e9


def test_first_places_are_apart_and_every_prefix_spreads_over_the_face() -> None:
    places = anchors(20)
    assert torch.pdist(places[:, :2]).min() > 0.15
    assert places[:, 2].mean() == pytest.approx(0.33, abs=1e-5)
    assert places[:5, :2].std(0).min() > 0.15


def test_unsupervised_motion_takes_keypoints_where_they_are_seen() -> None:
    model = build(Variant.UNSUPERVISED)
    assert isinstance(model, UnsupervisedModel)
    generator = torch.Generator().manual_seed(3)
    source, driven = (
        Seen(*(0.3 * torch.randn(*s, generator=generator) for s in ((2, 3), (2, 20, 2), (2, 20)))) for _ in range(2)
    )
    x_c, basis = model.canonical_of(source), model.deform_basis()
    still = model.source_motion(source)
    assert still.expression.abs().max() == 0
    torch.testing.assert_close(keypoints(x_c, still, basis)[..., :2], source.places, atol=1e-5, rtol=0)
    motion = model.motion_to(x_c, driven)
    torch.testing.assert_close(keypoints(x_c, motion, basis)[..., :2], driven.places, atol=1e-5, rtol=0)
    # What a rigid head explains needs no deformation.
    itself = model.motion_to(x_c, source)
    assert itself.expression.abs().max() < 1e-5


def test_what_is_not_sent_of_the_prior_is_held_at_the_source() -> None:
    basis = torch.randn(6, 16, 3)
    motion, still = _heads(2, 6, 1), _heads(2, 6, 2)
    found = arrived(motion, still, basis, torch.tensor([2, 6]), torch.tensor([16, 4]))
    assert torch.equal(found.motion.expression[0, 2:], still.expression[0, 2:])
    assert torch.equal(found.motion.expression[1], motion.expression[1])
    full, held = rebuilt(motion, basis).deformations, rebuilt(still, basis).deformations
    torch.testing.assert_close(found.deformations[0], full[0])
    torch.testing.assert_close(found.deformations[1], torch.cat([full[1, :4], held[1, 4:]]))


def test_rebuilt_landmarks_are_the_streams_keypoints() -> None:
    basis, x_c, motion = torch.randn(6, 16, 3), torch.randn(2, 16, 3), _heads(2, 6, 5)
    still = HeadMotion.from_vector(torch.zeros(2, 7))
    again = keypoints(x_c + rebuilt(motion, basis).deformations, still, basis)
    posed = keypoints(x_c, HeadMotion.from_vector(torch.cat([torch.zeros(2, 7), motion.expression], 1)), basis)
    torch.testing.assert_close(again, posed)
