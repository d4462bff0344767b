"""Codes validation clips with a variant of the lite model at every level of dropout, draws them and measures faces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.transform_coding import LEVELS, Coded, Curve, Level, code_motion, held_to_grid, sequence_for
from benchmarks.transform_variants import (
    SIDE,
    PriorMotion,
    Seen,
    UnsupervisedModel,
    Variant,
    build,
    draw_prior,
    draw_unsupervised,
    rebuilt,
)
from bitstream import POSE_COUNT, ExpressionTransform
from nvc.metrics.faces import MOUTH, Box, FaceAnalyser
from nvc.models.model import Model
from nvc.pose import HeadMotion
from nvc.training.data import PackedClips
from nvc.training.labels import FaceShape
from nvc.training.prior import LANDMARK_INDEX

_BATCH = 8
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Shot:
    """The first frames of a clip: ``key`` [1, 3, S, S] decoded key picture, ``clean`` [1 + T, 3, S, S] all frames,
    ``at`` those that are measured, ``labels`` motion [1 + T, 7 + 32] and ``x_c`` [K, 3] of the landmarks."""

    name: str
    key: Tensor
    clean: Tensor
    at: list[int]
    labels: Tensor
    x_c: Tensor


@dataclass(frozen=True)
class Reference:
    """Faces of the measured originals at the pack's own size: pictures, boxes and landmarks where there is a face."""

    pictures: list[Picture]
    boxes: list[Box | None]
    landmarks: list[NDArray[np.float32] | None]


def shots(data: PackedClips, *, frames: int, every: int) -> Iterator[tuple[Shot, list[Picture]]]:
    """The clips of a pack, and their measured frames as they are."""
    index = list(LANDMARK_INDEX)
    for clip, (first, _) in zip(data.clips, data.key_spans, strict=True):
        start, count = clip["start"], min(frames, clip["count"])
        at = list(range(every, count, every))
        if not at:  # a photo
            continue
        clean = _pictures(data.frames[start : start + count])
        shot = Shot(
            clip["name"],
            _pictures(data.keys[first : first + 1]),
            clean,
            at,
            data.labels[0].vector[start : start + count],
            data.labels[0].x_c[start, index],
        )
        yield shot, [np.ascontiguousarray(data.frames[start + i]) for i in at]


def _pictures(frames: np.ndarray) -> Tensor:
    parts = [
        F.interpolate(
            torch.from_numpy(np.array(part)).permute(0, 3, 1, 2).float() / 255, size=(SIDE, SIDE), mode="area"
        )
        for part in np.array_split(frames, -(-len(frames) // 16))
    ]
    return torch.cat(parts)


class PriorShot:
    """A shot as the prior variant sends it; its face model is the labels."""

    def __init__(self, model: Model, shot: Shot) -> None:
        self.model, self.shot = model, shot
        self.features = model.appearance(shot.key)
        mean = model.mean_keypoints
        self.x_c = mean + torch.from_numpy(held_to_grid((shot.x_c - mean).numpy()))

    def code(self, level: Level) -> Coded:
        """Motion of the whole shot."""
        vectors = self.shot.labels
        if level.curve is Curve.REBUILT:
            sequence = sequence_for(vectors.shape[1] - POSE_COUNT, len(self.x_c), ExpressionTransform.BASIS)
            return code_motion(sequence, vectors.numpy(), level.numbers)
        code = vectors[:, POSE_COUNT:]
        deformations = torch.einsum("bn,nkc->bkc", code, self.model.expression_basis)[:, : level.keypoints].flatten(1)
        sent = torch.cat([vectors[:, : POSE_COUNT + level.numbers], deformations], 1)
        sequence = sequence_for(level.sent, len(self.x_c), ExpressionTransform.BASIS)
        return code_motion(sequence, sent.numpy(), level.sent)

    def draw(self, level: Level, coded: Coded, at: list[int]) -> Tensor:
        """Frames ``at``, [len(at), 3, S, S], about 0 to 1."""
        received = torch.from_numpy(coded.vectors)
        still, driving = self._arrived(level, received[:1]), self._arrived(level, received[at])
        return draw_prior(self.model, self.features.expand(len(at)), self.x_c, _each(still.motion, len(at)), driving)[0]

    def _arrived(self, level: Level, received: Tensor) -> PriorMotion:
        basis, still = self.model.expression_basis, self.shot.labels[:1]
        if level.curve is Curve.REBUILT:
            return rebuilt(HeadMotion.from_vector(received), basis)
        end = POSE_COUNT + level.numbers
        rest = still[:, end:].expand(len(received), -1)
        motion = HeadMotion.from_vector(torch.cat([received[:, :end], rest], 1))
        held = rebuilt(HeadMotion.from_vector(still), basis).deformations.expand(len(received), -1, -1)
        sent = received[:, end:].unflatten(1, (level.keypoints, 3))
        return PriorMotion(motion, torch.cat([sent, held[:, level.keypoints :]], 1))


class UnsupervisedShot:
    """A shot as the unsupervised variant sees and sends it."""

    def __init__(self, model: UnsupervisedModel, shot: Shot) -> None:
        self.model = model
        self.features = model.appearance(shot.key)
        seen = [model.see(part) for part in shot.clean.split(_BATCH)]
        everything = Seen(*(torch.cat([getattr(s, f) for s in seen]) for f in ("angles", "places", "depths")))
        source = Seen(everything.angles[:1], everything.places[:1], everything.depths[:1])
        mean = model.mean_keypoints
        self.x_c = mean + torch.from_numpy(held_to_grid((model.canonical_of(source) - mean).numpy()))
        self.vectors = model.motion_to(self.x_c, everything).vector()
        self.vectors[0] = model.source_motion(source).vector()[0]

    def code(self, level: Level) -> Coded:
        """Motion of the whole shot."""
        count = self.model.config.keypoints
        sequence = sequence_for(3 * count, count, ExpressionTransform.KEYPOINTS)
        return code_motion(sequence, self.vectors.numpy(), level.sent)

    def draw(self, level: Level, coded: Coded, at: list[int]) -> Tensor:
        """Frames ``at``, [len(at), 3, S, S], about 0 to 1."""
        received = HeadMotion.from_vector(torch.from_numpy(coded.vectors))
        motion = HeadMotion.from_vector(received.vector()[at])
        still = _each(received[:1], len(at))
        return draw_unsupervised(self.model, self.features.expand(len(at)), self.x_c, still, motion)[0]


def _each(motion: HeadMotion, count: int) -> HeadMotion:
    return HeadMotion.from_vector(motion.vector().expand(count, -1))


def _reference(pictures: list[Picture], analyser: FaceAnalyser) -> Reference:
    boxes = [analyser.find(picture) for picture in pictures]
    landmarks = [None if b is None else analyser.landmarks(p, b) for p, b in zip(pictures, boxes, strict=True)]
    return Reference(pictures, boxes, landmarks)


def _errors(drawn: Tensor, reference: Reference, analyser: FaceAnalyser) -> dict[str, list[float]]:
    """AKD and AKD-M in pixels of the originals' size, PSNR at the drawn size, of each frame."""
    side = reference.pictures[0].shape[0]
    large = F.interpolate(drawn.clamp(0, 1), size=(side, side), mode="bicubic", align_corners=False).clamp(0, 1)
    decoded = (large * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    truth = _pictures(np.stack(reference.pictures))
    error = (drawn.clamp(0, 1) - truth).square().mean((1, 2, 3)).clamp(min=1e-10)
    found: dict[str, list[float]] = {"akd": [], "akd_m": [], "psnr": (-10 * error.log10()).tolist()}
    for picture, box, points in zip(decoded, reference.boxes, reference.landmarks, strict=True):
        if box is not None and points is not None:
            distance = np.linalg.norm(analyser.landmarks(picture, box) - points, axis=1)
            found["akd"].append(float(distance.mean()))
            found["akd_m"].append(float(distance[MOUTH].mean()))
    return found


class _Means:
    """Means over the clips of means over a clip's frames."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def add(self, **values: list[float] | float) -> None:
        for name, value in values.items():
            if np.size(value):
                self.values.setdefault(name, []).append(float(np.mean(value)))

    def row(self) -> dict[str, float]:
        return {name: round(float(np.mean(v)), 4) for name, v in self.values.items()}


@torch.no_grad()
def measure(variant: Variant, folder: Path, *, val: Path, frames: int, every: int) -> dict[str, Any]:
    """All levels of a variant on a validation pack.

    Args:
        variant: which one.
        folder: of its run, with ``checkpoint.pt``, ``shape.pt`` and ``spent.json``.
        val: validation pack, labelled with the face shape of the training pack.
        frames: frames of each clip that are coded.
        every: one frame in this many is drawn and measured.

    Returns:
        ``training``, ``points`` (one for each level) and ``still`` (the key picture repeated).
    """
    saved = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    model = build(variant)
    model.load_state_dict(saved["average"])
    model.eval().requires_grad_(False)
    data = PackedClips(val, shape=FaceShape(**torch.load(folder / "shape.pt", weights_only=True)))
    analyser = FaceAnalyser()
    levels = [level for level in LEVELS if level.curve.variant is variant]
    means, still = [_Means() for _ in levels], _Means()
    for shot, originals in shots(data, frames=frames, every=every):
        reference = _reference(originals, analyser)
        view = UnsupervisedShot(model, shot) if isinstance(model, UnsupervisedModel) else PriorShot(model, shot)
        still.add(**_errors(shot.key.expand(len(shot.at), -1, -1, -1), reference, analyser))
        for level, mean in zip(levels, means, strict=True):
            coded = view.code(level)
            drawn = torch.cat(
                [view.draw(level, coded, shot.at[i : i + _BATCH]) for i in range(0, len(shot.at), _BATCH)]
            )
            mean.add(bytes_per_frame=coded.size / (len(shot.clean) - 1), **_errors(drawn, reference, analyser))
    points = [
        {"curve": level.curve.value, "keypoints": level.keypoints, "numbers": level.numbers, **mean.row()}
        for level, mean in zip(levels, means, strict=True)
    ]
    return {"training": json.loads((folder / "spent.json").read_text()), "points": points, "still": still.row()}
