"""Training of the prior model: the face model on labels first, then F, M and G on pictures alone.

Landmarks and codes come from a face model that is already trained, so there are no losses to keep keypoints
apart, equivariant or near their labels: only perceptual and adversarial ones.
"""

from __future__ import annotations

from torch import Tensor, nn

from nvc.models.prior import PriorModel
from nvc.models.prior_face import LANDMARKS, LinearFace
from nvc.pose import HeadMotion
from nvc.training.dropout import hold_tail
from nvc.training.labels import KEYPOINTS, FaceShape
from nvc.training.losses import keypoint_loss
from nvc.training.paper_losses import PaperWeights, PerceptualLoss, adversarial_terms

LANDMARK_INDEX: tuple[int, ...] = tuple(KEYPOINTS.index(point) for point in LANDMARKS)
"""Where the prior model's landmarks are among the label's keypoints: x_c[:, list(LANDMARK_INDEX)]."""


def take_shape(face: LinearFace, shape: FaceShape) -> None:
    """Give a linear face model the mean and the expression basis that labels are made with.

    Raises:
        ValueError: the face model has another number of landmarks or coefficients.
    """
    index = list(LANDMARK_INDEX)
    face.set_shape(shape.mean_keypoints[index], shape.basis[:, index])


def face_terms(face: LinearFace, pictures: Tensor, motion: HeadMotion, x_c: Tensor) -> dict[str, Tensor]:
    """Losses that teach the face model from labels.

    Args:
        face: the face model.
        pictures: [B, 3, S, S], 0 to 1.
        motion: their labels, B heads.
        x_c: their canonical landmarks, [B, K, 3].

    Returns:
        Distance of landmarks in the picture, and of identities, both in half-sides.
    """
    seen = face.fit(pictures)
    return {
        "keypoint": keypoint_loss(seen.motion, motion, x_c, face.expression_basis),
        "canonical": (seen.identity - x_c).abs().mean(),
    }


class PriorParts(nn.Module):
    """The forward pass of training as one module, so that DistributedDataParallel can wrap it."""

    def __init__(self, model: PriorModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, source: Tensor, x_c: Tensor, source_motion: HeadMotion, motion: HeadMotion, *, kept: Tensor
    ) -> Tensor:
        """Draw driving frames.

        Args:
            source: key pictures as the receiver has them, [B, 3, S, S], 0 to 1.
            x_c: identities of the people in them, [B, K, 3].
            source_motion, motion: B heads each, prepared beforehand with a face model.
            kept: [B] how many expression numbers arrive; the rest are held at the source's (code dropout).

        Returns:
            [B, 3, S, S], 0 to 1.
        """
        arrived = hold_tail(motion, source_motion, kept)
        return self.model.draw(self.model.appearance(source), x_c, source_motion, arrived)[0]


def prior_terms(
    picture: Tensor,
    driving: Tensor,
    perceptual: PerceptualLoss,
    judge: nn.Module | None = None,
    *,
    weights: PaperWeights | None = None,
) -> dict[str, Tensor]:
    """The weighted terms of the loss of one batch: perceptual, and adversarial when there is a ``judge``."""
    w = weights or PaperWeights()
    terms: dict[str, Tensor] = {"perceptual": w.perceptual * perceptual(picture, driving)}
    if judge is not None:
        terms |= adversarial_terms(judge, picture, driving, w)
    return terms


def freeze_face(model: PriorModel) -> None:
    """Keep the face model as it is while the rest learns."""
    if isinstance(model.face, nn.Module):
        model.face.eval().requires_grad_(False)
