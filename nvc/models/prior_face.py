"""What the prior model knows of faces: an interface to face models, and one on a linear basis.

A face model sees a picture and says whose face it is (identity), what it does (expression code) and how the head is
held (pose); and it says where the landmarks of a face of that identity are when it does that. The paper uses
DECA and FLAME; any model that answers these two questions can stand in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from nvc.models.config import ModelConfig
from nvc.models.motion_estimator import MotionEstimator
from nvc.pose import HeadMotion, deformation

LANDMARKS: tuple[int, ...] = (
    # Mouth: inner lips, corners.
    13, 14, 61, 291,
    # Eyes: upper and lower lids, outer corners.
    159, 386, 145, 374, 33, 263,
    # Sparsely: brows, nose, chin, sides.
    105, 334, 1, 152, 234, 454,
)  # fmt: skip
"""The 16 points of the face mesh that serve as keypoints, mouth and eyes first."""


@dataclass(frozen=True)
class Face:
    """What a face model sees in B pictures.

    Attributes:
        identity: landmarks of the neutral face, [B, K, 3], half-sides; the x_c that a key frame carries.
        motion: pose and expression code of B heads.
    """

    identity: Tensor
    motion: HeadMotion


class FaceModel(Protocol):
    """Anything that tells identity from expression.

    Attributes:
        mean_keypoints: identity of the mean face, [K, 3], half-sides.
        expression_basis: [N, K, 3], what a unit of each expression number does to the landmarks, to first order.
    """

    @property
    def mean_keypoints(self) -> Tensor: ...

    @property
    def expression_basis(self) -> Tensor: ...

    def fit(self, pictures: Tensor) -> Face:
        """Faces in pictures [B, 3, S, S], 0 to 1."""
        ...

    def landmarks(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Landmarks [B, K, 3] in the head's own frame, of identities [K, 3] or [B, K, 3] and codes [B, n], n <= N."""
        ...


class LinearFace(nn.Module):
    """A face model on a linear expression basis, seen by a small convolutional network.

    Attributes:
        expression_basis: [N, K, 3]; principal components of face-mesh motion once :meth:`set_shape` has been called.
    """

    expression_basis: Tensor

    def __init__(
        self, *, side: int, keypoints: int, expression: int, channels: tuple[int, int, int, int, int], embedding: int
    ) -> None:
        """As in `nvc.models.config.ModelConfig`: picture side, K, N, and the widths of the motion estimator."""
        super().__init__()
        sizes = ModelConfig(
            name="face",
            side=side,
            keypoints=keypoints,
            expression=expression,
            estimator_channels=channels,
            embedding=embedding,
        )
        self.estimator = MotionEstimator(sizes)
        self.register_buffer("expression_basis", torch.zeros(expression, keypoints, 3))

    @property
    def mean_keypoints(self) -> Tensor:
        """Identity of the mean face, [K, 3], half-sides."""
        return self.estimator.get_buffer("mean_keypoints")

    def set_shape(self, mean: Tensor, basis: Tensor) -> None:
        """Take the mean landmarks [K, 3] and the expression basis [N, K, 3] of a fitted face shape.

        Raises:
            ValueError: wrong shapes.
        """
        if mean.shape != self.mean_keypoints.shape or basis.shape != self.expression_basis.shape:
            wanted = f"{list(self.mean_keypoints.shape)} and {list(self.expression_basis.shape)}"
            raise ValueError(f"mean and basis are {list(mean.shape)} and {list(basis.shape)}; they must be {wanted}")
        with torch.no_grad():
            self.mean_keypoints.copy_(mean)
            self.expression_basis.copy_(basis)

    def fit(self, pictures: Tensor) -> Face:
        """Faces in pictures [B, 3, S, S], 0 to 1."""
        embedding = self.estimator.trunk(pictures)
        return Face(self.estimator.canonical_of(embedding), self.estimator.motion_of(embedding))

    def landmarks(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Landmarks [B, K, 3] of identities [K, 3] or [B, K, 3] with expression codes [B, n], n <= N."""
        return identity + deformation(expression, self.expression_basis)
