"""Training batches: key pictures as a receiver sees them, driving frames of the same person, and their labels."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nvc.pose import HeadMotion
from nvc.training.augment import Similarity, colour_jitter, transform_motion, transform_pictures
from nvc.training.labels import KEYPOINTS, FaceShape, Labels, fit_shape, label, to_half_sides

_NOT_FILMED = ("photos", "generated")  # kinds of clips that say nothing about how real faces move


@dataclass(frozen=True)
class Batch:
    """B key pictures with T driving frames each; driving tensors are [B * T, ...], source by source.

    Attributes:
        source: decoded key pictures [B, 3, S, S], 0 to 1.
        clean: the same frames before coding [B, 3, S, S].
        driving: [B * T, 3, S, S].
        source_motion, motion: labels of both.
        x_c: canonical keypoints of the sources [B, K, 3].
    """

    source: Tensor
    clean: Tensor
    driving: Tensor
    source_motion: HeadMotion
    motion: HeadMotion
    x_c: Tensor

    def to(self, device: str) -> Batch:
        """The batch on another device."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Batch(
            move(self.source),
            move(self.clean),
            move(self.driving),
            HeadMotion.from_vector(move(self.source_motion.vector())),
            HeadMotion.from_vector(move(self.motion.vector())),
            move(self.x_c),
        )


class PackedClips:
    """A pack made by :func:`nvc.training.packing.pack`, mapped into memory, with labels computed once."""

    def __init__(
        self,
        folder: Path,
        *,
        shape: FaceShape | None = None,
        mean: Tensor | None = None,
        keypoints: int = len(KEYPOINTS),
        expression: int = 32,
    ):
        """Open a pack.

        Args:
            folder: of the pack.
            shape: face shape to label with; fitted to this pack when missing, which needs ``mean`` [478, 3].
            keypoints, expression: K and N, when fitted.
        """
        self.frames = np.load(folder / "frames.npy", mmap_mode="r")
        self.keys = np.load(folder / "keys.npy", mmap_mode="r")
        self.key_frames = np.load(folder / "key_frames.npy")
        self.clips = json.loads((folder / "clips.json").read_text())
        points = to_half_sides(np.load(folder / "landmarks.npy"))
        if shape is None:
            if mean is None:
                raise ValueError("a face shape or a mean face to fit one is needed")
            spans = [(c["start"], c["count"]) for c in self.clips if c["kind"] not in _NOT_FILMED]
            if all(count == 1 for _, count in spans):
                raise ValueError(f"{folder}: no clip of more than one frame to learn a face shape from")
            shape = fit_shape(points, spans, mean, keypoints=keypoints, expression=expression)
        self.shape = shape
        self.labels = (label(points, shape), label(points, shape, mirrored=True))
        first = np.searchsorted(self.key_frames, [c["start"] for c in self.clips])
        last = np.searchsorted(self.key_frames, [c["start"] + c["count"] for c in self.clips])
        self.key_spans = list(zip(first.tolist(), last.tolist(), strict=True))

    def clip_weights(self) -> np.ndarray:
        """How often each clip is drawn: by the root of its length, so that long clips do not crowd out people."""
        weights = np.array([math.sqrt(min(c["count"], 400)) for c in self.clips])
        weights *= np.array([{"photos": 0.8, "generated": 0.6}.get(c["kind"], 1.0) for c in self.clips])
        return weights / weights.sum()


class Sampler:
    """Draws random batches from a pack."""

    def __init__(
        self, data: PackedClips, *, sources: int, targets: int, side: int, seed: int, hard: float = 0.5
    ) -> None:
        """Set up the draw.

        Args:
            data: what to draw from.
            sources, targets: B and T of a batch.
            side: of the pictures returned.
            seed: of everything random here.
            hard: share of driving frames chosen, from four candidates, as the one most unlike the source.
        """
        self.data, self.sources, self.targets, self.side, self.hard = data, sources, targets, side, hard
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.weights = data.clip_weights()

    def draw(self) -> Batch:
        """One batch."""
        keys, frames, clean = [], [], []
        mirrored = self.rng.random(self.sources) < 0.5
        for flip in mirrored:
            clip = int(self.rng.choice(len(self.weights), p=self.weights))
            key = int(self.rng.integers(*self.data.key_spans[clip]))
            keys.append(self.data.keys[key])
            source_frame = int(self.data.key_frames[key])
            clean.append(source_frame)
            frames += [self._driving(clip, source_frame, bool(flip)) for _ in range(self.targets)]
        return self._assemble(np.stack(keys), np.array(clean), np.array(frames), mirrored)

    def _driving(self, clip: int, source: int, flip: bool) -> int:
        start, count = self.data.clips[clip]["start"], self.data.clips[clip]["count"]
        if count == 1 or self.rng.random() >= self.hard:
            return start + int(self.rng.integers(count))
        candidates = start + self.rng.integers(count, size=4)
        vectors = self.data.labels[int(flip)].vector
        scale = torch.tensor([1.0] * 7 + [10.0] * (vectors.shape[1] - 7))
        distance = ((vectors[candidates] - vectors[source]) * scale).square().sum(1)
        return int(candidates[int(distance.argmax())])

    def _assemble(self, keys: np.ndarray, clean: np.ndarray, frames: np.ndarray, mirrored: np.ndarray) -> Batch:
        flips = torch.from_numpy(mirrored)
        driven_flips = flips.repeat_interleave(self.targets)
        source = _to_pictures(keys, flips)
        original = _to_pictures(self.data.frames[clean], flips)
        driving = _to_pictures(self.data.frames[frames], driven_flips)
        source_label = _pick(self.data.labels, clean, flips)
        driving_label = _pick(self.data.labels, frames, driven_flips)
        # One crop jitter for the whole group; a photo, which cannot move by itself, moves by a second one.
        group = Similarity.draw(self.sources, self.generator, shift=0.08, scale=0.12, roll=0.12)
        shared = group.repeat(self.targets)
        still = torch.from_numpy(np.repeat(clean, self.targets) == frames)
        own = Similarity.draw(len(frames), self.generator, shift=0.1, scale=0.15, roll=0.2).where(still)
        moved = shared.then(own)
        source, original = transform_pictures(torch.cat([source, original]), group.repeat_block(2)).chunk(2)
        driving = transform_pictures(driving, moved)
        jitter = torch.cat([source, original, driving])
        owner = torch.cat(
            [torch.arange(self.sources)] * 2 + [torch.arange(self.sources).repeat_interleave(self.targets)]
        )
        jitter = colour_jitter(_resize(jitter, self.side), owner, self.generator)
        source, original, driving = jitter.split([self.sources, self.sources, len(frames)])
        return Batch(
            source,
            original,
            driving,
            transform_motion(HeadMotion.from_vector(source_label.vector), group),
            transform_motion(HeadMotion.from_vector(driving_label.vector), moved),
            source_label.x_c,
        )


def _to_pictures(frames: np.ndarray, flips: Tensor) -> Tensor:
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
    return torch.where(flips[:, None, None, None], pictures.flip(3), pictures)


def _pick(labels: tuple[Labels, Labels], index: np.ndarray, flips: Tensor) -> Labels:
    plain, mirrored = labels
    return Labels(
        torch.where(flips[:, None], mirrored.vector[index], plain.vector[index]),
        torch.where(flips[:, None, None], mirrored.x_c[index], plain.x_c[index]),
    )


def _resize(pictures: Tensor, side: int) -> Tensor:
    if pictures.shape[-1] == side:
        return pictures
    if pictures.shape[-1] % side == 0:
        return F.avg_pool2d(pictures, pictures.shape[-1] // side)
    return F.interpolate(pictures, size=(side, side), mode="area")
