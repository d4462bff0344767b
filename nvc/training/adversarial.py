"""The adversarial game: hinge losses, feature matching, and a way to hold the judge still.

One step of training with a discriminator ``judge``::

    # The judge's turn; the drawn pictures are constants to it.
    loss = discriminator_loss(judge(real)[0], judge(fake.detach())[0])
    loss.backward(); judge_optimiser.step()

    # The model's turn; the judge is a constant to it.
    with frozen(judge):
        logits, features = judge(fake)
        with torch.no_grad():
            _, target = judge(real)
        loss = weight * (generator_loss(logits) + 10 * feature_matching_loss(target, features))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_T = TypeVar("_T")


def discriminator_loss(real_logits: Sequence[Tensor], fake_logits: Sequence[Tensor]) -> Tensor:
    """Hinge loss of the judge: zero once real patches are above 1 and drawn ones below -1.

    Args:
        real_logits, fake_logits: of each scale, [B, 1, h, w].

    Returns:
        Mean over patches and scales.
    """
    terms = [F.relu(1 - r.float()).mean() + F.relu(1 + f.float()).mean() for r, f in _pairs(real_logits, fake_logits)]
    return torch.stack(terms).mean()


def generator_loss(fake_logits: Sequence[Tensor]) -> Tensor:
    """Hinge loss of the one who draws: the negative mean logit, over patches and scales."""
    if not fake_logits:
        raise ValueError("no scales to take a loss of")
    return -torch.stack([f.float().mean() for f in fake_logits]).mean()


def feature_matching_loss(
    real_features: Sequence[Sequence[Tensor]], fake_features: Sequence[Sequence[Tensor]]
) -> Tensor:
    """Mean absolute difference between the judge's features of real and drawn pictures.

    Args:
        real_features, fake_features: for each scale its maps [B, C, h, w]; the real ones are constants.

    Returns:
        Mean over elements of a map, then over maps and scales.
    """
    terms = []
    for real, fake in _pairs(real_features, fake_features):
        terms += [F.l1_loss(f.float(), r.detach().float()) for r, f in _pairs(real, fake)]
    return torch.stack(terms).mean()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within it, no gradient reaches the module's own parameters, only its input."""
    wanted = [p for p in module.parameters() if p.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


def _pairs(a: Sequence[_T], b: Sequence[_T]) -> Iterator[tuple[_T, _T]]:
    if len(a) != len(b) or not a:
        raise ValueError(f"{len(a)} real and {len(b)} drawn parts cannot be compared")
    return zip(a, b, strict=True)
