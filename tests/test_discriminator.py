"""The patch discriminator and its losses."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nvc.models.discriminator import DISCRIMINATORS, DiscriminatorConfig, PatchDiscriminator
from nvc.training.adversarial import discriminator_loss, feature_matching_loss, frozen, generator_loss

_SMALL = DiscriminatorConfig(channels=(4, 8), strided=2, scales=2)


def _count(config: DiscriminatorConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in PatchDiscriminator(config).parameters())


def test_each_scale_gives_a_map_of_logits_and_its_features() -> None:
    logits, features = PatchDiscriminator(_SMALL)(torch.rand(2, 3, 32, 48))
    assert [tuple(x.shape) for x in logits] == [(2, 1, 7, 11), (2, 1, 3, 5)]
    assert [[tuple(x.shape) for x in scale] for scale in features] == [
        [(2, 4, 16, 24), (2, 8, 8, 12)],
        [(2, 4, 8, 12), (2, 8, 4, 6)],
    ]


def test_the_light_one_costs_less_than_a_gflop_a_picture() -> None:
    with torch.device("meta"):
        judge, picture = PatchDiscriminator(DISCRIMINATORS["light"]).eval(), torch.empty(1, 3, 256, 256)
    with FlopCounterMode(display=False) as counter:
        judge(picture)
    assert 0.5e9 < counter.get_total_flops() < 1e9


def test_the_papers_is_the_seventy_pixel_patch_discriminator() -> None:
    # Isola et al. have 2,764,737 parameters; instance norm with scale and shift adds 2 (128 + 256 + 512).
    assert _count(DISCRIMINATORS["paper-256"]) == 2_764_737 + 2 * (128 + 256 + 512)
    assert _count(DISCRIMINATORS["paper-512"]) == 2 * _count(DISCRIMINATORS["paper-256"])


def test_a_patch_sees_seventy_pixels() -> None:
    judge = PatchDiscriminator(DiscriminatorConfig(channels=(1, 1, 1, 1))).eval()
    for module in judge.modules():  # statistics over the map would tie all patches together
        if isinstance(module, torch.nn.Sequential) and len(module) == 3:
            module[1] = torch.nn.Identity()
    picture = torch.rand(1, 3, 128, 128, requires_grad=True)
    judge(picture)[0][0][0, 0, 7, 7].backward()
    assert picture.grad is not None
    seen = picture.grad[0].abs().sum(0).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [70, 70]


def test_spectral_norm_bounds_every_convolution() -> None:
    judge = PatchDiscriminator(_SMALL).train()
    for parameter in judge.parameters():
        parameter.data.mul_(9)
    for _ in range(60):
        judge(torch.rand(1, 3, 16, 16))
    weights = [m.weight.detach().flatten(1) for m in judge.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(weights) == 6
    for weight in weights:
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("config", [_SMALL, *DISCRIMINATORS.values()])
def test_the_least_side_is_the_least_that_works(config: DiscriminatorConfig) -> None:
    with torch.device("meta"):
        judge = PatchDiscriminator(config)
        side = judge.least_side
        logits, _ = judge(torch.empty(1, 3, side, side))
        assert logits[-1].shape[-1] == 1
        with pytest.raises(ValueError, match=f"at least {side}"):
            judge(torch.empty(1, 3, side - 1, side))


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 4, 64, 64)])
def test_what_is_no_batch_of_pictures_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"takes \[B, 3, H, W\]"):
        PatchDiscriminator(_SMALL)(torch.rand(shape))


@pytest.mark.parametrize(
    "wrong", [{"channels": ()}, {"channels": (4, 0)}, {"channels": (4,), "strided": 2}, {"scales": 0}, {"inputs": 0}]
)
def test_impossible_sizes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        DiscriminatorConfig(**wrong)  # type: ignore[arg-type]


def test_hinge_losses_are_those_of_the_definition() -> None:
    real, fake = [torch.tensor([2.0, 0.0]), torch.tensor([-1.0])], [torch.tensor([-3.0, 0.5]), torch.tensor([1.0])]
    # Scale 1: (0 + 1) / 2 + (0 + 1.5) / 2; scale 2: 2 + 2.
    assert discriminator_loss(real, fake).item() == pytest.approx((1.25 + 4) / 2)
    assert generator_loss(fake).item() == pytest.approx(-(-1.25 + 1) / 2)


def test_feature_matching_is_zero_for_equal_features_and_moves_only_the_drawn() -> None:
    real = [[torch.rand(1, 2, 4, 4, requires_grad=True)], [torch.rand(1, 2, 2, 2)]]
    fake = [[real[0][0].detach() + 0.5], [real[1][0] - 0.25]]
    fake[0][0].requires_grad_(True)
    assert feature_matching_loss(real, real).item() == 0
    loss = feature_matching_loss(real, fake)
    loss.backward()
    assert loss.item() == pytest.approx(0.375)
    assert real[0][0].grad is None and fake[0][0].grad is not None


def test_losses_of_nothing_or_of_unlike_parts_are_refused() -> None:
    with pytest.raises(ValueError):
        generator_loss([])
    with pytest.raises(ValueError):
        discriminator_loss([torch.zeros(1)], [])
    with pytest.raises(ValueError):
        feature_matching_loss([[torch.zeros(1)]], [[torch.zeros(1), torch.zeros(1)]])


def test_a_frozen_judge_passes_gradients_and_takes_none() -> None:
    judge = PatchDiscriminator(_SMALL)
    judge.scales[0].judge.bias.requires_grad_(False)
    wanted = [p.requires_grad for p in judge.parameters()]
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)
    with frozen(judge):
        generator_loss(judge(picture)[0]).backward()
    assert picture.grad is not None and picture.grad.abs().sum() > 0
    assert all(p.grad is None for p in judge.parameters())
    assert [p.requires_grad for p in judge.parameters()] == wanted


def test_a_few_steps_teach_it_to_tell_dark_from_light() -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(_SMALL)
    optimiser = torch.optim.Adam(judge.parameters(), 2e-3, betas=(0.5, 0.999))
    history = []
    for _ in range(30):
        real, fake = 0.7 + 0.3 * torch.rand(4, 3, 32, 32), 0.3 * torch.rand(4, 3, 32, 32)
        loss = discriminator_loss(judge(real)[0], judge(fake)[0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert history[0] > 1.8 and history[-1] < 0.8 * history[0]


def test_losses_are_float32_under_autocast() -> None:
    judge = PatchDiscriminator(_SMALL)
    with torch.autocast("cpu", torch.bfloat16):
        logits, features = judge(torch.rand(1, 3, 32, 32))
        assert logits[0].dtype == torch.bfloat16
        for loss in (
            discriminator_loss(logits, logits),
            generator_loss(logits),
            feature_matching_loss(features, features),
        ):
            assert loss.dtype == torch.float32
