"""What a quality level means: how finely the key picture, the pose and the expression are coded."""

from __future__ import annotations

from dataclasses import dataclass

MIN_QUALITY, MAX_QUALITY, DEFAULT_QUALITY = 0, 9, 5


@dataclass(frozen=True)
class CodingPoint:
    """One point of the ladder.

    Attributes:
        key_qp: H.264 QP of key pictures, 0 to 51, higher is coarser.
        pose_quantiser, expression_quantiser, canonical_quantiser: indices of the normative step table,
            step(q) = 2^(q / 4 - 14).
        expression_count: how many expression coefficients a motion frame carries; None for all.
    """

    key_qp: int
    pose_quantiser: int
    expression_quantiser: int
    canonical_quantiser: int = 28
    expression_count: int | None = None


QUALITIES: tuple[CodingPoint, ...] = (
    CodingPoint(44, 32, 32, expression_count=12),
    CodingPoint(42, 31, 31, expression_count=16),
    CodingPoint(40, 30, 30, expression_count=20),
    CodingPoint(38, 29, 29, expression_count=24),
    CodingPoint(36, 28, 28),
    CodingPoint(34, 27, 27),
    CodingPoint(32, 26, 26),
    CodingPoint(30, 25, 25),
    CodingPoint(27, 24, 24),
    CodingPoint(24, 22, 22),
)
"""Coding points of the quality levels 0 to 9."""


def coding_point(quality: int) -> CodingPoint:
    """The coding point of a quality level.

    Raises:
        ValueError: not 0 to 9.
    """
    if not MIN_QUALITY <= quality <= MAX_QUALITY:
        raise ValueError(f"quality is {quality}; it must be {MIN_QUALITY} to {MAX_QUALITY}")
    return QUALITIES[quality]
