"""Nested dropout of the tail of a motion, so that coefficients come out ordered by what they are worth.

A stream may carry fewer expression numbers than the model has; those that it leaves out are held at the key
frame's. Training meets the same: keypoint dropout in face-vid2vid, expression-code dropout in the prior model.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nvc.pose import HeadMotion

MOST_DROPPED = 0.75
"""Largest share of the tail that is dropped (face-vid2vid, section 5)."""


def draw_kept(
    heads: int, units: int, generator: torch.Generator | None = None, *, most_dropped: float = MOST_DROPPED
) -> Tensor:
    """How many of ``units`` keypoints or coefficients each of ``heads`` keeps, uniform, int64 [heads].

    Raises:
        ValueError: ``most_dropped`` is not in 0..1, or there are no units.
    """
    if not 0 <= most_dropped <= 1 or units < 1:
        raise ValueError(f"cannot drop up to {most_dropped} of {units} units")
    least = units - int(most_dropped * units)
    return torch.randint(least, units + 1, (heads,), generator=generator)


def hold_tail(motion: HeadMotion, held: HeadMotion, kept: Tensor, *, group: int = 1) -> HeadMotion:
    """Driving heads of which only the first expression numbers arrived; the rest stay as they were.

    Args:
        motion: B driving heads.
        held: their source heads.
        kept: [B] how many groups of numbers arrived.
        group: numbers in a group: 3 for keypoints, 1 for coefficients.
    """
    index = torch.arange(motion.expression.shape[1], device=motion.expression.device) // group
    arrived = index[None] < kept.to(index)[:, None]
    return replace(motion, expression=torch.where(arrived, motion.expression, held.expression))
