"""How good decoded frames are, as the encoder sees it: with the model's own networks and nothing else.

What people notice first in coded video is detail that has gone, so the perceptual distance compares how much the
features of the appearance network vary within small windows: a blurred picture varies less. Where exactly the detail
lies counts little; where the face is and what it does is compared by the keypoints of the motion network.
`benchmarks/judge.py` compares this distance with one from image-recognition features, over networks and H.264 alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nvc import pose
from nvc.colour import Rgb
from nvc.inference import to_network
from nvc.models.interface import CodecModel
from nvc.rate import Tune

_WINDOW = 8  # of feature positions, at half the picture's side
_FLOOR = 0.01  # of a feature's deviation: less than this is nothing
_DETAIL = 0.82  # makes the distance about as large as that of image-recognition features
_KEYPOINTS = 0.01  # a pixel at a side of 256
_BATCH = 4
_REMEMBERED = 512  # originals of which features are kept
_PSNR_OF_EQUAL = 60.0  # dB, for frames that do not differ


class Judge:
    """Compares frames. ``scores`` are higher for better frames, whatever it is tuned for."""

    def __init__(self, model: CodecModel, *, device: torch.device, tune: Tune) -> None:
        self._model = model
        self._device = device
        self.tune = tune
        self._known: dict[int, tuple[Rgb, Tensor, Tensor]] = {}

    def scores(self, originals: Sequence[Rgb], shown: Sequence[Rgb]) -> NDArray[np.float64]:
        """A score for each frame, uint8 ``[S, S, 3]``: PSNR in dB, or 100 * (1 - perceptual distance)."""
        if self.tune is Tune.PSNR:
            return np.array([psnr(a, b) for a, b in zip(originals, shown, strict=True)])
        return 100 * (1 - self.distances(originals, shown))

    def distances(self, originals: Sequence[Rgb], shown: Sequence[Rgb]) -> NDArray[np.float64]:
        """Perceptual distance of each frame: 0 for equal ones, 0.2 for good and 0.5 for bad ones."""
        found: list[NDArray[np.float64]] = []
        for start in range(0, len(originals), _BATCH):
            real, points = self._features_of(originals[start : start + _BATCH])
            pictures = to_network(list(shown[start : start + _BATCH]), self._device)
            with torch.inference_mode():
                detail = (real - self._deviations(pictures)).abs().mean((1, 2, 3))
                apart = points[..., 3:5] - self._keypoints(pictures, points)
                moved = 128 * apart.pow(2).sum(-1).sqrt().mean(1)  # pixels at a side of 256
            found.append((_DETAIL * detail + _KEYPOINTS * moved).double().cpu().numpy())
        values = np.concatenate(found) if found else np.zeros(0)
        return np.nan_to_num(values, nan=1.0, posinf=1.0)

    def _features_of(self, originals: Sequence[Rgb]) -> tuple[Tensor, Tensor]:
        """Deviations and keypoints of originals, which are compared with many frames each."""
        new = [picture for picture in originals if id(picture) not in self._known]
        if len(self._known) + len(new) > _REMEMBERED:
            self._known.clear()
            new = list(originals)
        if new:
            pictures = to_network(new, self._device)
            with torch.inference_mode():
                deviations = self._deviations(pictures)
                x_c, motion = self._model.canonical(pictures), self._model.estimate(pictures)
                points = torch.cat([x_c, pose.keypoints(x_c, motion, self._model.expression_basis)], -1)
            for picture, deviation, point in zip(new, deviations, points, strict=True):
                self._known[id(picture)] = picture, deviation, point  # holding the picture keeps its id
        known = [self._known[id(picture)] for picture in originals]
        return torch.stack([entry[1] for entry in known]), torch.stack([entry[2] for entry in known])

    def _deviations(self, pictures: Tensor) -> Tensor:
        """Logarithms of the features' deviations in windows, [B, C, n, n]."""
        features = _half_size(self._model.appearance(pictures), pictures)
        window = min(_WINDOW, features.shape[-1])
        mean = F.avg_pool2d(features, window)
        variance = F.avg_pool2d(features * features, window) - mean * mean
        return (variance.clamp_min(0).sqrt() + _FLOOR).log()

    def _keypoints(self, shown: Tensor, originals: Tensor) -> Tensor:
        """Keypoints of frames on the canonical ones of their originals (the first three numbers), [B, K, 2]."""
        motion = self._model.estimate(shown)
        return pose.keypoints(originals[..., :3], motion, self._model.expression_basis)[..., :2]


def psnr(original: Rgb, shown: Rgb) -> float:
    """PSNR in dB over all three channels, at most 60."""
    error = float(((original.astype(np.float32) - shown) ** 2).mean())
    return min(_PSNR_OF_EQUAL, 10 * float(np.log10(255**2 / error))) if error > 0 else _PSNR_OF_EQUAL


def _half_size(features: Any, pictures: Tensor) -> Tensor:
    """The feature map at half the side, or, of models that have none, the largest one below the picture's own."""
    tensors = [getattr(features, f.name) for f in fields(features)] if is_dataclass(features) else [features]
    maps = [t for t in tensors if isinstance(t, Tensor) and t.dim() == 4 and t.shape[-1] * 2 <= pictures.shape[-1]]
    return max(maps, key=lambda t: t.shape[-1]) if maps else F.avg_pool2d(pictures, 2)
