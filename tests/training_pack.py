"""A small training pack of drawn heads, and weights of a small perceptual backbone, for tests of training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from nvc.pose import HeadMotion, keypoints
from nvc.training.labels import KEYPOINTS, MESH_POINTS

SIDE = 64


def mean_face() -> torch.Tensor:
    """A mirror-symmetric stand-in for the mean face mesh: random points with their mirror images."""
    rng = np.random.default_rng(5)
    half = rng.uniform([0.05, -1.5, -0.5], [1.3, 1.5, 1.0], (234, 3))
    face = np.concatenate([half, half * [-1, 1, 1]])
    right = [[-0.5, -0.6, 0.1], [-0.4, -0.6, 0.1], [-0.5, -0.7, 0.1], [-0.6, -0.6, 0.1], [-0.5, -0.5, 0.1]]
    left = [[0.5, -0.6, 0.1], [0.6, -0.6, 0.1], [0.5, -0.7, 0.1], [0.4, -0.6, 0.1], [0.5, -0.5, 0.1]]
    return torch.from_numpy(np.concatenate([face, right, left]).astype(np.float32))


def moving_landmarks(count: int, seed: int, wander: float = 0.02) -> np.ndarray:
    """Landmarks int16 [count, 478, 3] of a head that turns and whose points wander a little."""
    rng = np.random.default_rng(seed)
    angles = torch.from_numpy(np.cumsum(rng.normal(0, 0.05, (count, 3)), 0).astype(np.float32))
    motion = HeadMotion(angles, torch.zeros(count, 3), torch.full((count, 1), -0.2), torch.zeros(count, 1))
    basis = torch.from_numpy(rng.normal(0, wander, (1, MESH_POINTS, 3)).astype(np.float32))
    motion = HeadMotion(motion.angles, motion.translation, motion.log2_scale, torch.randn(count, 1))
    points = keypoints(mean_face() * 0.42, motion, basis) + torch.tensor([1.0, 1.0, 0.0])
    return (points.numpy() * 128 * 32).round().astype(np.int16)


def drawn_heads(landmarks: np.ndarray) -> np.ndarray:
    """Pictures uint8 [F, 64, 64, 3] with a coloured spot at each of the first eight keypoints."""
    frames = np.full((len(landmarks), SIDE, SIDE, 3), 60, np.uint8)
    for number, point in enumerate(KEYPOINTS[:8]):
        spots = np.clip(landmarks[:, point, :2] * SIDE // (32 * 256), 2, SIDE - 3)
        for frame, (x, y) in zip(frames, spots, strict=True):
            frame[y - 2 : y + 3, x - 2 : x + 3] = (30 * number, 255 - 30 * number, 128 * (number % 2))
    return frames


def write_pack(folder: Path) -> Path:
    """Three clips of drawn heads with landmarks, and one photo, packed at 64 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = [("a", 12, "train"), ("b", 9, "train"), ("c", 8, "generated"), ("d", 1, "photos")]
    clips, start = [], 0
    for name, count, kind in counts:
        clips.append({"name": name, "start": start, "count": count, "kind": kind})
        start += count
    landmarks = np.concatenate([moving_landmarks(c["count"], i) for i, c in enumerate(clips)])
    frames = drawn_heads(landmarks)
    key_frames = [c["start"] + i for c in clips for i in range(0, c["count"], 3)]
    np.save(folder / "frames.npy", frames)
    np.save(folder / "keys.npy", frames[key_frames])
    np.save(folder / "key_frames.npy", np.array(key_frames, np.int32))
    np.save(folder / "landmarks.npy", landmarks)
    (folder / "clips.json").write_text(json.dumps(clips))
    np.savez(folder / "face.npz", mean=mean_face().numpy())
    np.savez(folder / "squeeze.npz", **random_squeezenet())
    return folder


def random_squeezenet() -> dict[str, np.ndarray]:
    """Weights in SqueezeNet's layout, a quarter as wide, so that tests need no download."""
    rng = np.random.default_rng(1)
    out: dict[str, np.ndarray] = {}

    def conv(name: str, inputs: int, outputs: int, kernel: int) -> None:
        out[f"{name}.weight"] = rng.normal(0, (2 / (inputs * kernel**2)) ** 0.5, (outputs, inputs, kernel, kernel))
        out[f"{name}.bias"] = np.zeros(outputs)

    conv("conv1", 3, 16, 7)
    width = 16
    for index in range(2, 10):
        squeeze, expand = 4, 8
        conv(f"fire{index}/squeeze", width, squeeze, 1)
        conv(f"fire{index}/expand1x1", squeeze, expand, 1)
        conv(f"fire{index}/expand3x3", squeeze, expand, 3)
        width = 2 * expand
    return {k: v.astype(np.float16) for k, v in out.items()}
