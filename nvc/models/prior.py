"""The semantic-prior system: landmarks of a face model for keypoints, its expression code for the generator.

Controllable one-shot face video synthesis with semantic aware prior (Liu, Su, Wei, Cang, Jia, arXiv:2304.14471).
F and M are those of face-vid2vid. Driving keypoints are rebuilt from the source's identity and the driving
expression and pose, so that nothing of the driver's face leaks. The stream's expression transform is 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch.nn.functional as F
from torch import Tensor, nn

from bitstream import ExpressionTransform
from nvc.models.paper_appearance import PaperAppearance, PaperFeatures
from nvc.models.paper_config import FlowOrder, PaperConfig
from nvc.models.paper_dense_motion import PaperDenseMotion, PaperField
from nvc.models.prior_face import LANDMARKS, FaceModel, LinearFace
from nvc.models.prior_generator import PriorGenerator
from nvc.pose import HeadMotion, keypoints


@dataclass(frozen=True)
class PriorConfig:
    """Sizes of a prior model.

    Attributes:
        name: of the preset.
        paper: F and M, with the side and K; keypoints shift what surrounds them (flows of order zero).
        expression: N, numbers of the expression code.
        features: channels of the warped feature map.
        channels: of the SPADE blocks at the volume's size and after each doubling.
        middle: SPADE blocks at the volume's size; with one a doubling they are eight.
        hidden: channels between a condition and its scales and shifts.
        face_channels, face_embedding: of the linear face model's network.
    """

    name: str
    paper: PaperConfig = field(
        default_factory=lambda: PaperConfig(name="prior-256", keypoints=len(LANDMARKS), flow=FlowOrder.ZEROTH)
    )
    expression: int = 32
    features: int = 256
    channels: tuple[int, ...] = (256, 128, 64)
    middle: int = 6
    hidden: int = 128
    face_channels: tuple[int, int, int, int, int] = (16, 32, 64, 128, 192)
    face_embedding: int = 256

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.paper.appearance_channels):
            raise ValueError("G must double as often as F halves: as many channels as F has")
        if self.expression < 1:
            raise ValueError(f"expression is {self.expression}; it must be positive")

    @property
    def side(self) -> int:
        """Picture side in pixels."""
        return self.paper.side

    @property
    def keypoints(self) -> int:
        """K, landmarks."""
        return self.paper.keypoints

    @property
    def expression_transform(self) -> ExpressionTransform:
        """What the stream's expression numbers are."""
        return ExpressionTransform.BASIS


PRIOR_PRESETS = {"prior-256": PriorConfig(name="prior-256")}


class PriorModel(nn.Module):
    """A face model, F, M and the SPADE generator.

    Attributes:
        config: its preset.
        face: the face model; one that is an `nn.Module` is saved with the weights.
        model_id: 16 bytes that name the weights; empty until they are loaded from a file.
    """

    model_id: bytes = b""
    face: FaceModel

    def __init__(self, config: PriorConfig, face: FaceModel | None = None) -> None:
        """Build the model around ``face``, or around a `LinearFace` that has yet to learn."""
        super().__init__()
        self.config = config
        self.face = face if face is not None else _linear_face(config)
        if tuple(self.face.expression_basis.shape) != (config.expression, config.keypoints, 3):
            found = list(self.face.expression_basis.shape)
            raise ValueError(f"the face model's basis is {found}; {config.name} has N, K = {_sizes(config)}")
        self.source = PaperAppearance(config.paper)
        self.dense_motion = PaperDenseMotion(config.paper)
        self.generator = PriorGenerator(
            volume=config.paper.volume_channels * config.paper.depth,
            features=config.features,
            expression=config.expression,
            channels=config.channels,
            middle=config.middle,
            hidden=config.hidden,
        )

    @property
    def mean_keypoints(self) -> Tensor:
        """Landmarks of the mean face, [K, 3], half-sides."""
        return self.face.mean_keypoints

    @property
    def expression_basis(self) -> Tensor:
        """[N, K, 3], what a unit of each expression number does to the landmarks."""
        return self.face.expression_basis

    def estimate(self, pictures: Tensor) -> HeadMotion:
        """Pose and expression code of pictures [B, 3, S, S], 0 to 1."""
        return self.face.fit(pictures).motion

    def canonical(self, pictures: Tensor) -> Tensor:
        """Identity of the faces in pictures [B, 3, S, S]: neutral landmarks [B, K, 3], half-sides."""
        return self.face.fit(pictures).identity

    def appearance(self, pictures: Tensor) -> PaperFeatures:
        """Features (F) of decoded key pictures [B, 3, S, S], once a key frame."""
        return self.source(pictures)

    def render(self, source: PaperFeatures, x_c: Tensor, source_motion: HeadMotion, motion: HeadMotion) -> Tensor:
        """Draw driving frames (M and G).

        Args:
            source: features of one key picture.
            x_c: identity of the face in it, [K, 3] or [1, K, 3]. There is no place for the driver's.
            source_motion: its pose and expression, one head.
            motion: B driving heads, with N expression numbers or fewer; missing ones are zero.

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
        x_s, x_d = self.points(x_c, source_motion), self.points(x_c, motion)
        field_of_motion = self.dense_motion(source.volume, x_s, x_d, source_motion, motion)
        code = F.pad(motion.expression, (0, self.config.expression - motion.expression.shape[1]))
        return self.generator(source.volume, field_of_motion, code), field_of_motion

    def points(self, x_c: Tensor, motion: HeadMotion) -> Tensor:
        """Landmarks [B, K, 3] in the picture of faces of identity ``x_c`` that move by ``motion``."""
        shape = self.face.landmarks(x_c, motion.expression)
        rigid = replace(motion, expression=motion.expression[:, :0])
        return keypoints(shape, rigid, self.expression_basis)


def _sizes(config: PriorConfig) -> str:
    return f"{config.expression}, {config.keypoints}"


def _linear_face(config: PriorConfig) -> LinearFace:
    return LinearFace(
        side=config.side,
        keypoints=config.keypoints,
        expression=config.expression,
        channels=config.face_channels,
        embedding=config.face_embedding,
    )
