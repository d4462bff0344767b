"""What encoder and decoder may ask of a model, whichever preset it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor, nn

from nvc.pose import HeadMotion


class CodecModel(Protocol):
    """A codec model: lite, paper or prior.

    Attributes:
        config: a frozen dataclass with ``name``, ``side``, ``keypoints`` and ``expression`` at least.
        model_id: 16 bytes that name the weights; empty until they are loaded from a file.
        mean_keypoints: [K, 3], half-sides.
        expression_basis: [N, K, 3], what a unit of each expression number does to the canonical keypoints.
    """

    model_id: bytes

    @property
    def config(self) -> Any: ...

    @property
    def mean_keypoints(self) -> Tensor: ...

    @property
    def expression_basis(self) -> Tensor: ...

    def estimate(self, pictures: Tensor) -> HeadMotion:
        """Pose and expression of pictures [B, 3, S, S], 0 to 1."""
        ...

    def canonical(self, pictures: Tensor) -> Tensor:
        """Canonical keypoints [B, K, 3] of pictures [B, 3, S, S]."""
        ...

    def appearance(self, pictures: Tensor) -> Any:
        """Features of decoded key pictures [B, 3, S, S], for :meth:`render`."""
        ...

    def render(self, source: Any, x_c: Tensor, source_motion: HeadMotion, motion: HeadMotion) -> Tensor:
        """Driving frames [B, 3, S, S], 0 to 1, of one source and B driving heads."""
        ...

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """As of `nn.Module`, which every model is."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """As of `nn.Module`."""
        ...

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As of `nn.Module`."""
        ...
