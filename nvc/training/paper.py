"""One training step of face-vid2vid: the forward pass as one module, and the terms of its loss.

A loop needs no more than this::

    out = parts(source, source, driving, warp=RandomWarp.draw(len(driving)), kept=draw_kept(len(driving), K))
    terms = paper_terms(out, driving, angles, perceptual, judge)
    sum(terms.values()).backward()
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from nvc.models.paper import PaperModel
from nvc.models.paper_motion_estimator import PaperEstimate
from nvc.pose import keypoints
from nvc.training.dropout import hold_tail
from nvc.training.paper_losses import (
    PaperWeights,
    PerceptualLoss,
    adversarial_terms,
    deformation_loss,
    equivariance_loss,
    head_pose_loss,
    keypoint_prior_loss,
)
from nvc.training.random_warp import RandomWarp


@dataclass(frozen=True)
class PaperPrediction:
    """What a training step makes of B pairs.

    Attributes:
        picture: [B, 3, S, S], 0 to 1.
        estimate: of the driving frames.
        points: their keypoints, [B, K, 3], before any dropout.
        returned: keypoints of the warped driving frames, brought back, [B, K, 2].
    """

    picture: Tensor
    estimate: PaperEstimate
    points: Tensor
    returned: Tensor


class PaperParts(nn.Module):
    """The forward pass of training as one module, so that DistributedDataParallel can wrap it."""

    def __init__(self, model: PaperModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, source: Tensor, clean: Tensor, driving: Tensor, *, warp: RandomWarp, kept: Tensor
    ) -> PaperPrediction:
        """Predict driving frames.

        Args:
            source: key pictures as the receiver has them, [B, 3, S, S], 0 to 1.
            clean: the same as the sender has them.
            driving: the frames to draw, [B, 3, S, S].
            warp: B warps for the equivariance loss.
            kept: [B] how many keypoints' deformations arrive (keypoint dropout).
        """
        model = self.model
        basis = model.expression_basis
        x_c = model.canonical(clean)
        source_motion = model.estimator(clean).motion()
        estimate = model.estimator(driving)
        motion = estimate.motion()
        warped = model.estimator(warp.pictures(driving)).motion()
        arrived = hold_tail(motion, source_motion, kept, group=3)
        picture, _ = model.draw(model.appearance(source), x_c, source_motion, arrived)
        points = keypoints(x_c, motion, basis)
        returned = warp.points(keypoints(x_c, warped, basis)[..., :2])
        return PaperPrediction(picture, estimate, points, returned)


def paper_terms(
    out: PaperPrediction,
    driving: Tensor,
    angles: Tensor,
    perceptual: PerceptualLoss,
    judge: nn.Module | None = None,
    *,
    weights: PaperWeights | None = None,
) -> dict[str, Tensor]:
    """The weighted terms of the loss of one batch.

    Args:
        out: predictions for B pairs.
        driving: the true frames, [B, 3, S, S].
        angles: [B, 3] pitch, yaw, roll of the driving heads in radians, from a teacher.
        perceptual: L_P.
        judge: the discriminator; without one there is no L_G.
        weights: the paper's when not given.
    """
    w = weights or PaperWeights()
    terms = {
        "perceptual": w.perceptual * perceptual(out.picture, driving),
        "equivariance": w.equivariance * equivariance_loss(out.points, out.returned),
        "keypoint_prior": w.keypoint_prior * keypoint_prior_loss(out.points),
        "head_pose": w.head_pose * head_pose_loss(out.estimate.angles, angles),
        "deformation": w.deformation * deformation_loss(out.estimate.delta),
    }
    if judge is not None:
        terms |= adversarial_terms(judge, out.picture, driving, w)
    return terms
