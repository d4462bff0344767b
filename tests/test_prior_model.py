"""The semantic-prior system: a face model for keypoints, a code for the generator, and no way for identity to leak."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from paper_standins import TINY_PAPER, StandInBackbone
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bitstream import ExpressionTransform
from nvc.models import zoo
from nvc.models.discriminator import DiscriminatorConfig, PatchDiscriminator
from nvc.models.interface import CodecModel
from nvc.models.paper_config import FlowOrder
from nvc.models.prior import PRIOR_PRESETS, PriorConfig, PriorModel
from nvc.models.prior_face import LANDMARKS, Face, FaceModel, LinearFace
from nvc.models.prior_generator import SpadeBlock
from nvc.pose import HeadMotion, keypoints
from nvc.training.labels import KEYPOINTS, MESH_POINTS, FaceShape
from nvc.training.paper_losses import PerceptualLoss
from nvc.training.prior import LANDMARK_INDEX, PriorParts, face_terms, freeze_face, prior_terms, take_shape

TINY = PriorConfig(
    name="tiny-prior",
    paper=replace(TINY_PAPER, name="tiny-prior", keypoints=len(LANDMARKS), flow=FlowOrder.ZEROTH),
    expression=6,
    features=8,
    channels=(8, 8, 8),
    middle=2,
    hidden=4,
    face_channels=(4, 8, 8, 8, 8),
    face_embedding=16,
)


@cache
def _on_paper() -> PriorModel:
    with torch.device("meta"):
        return PriorModel(PRIOR_PRESETS["prior-256"]).eval()


def _shape(expression: int) -> FaceShape:
    generator = torch.Generator().manual_seed(4)
    reference = 0.4 * torch.randn(MESH_POINTS, 3, generator=generator)
    basis = torch.randn(expression, len(KEYPOINTS), 3, generator=generator)
    return FaceShape(reference, torch.arange(MESH_POINTS), basis, torch.ones(len(KEYPOINTS), 3))


@pytest.fixture
def tiny() -> PriorModel:
    torch.manual_seed(2)
    model = PriorModel(TINY)
    assert isinstance(model.face, LinearFace)
    take_shape(model.face, _shape(6))
    return model.eval().requires_grad_(False)


def _motion(heads: int, *, seed: int, expression: int = 6) -> HeadMotion:
    generator = torch.Generator().manual_seed(seed)
    return HeadMotion.from_vector(0.2 * torch.randn(heads, 7 + expression, generator=generator))


class Bright:
    """A face model whose identity is a picture's brightness and whose expression is its contrast."""

    mean_keypoints = torch.zeros(len(LANDMARKS), 3)
    expression_basis = torch.ones(6, len(LANDMARKS), 3)

    def fit(self, pictures: Tensor) -> Face:
        brightness, contrast = pictures.mean((1, 2, 3)), pictures.std((1, 2, 3))
        vector = torch.zeros(len(pictures), 13)
        vector[:, 7:] = contrast[:, None]
        return Face(brightness[:, None, None].expand(-1, len(LANDMARKS), 3), HeadMotion.from_vector(vector))

    def landmarks(self, identity: Tensor, expression: Tensor) -> Tensor:
        return identity * (1 + expression.sum(1))[:, None, None]  # not linear: identity scales the expression


def test_there_are_sixteen_landmarks_with_mouth_and_eyes_first() -> None:
    config = PRIOR_PRESETS["prior-256"]
    assert config.keypoints == len(LANDMARKS) == len(set(LANDMARKS)) == 16
    mouth, eyes = {13, 14, 61, 291}, {159, 386, 145, 374, 33, 263}
    assert set(LANDMARKS[:4]) == mouth and set(LANDMARKS[4:10]) == eyes
    assert [KEYPOINTS[i] for i in LANDMARK_INDEX] == list(LANDMARKS)


def test_sizes_of_the_preset() -> None:
    model, config = _on_paper(), PRIOR_PRESETS["prior-256"]
    assert (config.name, config.side, config.expression) == ("prior-256", 256, 32)
    assert config.expression_transform is ExpressionTransform.BASIS
    assert config.paper.flow is FlowOrder.ZEROTH
    assert sum(isinstance(m, SpadeBlock) for m in model.modules()) == 8
    pictures = torch.empty(2, 3, 256, 256, device="meta")
    source, motion, x_c = model.appearance(pictures[:1]), model.estimate(pictures), model.canonical(pictures)
    assert source.volume.shape == (1, 32, 16, 64, 64)
    assert motion.vector().shape == (2, 39) and x_c.shape == (2, 16, 3)
    assert model.expression_basis.shape == (32, 16, 3)
    with FlopCounterMode(display=False) as counter:
        assert model.render(source, x_c[:1], motion[:1], motion).shape == (2, 3, 256, 256)
    assert counter.get_total_flops() > 2 * 2 * 87e9  # M alone, for two frames


@pytest.mark.parametrize("wrong", [{"channels": (8, 8)}, {"expression": 0}])
def test_impossible_sizes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(TINY, **wrong)  # type: ignore[arg-type]


def test_landmarks_of_the_linear_face_are_the_streams_keypoints(tiny: PriorModel) -> None:
    motion, x_c = _motion(3, seed=1), torch.randn(16, 3)
    torch.testing.assert_close(tiny.points(x_c, motion), keypoints(x_c, motion, tiny.expression_basis))


def test_the_linear_face_takes_mean_and_basis_of_the_labels(tiny: PriorModel) -> None:
    shape = _shape(6)
    assert torch.equal(tiny.mean_keypoints, shape.reference[list(LANDMARKS)])
    assert torch.equal(tiny.expression_basis[:, 0], shape.basis[:, KEYPOINTS.index(13)])
    assert isinstance(tiny.face, LinearFace)
    with pytest.raises(ValueError, match="must be"):
        take_shape(tiny.face, _shape(5))


def test_driving_keypoints_have_the_sources_identity_and_the_drivers_motion() -> None:
    model = PriorModel(TINY, Bright())
    source, driver = torch.rand(1, 3, 32, 32), 0.5 * torch.rand(1, 3, 32, 32)
    x_c, motion = model.canonical(source), model.estimate(driver)
    expected = source.mean() * (1 + 6 * driver.std())
    torch.testing.assert_close(model.points(x_c, motion), expected.expand(1, 16, 3))


def test_nothing_of_the_drivers_identity_reaches_the_picture() -> None:
    torch.manual_seed(0)
    model = PriorModel(TINY, Bright()).eval().requires_grad_(False)
    source = torch.rand(1, 3, 32, 32)
    driver = 0.5 * torch.rand(1, 3, 32, 32)
    somebody_else = driver + 0.4  # the same contrast, and so expression, on another brightness
    assert (model.canonical(driver) - model.canonical(somebody_else)).abs().max() > 0.3
    features, x_c, still = model.appearance(source), model.canonical(source), model.estimate(source)
    drawn = [model.render(features, x_c, still, model.estimate(d)) for d in (driver, somebody_else)]
    torch.testing.assert_close(drawn[0], drawn[1], atol=1e-5, rtol=0)
    other = model.render(features, x_c, still, model.estimate(0.2 * driver))
    assert (drawn[0] - other).abs().max() > 1e-4


def test_a_face_model_of_other_size_is_refused() -> None:
    with pytest.raises(ValueError, match="basis"):
        PriorModel(replace(TINY, expression=7), Bright())


def test_both_face_models_and_the_model_keep_their_interfaces(tiny: PriorModel) -> None:
    plugged: FaceModel = Bright()
    linear: FaceModel = LinearFace(side=32, keypoints=4, expression=2, channels=(4, 4, 4, 4, 4), embedding=8)
    model: CodecModel = tiny
    assert plugged.fit(torch.rand(1, 3, 32, 32)).identity.shape == (1, 16, 3)
    assert linear.landmarks(torch.zeros(4, 3), torch.zeros(5, 1)).shape == (5, 4, 3)
    assert model.mean_keypoints.shape == (16, 3)


def test_the_expression_code_steers_the_generator_beside_the_keypoints() -> None:
    torch.manual_seed(0)
    face = Bright()
    face.landmarks = lambda identity, expression: identity.expand(len(expression), -1, -1)  # type: ignore[method-assign]
    model = PriorModel(TINY, face).eval().requires_grad_(False)
    features, x_c = model.appearance(torch.rand(1, 3, 32, 32)), torch.rand(1, 16, 3)
    still, motion = HeadMotion.from_vector(torch.zeros(1, 13)), HeadMotion.from_vector(torch.zeros(2, 13))
    motion.expression[1] = 3.0
    drawn = model.render(features, x_c, still, motion)
    assert torch.equal(model.points(x_c, motion)[0], model.points(x_c, motion)[1])
    assert (drawn[0] - drawn[1]).abs().max() > 1e-3


def test_missing_expression_numbers_are_zero(tiny: PriorModel) -> None:
    features, x_c = tiny.appearance(torch.rand(1, 3, 32, 32)), tiny.mean_keypoints
    motion = _motion(2, seed=3)
    short = replace(motion, expression=motion.expression[:, :4])
    padded = replace(motion, expression=torch.cat([short.expression, torch.zeros(2, 2)], 1))
    still = _motion(1, seed=4)
    torch.testing.assert_close(
        tiny.render(features, x_c, still, short), tiny.render(features, x_c, still, padded), atol=1e-6, rtol=0
    )


def _prepared() -> tuple[Tensor, Tensor, Tensor, HeadMotion, HeadMotion]:
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(4, 3, 4, 4, generator=generator)
    pictures = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bicubic").clamp(0, 1)
    x_c = 0.3 * torch.randn(2, 16, 3, generator=generator)
    return pictures[:2], pictures[2:], x_c, _motion(2, seed=6), _motion(2, seed=7)


def test_only_pictures_are_compared_in_training() -> None:
    parts = PriorParts(PriorModel(TINY)).train()
    source, driving, x_c, still, motion = _prepared()
    judge = PatchDiscriminator(DiscriminatorConfig(channels=(4, 8), strided=2))
    picture = parts(source, x_c, still, motion, kept=torch.tensor([2, 6]))
    terms = prior_terms(picture, driving, PerceptualLoss(StandInBackbone()), judge)
    assert set(terms) == {"perceptual", "adversarial", "feature_matching"}


def test_numbers_that_are_dropped_in_training_change_nothing() -> None:
    torch.manual_seed(0)
    parts = PriorParts(PriorModel(TINY)).eval()
    source, _, x_c, still, motion = _prepared()
    other = replace(motion, expression=motion.expression.clone())
    other.expression[:, 2:] += 1
    with torch.no_grad():
        for kept, same in ((torch.tensor([2, 2]), True), (torch.tensor([3, 3]), False)):
            a, b = (parts(source, x_c, still, m, kept=kept) for m in (motion, other))
            assert torch.equal(a, b) is same


def test_ten_steps_lower_the_loss_and_leave_the_frozen_face_alone() -> None:
    torch.manual_seed(0)
    model = PriorModel(TINY)
    freeze_face(model)
    assert isinstance(model.face, LinearFace)
    before = {k: v.clone() for k, v in model.face.state_dict().items()}
    parts, perceptual = PriorParts(model), PerceptualLoss(StandInBackbone())
    optimiser = torch.optim.Adam([p for p in parts.parameters() if p.requires_grad], 2e-3, betas=(0.5, 0.999))
    source, driving, x_c, still, motion = _prepared()
    history = []
    for _ in range(11):
        terms = prior_terms(parts(source, x_c, still, motion, kept=torch.tensor([3, 6])), driving, perceptual)
        optimiser.zero_grad()
        terms["perceptual"].backward()
        optimiser.step()
        history.append(terms["perceptual"].item())
    assert history[-1] < 0.9 * history[0]
    assert all(torch.equal(v, before[k]) for k, v in model.face.state_dict().items())


def test_ten_steps_teach_the_face_model_its_labels() -> None:
    torch.manual_seed(0)
    face = LinearFace(side=32, keypoints=16, expression=6, channels=(4, 8, 8, 8, 8), embedding=16)
    take_shape(face, _shape(6))
    optimiser = torch.optim.Adam(face.parameters(), 3e-3)
    source, _, x_c, motion, _ = _prepared()
    history = []
    for _ in range(11):
        loss = torch.stack(list(face_terms(face, source, motion, x_c).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert history[-1] < 0.95 * history[0]


def test_weights_survive_a_round_trip(tiny: PriorModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRIOR_PRESETS, "tiny-prior", TINY)
    path = tmp_path / "prior.safetensors"
    written = zoo.save(tiny, path)
    loaded = zoo.load(path)
    assert loaded.model_id == written and loaded.config == TINY
    torch.testing.assert_close(loaded.expression_basis, tiny.expression_basis, atol=1e-2, rtol=1e-2)
