"""The whole model: F, L, H, Delta, M and G behind the four calls that encoder and decoder need."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc.models.appearance import Appearance, SourceFeatures
from nvc.models.config import ModelConfig
from nvc.models.dense_motion import DenseMotion, MotionField
from nvc.models.generator import Generator
from nvc.models.motion_estimator import MotionEstimator
from nvc.pose import HeadMotion, keypoints


class Model(nn.Module):
    """A face-vid2vid codec model.

    Attributes:
        config: its preset.
        model_id: 16 bytes that name the weights; empty until they are loaded from a file.
        expression_basis: [N, K, 3], what one unit of each expression coefficient does to the canonical keypoints.
    """

    expression_basis: Tensor
    model_id: bytes = b""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.estimator = MotionEstimator(config)
        self.source = Appearance(config)
        self.dense_motion = DenseMotion(config)
        self.generator = Generator(config)
        self.register_buffer("expression_basis", torch.zeros(config.expression, config.keypoints, 3))

    @property
    def mean_keypoints(self) -> Tensor:
        """Canonical keypoints of the mean face, [K, 3], half-sides."""
        return self.estimator.mean_keypoints

    def estimate(self, pictures: Tensor) -> HeadMotion:
        """Pose and expression (H and Delta) of pictures [B, 3, S, S], 0 to 1."""
        return self.estimator.motion_of(self.estimator.trunk(pictures))

    def canonical(self, pictures: Tensor) -> Tensor:
        """Canonical keypoints (L) of pictures [B, 3, S, S]: [B, K, 3], half-sides."""
        return self.estimator.canonical_of(self.estimator.trunk(pictures))

    def appearance(self, pictures: Tensor) -> SourceFeatures:
        """Features (F) of decoded key pictures [B, 3, S, S], once a key frame."""
        return self.source(pictures)

    def render(self, source: SourceFeatures, x_c: Tensor, source_motion: HeadMotion, motion: HeadMotion) -> Tensor:
        """Draw driving frames (M and G).

        Args:
            source: features of one key picture.
            x_c: its canonical keypoints, [K, 3] or [1, K, 3].
            source_motion: its pose and expression, one head.
            motion: B driving heads.

        Returns:
            [B, 3, S, S], 0 to 1.
        """
        count = motion.angles.shape[0]
        if source.picture.shape[0] != count:
            source = source.expand(count)
        vector = source_motion.vector().expand(count, -1)
        return self.draw(source, x_c, HeadMotion.from_vector(vector), motion)[0].clamp(0, 1)

    def draw(
        self, source: SourceFeatures, x_c: Tensor, source_motion: HeadMotion, motion: HeadMotion
    ) -> tuple[Tensor, Tensor, MotionField]:
        """As :meth:`render` for B sources and B driving heads; also the warped key pictures and the field."""
        x_s = keypoints(x_c, source_motion, self.expression_basis)
        x_d = keypoints(x_c, motion, self.expression_basis)
        field = self.dense_motion(source, x_s, x_d, source_motion, motion)
        code = [motion.expression, motion.expression - source_motion.expression, motion.angles, source_motion.angles]
        picture, copied = self.generator(source, field, torch.cat(code, 1))
        return picture, copied, field
