"""A key frame as it goes into coding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nvc.colour import Rgb
from nvc.crop import Square

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class KeyInput:
    """A key frame before coding: output index, picture uint8 ``[S, S, 3]``, keypoints ``[K, 3]``, motion ``[7 + N]``.

    ``square``: where the picture was cut out of the source; ``new_scene``: pictures before it are worth nothing now;
    ``qp``: of its picture, where it is not the stream's; ``shown``: whether it is the frame ``index`` itself, or only
    the source from which that one and those after it are drawn; ``frame``: which frame it was, if not ``index``.
    """

    index: int
    picture: Rgb
    canonical: NDArray[np.float32]
    motion: Vector
    square: Square
    new_scene: bool = True
    qp: int | None = None
    shown: bool = True
    frame: int | None = None

    @property
    def pictured(self) -> int:
        """Index of the frame whose picture it is."""
        return self.index if self.frame is None else self.frame
