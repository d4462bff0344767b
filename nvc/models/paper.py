"""face-vid2vid as published, behind the same four calls as the lite model.

One-shot free-view neural talking-head synthesis (Wang, Mallya, Liu, CVPR 2021): unsupervised 3-D keypoints of the
source, x = R x_c + t + delta, flows with J = R, a feature volume warped once a frame. The stream's expression
transform is 0: three numbers a keypoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc.models.paper_appearance import PaperAppearance, PaperFeatures
from nvc.models.paper_config import PaperConfig
from nvc.models.paper_dense_motion import PaperDenseMotion, PaperField
from nvc.models.paper_generator import PaperGenerator
from nvc.models.paper_keypoints import PaperKeypoints
from nvc.models.paper_motion_estimator import PaperMotionEstimator
from nvc.pose import HeadMotion, keypoints


class PaperModel(nn.Module):
    """F, L, H with Delta, M and G.

    Attributes:
        config: its preset.
        model_id: 16 bytes that name the weights; empty until they are loaded from a file.
        expression_basis: [3 K, K, 3]: coefficient 3 k + c moves keypoint k along axis c and nothing else.
        mean_keypoints: [K, 3] zeros: nothing is known of unsupervised keypoints before they are seen.
    """

    expression_basis: Tensor
    mean_keypoints: Tensor
    model_id: bytes = b""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        self.source = PaperAppearance(config)
        self.detector = PaperKeypoints(config)
        self.estimator = PaperMotionEstimator(config)
        self.dense_motion = PaperDenseMotion(config)
        self.generator = PaperGenerator(config)
        identity = torch.eye(config.expression).unflatten(1, (config.keypoints, 3))
        self.register_buffer("expression_basis", identity, persistent=False)
        self.register_buffer("mean_keypoints", torch.zeros(config.keypoints, 3), persistent=False)

    def estimate(self, pictures: Tensor) -> HeadMotion:
        """Pose and expression (H and Delta) of pictures [B, 3, S, S], 0 to 1; the scale is always 1."""
        return self.estimator(pictures).motion()

    def canonical(self, pictures: Tensor) -> Tensor:
        """Canonical keypoints (L) of pictures [B, 3, S, S]: [B, K, 3], half-sides."""
        return self.detector(pictures)

    def appearance(self, pictures: Tensor) -> PaperFeatures:
        """Features (F) of decoded key pictures [B, 3, S, S], once a key frame."""
        return self.source(pictures)

    def render(self, source: PaperFeatures, x_c: Tensor, source_motion: HeadMotion, motion: HeadMotion) -> Tensor:
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
        if source.volume.shape[0] != count:
            source = source.expand(count)
        vector = source_motion.vector().expand(count, -1)
        return self.draw(source, x_c, HeadMotion.from_vector(vector), motion)[0]

    def draw(
        self, source: PaperFeatures, x_c: Tensor, source_motion: HeadMotion, motion: HeadMotion
    ) -> tuple[Tensor, PaperField]:
        """As :meth:`render` for B sources and B driving heads; also the motion field."""
        x_s = keypoints(x_c, source_motion, self.expression_basis)
        x_d = keypoints(x_c, motion, self.expression_basis)
        field = self.dense_motion(source.volume, x_s, x_d, source_motion, motion)
        return self.generator(source.volume, field), field
