"""Validation: the same pairs of unseen people every time, in numbers and as a sheet to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nvc.models.interface import CodecModel
from nvc.pose import HeadMotion, keypoints
from nvc.training.data import PackedClips
from nvc.training.labels import KEYPOINTS
from nvc.training.losses import SqueezeFeatures, perceptual_distance
from nvc.training.vgg import VggFeatures

_BATCH = 8


@dataclass(frozen=True)
class Pair:
    """One key picture (index into ``keys``) and the frames it has to explain."""

    key: int
    source: int
    driving: tuple[int, ...]


def fixed_pairs(data: PackedClips, *, every: int) -> list[Pair]:
    """The first key picture of every clip against every ``every``-th frame of the clip."""
    pairs = []
    for clip, (first, _) in zip(data.clips, data.key_spans, strict=True):
        apart = max(1, min(every, clip["count"] // 2))  # a short clip shows its middle
        driving = range(clip["start"] + apart, clip["start"] + clip["count"], apart)
        if len(driving):
            pairs.append(Pair(first, int(data.key_frames[first]), tuple(driving)))
    return pairs


class Validator:
    """Computes PSNR, perceptual distance and errors of motion over fixed pairs, and draws a sheet."""

    def __init__(
        self,
        data: PackedClips,
        features: SqueezeFeatures | VggFeatures,
        folder: Path,
        *,
        every: int = 40,
        index: Sequence[int] | None = tuple(range(len(KEYPOINTS))),
    ) -> None:
        """Set up.

        Args:
            data: clips of people who are not trained on.
            features: perceptual backbone.
            folder: where the sheet goes.
            every: one frame in this many is drawn.
            index: which of the labels' keypoints are the model's, those past the labels' last one left out; None for
                a model with keypoints of its own, which labels cannot drive.
        """
        self.data, self.features, self.folder = data, features, folder
        labelled = data.labels[0].x_c.shape[1]
        self.index = None if index is None else [i for i in index if i < labelled]
        self.pairs = fixed_pairs(data, every=every)

    @torch.no_grad()
    def __call__(self, model: CodecModel, side: int) -> dict[str, float]:
        """Figures of ``model`` (in evaluation mode) at ``side`` pixels; writes ``sheet.png``."""
        totals: dict[str, list[float]] = {}
        rows = []
        for pair in self.pairs:
            source = _pictures(self.data.keys[pair.key : pair.key + 1], side)
            driving = _pictures(self.data.frames[list(pair.driving)], side)
            clean = _pictures(self.data.frames[pair.source : pair.source + 1], side)
            drawn = {}
            for name, (x_c, source_motion, motion) in self._motions(model, pair, clean, driving).items():
                features = model.appearance(source)
                parts = [
                    model.render(features, x_c, source_motion, motion[i : i + _BATCH])
                    for i in range(0, len(driving), _BATCH)
                ]
                drawn[name] = torch.cat(parts)
                for key, value in self._figures(drawn[name], driving).items():
                    totals.setdefault(f"{name}_{key}", []).append(value)
            for key, value in self._motion_error(model, pair, clean, driving).items():
                totals.setdefault(key, []).append(value)
            middle = len(driving) // 2
            rows.append(torch.cat([source[0], driving[middle], *(d[middle] for d in drawn.values())], 2))
        write_png(self.folder / "sheet.png", torch.cat(rows, 1))
        return {f"val_{k}": round(float(np.mean(v)), 4) for k, v in totals.items()}

    def _motions(
        self, model: CodecModel, pair: Pair, clean: Tensor, driving: Tensor
    ) -> dict[str, tuple[Tensor, HeadMotion, HeadMotion]]:
        codec = (model.canonical(clean), model.estimate(clean), model.estimate(driving))
        if self.index is None:
            return {"codec": codec}
        labels = self.data.labels[0]
        return {
            "labels": (
                labels.x_c[pair.source][None, self.index],
                HeadMotion.from_vector(labels.vector[pair.source][None]),
                HeadMotion.from_vector(labels.vector[list(pair.driving)]),
            ),
            "codec": codec,
        }

    def _figures(self, drawn: Tensor, driving: Tensor) -> dict[str, float]:
        error = (drawn - driving).square().mean((1, 2, 3)).clamp(min=1e-10)
        distances = [
            float(perceptual_distance(self.features(a), self.features(b)))
            for a, b in zip(drawn.split(_BATCH), driving.split(_BATCH), strict=True)
        ]
        return {"psnr": float((-10 * error.log10()).mean()), "perceptual": float(np.mean(distances))}

    def _motion_error(self, model: CodecModel, pair: Pair, clean: Tensor, driving: Tensor) -> dict[str, float]:
        """Error of the angles in degrees; of keypoints that have labels, in pixels at side 256: of positions, and of
        what moved since the key picture."""
        labels = self.data.labels[0]
        label = HeadMotion.from_vector(labels.vector[[pair.source, *pair.driving]])
        motion = model.estimate(torch.cat([clean, driving]))
        degrees = float((motion.angles - label.angles).abs().mean()) * 180 / math.pi
        if self.index is None:
            return {"angle_deg": degrees}
        true = keypoints(labels.x_c[pair.source, self.index], label, model.expression_basis)
        found = keypoints(model.canonical(clean), motion, model.expression_basis)
        error = (found - true)[..., :2] * 128
        change = error[1:] - error[:1]
        return {
            "angle_deg": degrees,
            "keypoint_px": float(error.norm(dim=-1).mean()),
            "change_px": float(change.norm(dim=-1).mean()),
        }


def _pictures(frames: np.ndarray, side: int) -> Tensor:
    pictures = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 255
    return pictures if pictures.shape[-1] == side else F.interpolate(pictures, size=(side, side), mode="area")


def write_png(path: Path, picture: Tensor) -> None:
    """Write [3, H, W], 0 to 1, as a PNG."""
    array = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = array.shape[1], array.shape[0], "rgb24"
    encoder.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(array, format="rgb24")
    path.write_bytes(b"".join(bytes(p) for p in [*encoder.encode(frame), *encoder.encode(None)]))
