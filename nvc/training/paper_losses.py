"""The six losses of face-vid2vid (paper, equation 6 and appendix A.2) with the paper's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvc.training.adversarial import feature_matching_loss, frozen, generator_loss

LAYER_WEIGHTS = (0.03125, 0.0625, 0.125, 0.25, 1.0)
"""Of relu1_1 to relu5_1 in the perceptual loss."""

LEAST_SQUARE_DISTANCE = 0.1
"""D_t: keypoints nearer than its square root, half-sides, repel each other."""

MEAN_DEPTH = 0.33
"""z_t, half-sides."""


@dataclass(frozen=True)
class PaperWeights:
    """Weights of the terms; the defaults are the paper's. Feature matching, part of L_G, has one of its own."""

    perceptual: float = 10.0
    adversarial: float = 1.0
    feature_matching: float = 10.0
    equivariance: float = 20.0
    keypoint_prior: float = 10.0
    head_pose: float = 20.0
    deformation: float = 5.0


class PerceptualLoss(nn.Module):
    """L_P: weighted L1 distance of features, at several scales, and of a face network's at full scale."""

    def __init__(
        self,
        backbone: Callable[[Tensor], list[Tensor]],
        face: Callable[[Tensor], list[Tensor]] | None = None,
        *,
        scales: int = 4,
        weights: Sequence[float] = LAYER_WEIGHTS,
        least_side: int = 1,
    ) -> None:
        """Take the feature networks, each from pictures 0..1 to as many maps as there are ``weights``.

        Scales at which pictures would be smaller than ``least_side`` are left out.
        """
        super().__init__()
        self.backbone, self.face = backbone, face
        self.scales, self.weights, self.least_side = scales, tuple(weights), least_side

    def forward(self, picture: Tensor, target: Tensor) -> Tensor:
        """Distance of pictures [B, 3, H, W], 0 to 1; ``target`` is a constant."""
        total = self._distance(self.face, picture, target) if self.face is not None else picture.new_zeros(())
        for scale in range(self.scales):
            if scale:
                picture, target = F.avg_pool2d(picture, 2), F.avg_pool2d(target, 2)
                if picture.shape[-1] < self.least_side:
                    break
            total = total + self._distance(self.backbone, picture, target)
        return total

    def _distance(self, network: Callable[[Tensor], list[Tensor]], picture: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = network(target)
        found = network(picture)
        if len(found) != len(self.weights):
            raise ValueError(f"the network gives {len(found)} maps for {len(self.weights)} weights")
        terms = [w * F.l1_loss(a.float(), b.float()) for w, a, b in zip(self.weights, found, wanted, strict=True)]
        return torch.stack(terms).sum()


def equivariance_loss(points: Tensor, returned: Tensor) -> Tensor:
    """L_E: mean absolute distance of keypoints [B, K, 2 or 3], z dropped, from those that come back.

    Args:
        points: keypoints of the driving frames.
        returned: keypoints of the warped driving frames, brought back by the known warp, [B, K, 2].
    """
    return F.l1_loss(returned, points[..., :2])


def keypoint_prior_loss(points: Tensor) -> Tensor:
    """L_L: sum over ordered pairs of max(0, D_t - |x_i - x_j|^2), plus |mean z - z_t|, mean over heads [B, K, 3]."""
    square = (points[:, :, None] - points[:, None]).square().sum(-1)
    near = F.relu(LEAST_SQUARE_DISTANCE - square)
    near = near * (1 - torch.eye(points.shape[1], device=points.device))  # a point is always near itself
    return (near.sum((1, 2)) + (points[..., 2].mean(1) - MEAN_DEPTH).abs()).mean()


def head_pose_loss(angles: Tensor, label: Tensor) -> Tensor:
    """L_H: mean absolute difference, in degrees, of Euler angles [B, 3] in radians.

    The paper does not name the unit; degrees are what its public reproductions use with the weight of 20.
    """
    return F.l1_loss(angles, label) * (180 / math.pi)


def deformation_loss(delta: Tensor) -> Tensor:
    """L_Delta: mean absolute deformation of keypoints [B, K, 3], half-sides."""
    return delta.abs().mean()


def adversarial_terms(judge: nn.Module, picture: Tensor, target: Tensor, weights: PaperWeights) -> dict[str, Tensor]:
    """L_G of the one who draws, hinge and feature matching; no gradient reaches the judge.

    Args:
        judge: a :class:`nvc.models.discriminator.PatchDiscriminator`.
        picture, target: drawn and true pictures [B, 3, H, W], 0 to 1.
        weights: of the two terms.
    """
    with frozen(judge):
        logits, features = judge(picture)
        with torch.no_grad():
            _, wanted = judge(target)
    return {
        "adversarial": weights.adversarial * generator_loss(logits),
        "feature_matching": weights.feature_matching * feature_matching_loss(wanted, features),
    }
