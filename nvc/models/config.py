"""Presets: what each model of the family is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a ``lite`` model.

    Attributes:
        name: of the preset.
        side: picture side in pixels; a multiple of 32.
        keypoints: K.
        expression: N, coefficients of the expression basis.
        channels: of the source pyramid at full, half, quarter and eighth size.
        depth: slices of the feature volume, at an eighth of the side.
        volume_channels: of the feature volume.
        motion_channels: width of the motion field's U-Net.
        estimator_channels: of the motion estimator at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side.
        code_size: width of the expression code's embedding.
        embedding: width of the motion estimator's embedding of a picture.
        localise: whether the motion estimator first finds the keypoints in the picture by heat maps.
    """

    name: str
    side: int = 256
    keypoints: int = 48
    expression: int = 32
    channels: tuple[int, int, int, int] = (16, 32, 64, 128)
    depth: int = 8
    volume_channels: int = 16
    motion_channels: int = 64
    estimator_channels: tuple[int, int, int, int, int] = (16, 32, 64, 128, 192)
    code_size: int = 128
    embedding: int = 256
    localise: bool = True


PRESETS = {
    "lite-256": ModelConfig(name="lite-256"),
    "tiny-64": ModelConfig(
        name="tiny-64",
        side=64,
        keypoints=8,
        expression=8,
        channels=(4, 8, 8, 16),
        depth=4,
        volume_channels=4,
        motion_channels=8,
        estimator_channels=(4, 8, 8, 16, 16),
        code_size=16,
        embedding=32,
        localise=False,
    ),
}
