"""Training of the restorer of small key pictures.

    python -m nvc.training.restoring PACK -o restorer.safetensors --minutes 15

Frames of a pack are made smaller, coded as key pictures at QPs that rate control uses, decoded, and the restorer learns
to give back the frame. L1 alone: what it invents is copied into every frame that is drawn from the picture.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nvc import colour, keyframe
from nvc.models.restorer import Restorer, save_restorer

_QPS = (24, 38)
_BATCH, _PATCH = 8, 48  # patches of the small picture


def coded_small(frame: np.ndarray, *, side: int, qp: int) -> np.ndarray:
    """A frame uint8 [S, S, 3] made smaller, coded and decoded: uint8 [side, side, 3]."""
    small = colour.resize_rgb(np.ascontiguousarray(frame), width=side, height=side)
    return keyframe.decode_picture(keyframe.encode_picture(small, qp=qp), width=side, height=side)


def make_pairs(folder: Path, count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``count`` frames of clips and photos [C, S, S, 3] and their small coded versions [C, S / 2, S / 2, 3]."""
    rng = np.random.default_rng(seed)
    frames = np.load(folder / "frames.npy", mmap_mode="r")
    clips = json.loads((folder / "clips.json").read_text())
    large, small = [], []
    for _ in range(count):
        clip = clips[rng.integers(len(clips))]
        frame = np.array(frames[clip["start"] + rng.integers(clip["count"])])
        large.append(frame)
        small.append(coded_small(frame, side=frame.shape[0] // 2, qp=int(rng.integers(_QPS[0], _QPS[1] + 1))))
    return np.stack(large), np.stack(small)


def draw_patches(large: np.ndarray, small: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A batch of patches, 0 to 1: large [B, 3, 2 P, 2 P] and small [B, 3, P, P], mirrored at random."""
    pairs = []
    room = small.shape[1] - _PATCH
    for index in rng.integers(len(small), size=_BATCH):
        y, x = rng.integers(room + 1, size=2)
        crop = small[index, y : y + _PATCH, x : x + _PATCH]
        target = large[index, 2 * y : 2 * (y + _PATCH), 2 * x : 2 * (x + _PATCH)]
        flip = -1 if rng.random() < 0.5 else 1
        pairs.append((target[:, ::flip], crop[:, ::flip]))
    stacked = (np.stack(part).transpose(0, 3, 1, 2) for part in zip(*pairs, strict=True))
    targets, crops = (torch.from_numpy(np.ascontiguousarray(part)).float() / 255 for part in stacked)
    return targets, crops


def train(folder: Path, *, minutes: float, pictures: int, seed: int = 0, report: bool = True) -> Restorer:
    """Train for so long on so many pictures; prints the loss now and then."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    large, small = make_pairs(folder, pictures, seed=seed)
    model = Restorer()
    optimiser = torch.optim.Adam(model.parameters(), lr=4e-4, betas=(0.9, 0.99))
    began, step, losses = time.monotonic(), 0, []
    while (spent := (time.monotonic() - began) / 60) < minutes:
        for group in optimiser.param_groups:
            group["lr"] = 4e-4 * min(1.0, 4 * (1 - spent / minutes))
        target, crop = draw_patches(large, small, rng)
        loss = F.l1_loss(model(crop), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        step += 1
        if report and step % 200 == 0:
            print(f"{spent:.1f} min, step {step}, L1 {np.mean(losses[-200:]) * 255:.3f} levels", flush=True)
    return model.eval()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write."""
    parser = argparse.ArgumentParser(description="Train the restorer of small key pictures.")
    parser.add_argument("pack", type=Path, help="folder made by nvc-prepare")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--pictures", type=int, default=600)
    options = parser.parse_args(arguments)
    save_restorer(train(options.pack, minutes=options.minutes, pictures=options.pictures), options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
