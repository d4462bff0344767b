"""Packed training data: many short clips become a few flat arrays that a data loader can map into memory.

A pack is a folder:

* ``frames.npy``     uint8 [F, S, S, 3] RGB, all frames of all clips one after the other
* ``landmarks.npy``  int16 [F, 478, 3], face-mesh landmarks in 1/32 pixel at side 256
* ``keys.npy``       uint8 [C, S, S, 3], frames as a decoder sees them: H.264 intra, decoded
* ``key_frames.npy`` int32 [C], the frame of which each of ``keys`` is a coded version
* ``clips.json``     list of {name, start, count, kind}

Only decoded key pictures ever reach the appearance network of a receiver, so training must
draw its sources from ``keys`` and never from ``frames``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from nvc import colour, keyframe

_CODED_PHOTO = 4  # a photo is coded this many times, each at its own QP


@dataclass(frozen=True)
class Clip:
    """One clip of a pack: frames ``start`` to ``start + count - 1``; ``kind`` is its folder's name."""

    name: str
    start: int
    count: int
    kind: str


def clip_frames(path: Path, side: int) -> np.ndarray:
    """All frames of a video as uint8 [T, side, side, 3] RGB; the picture is expected to be square."""
    with av.open(str(path)) as container:
        frames = [colour.frame_to_rgb(f, width=side, height=side) for f in container.decode(video=0)]
    return np.stack(frames)


def _photo_clips(folder: Path, side: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    labels = folder / "landmarks.npz"
    if not labels.exists():
        return
    with np.load(labels) as table:
        for name in sorted(table.files):
            matches = list(folder.glob(f"{name}.jp*g")) + list(folder.glob(f"{name}.png"))
            if matches:
                yield name, clip_frames(matches[0], side), table[name][None]


def _video_clips(folder: Path, side: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for path in sorted(folder.glob("*.mp4")):
        labels = path.with_suffix(".npz")
        if labels.exists():
            with np.load(labels) as table:
                landmarks = np.cumsum(table["landmarks_delta"].astype(np.int32), axis=0)
            frames = clip_frames(path, side)
            count = min(len(frames), len(landmarks))
            yield path.stem, frames[:count], landmarks[:count].astype(np.int16)


def _code_keys(
    frames: np.ndarray, every: int, qp_range: tuple[int, int], rng: np.random.Generator
) -> tuple[list[np.ndarray], list[int]]:
    """Code every ``every``-th frame as an H.264 intra picture at a random QP and decode it again."""
    coded, at = [], []
    still = len(frames) == 1
    for index in [0] * _CODED_PHOTO if still else range(0, len(frames), every):
        qp = int(rng.integers(qp_range[0], qp_range[1] + 1))
        data = keyframe.encode_picture(frames[index], qp=qp)
        coded.append(keyframe.decode_picture(data, width=frames.shape[2], height=frames.shape[1]))
        at.append(index)
    return coded, at


def pack(
    folders: list[Path],
    out: Path,
    *,
    side: int = 256,
    key_every: int = 5,
    qp_range: tuple[int, int] = (26, 42),
    seed: int = 0,
    report: Callable[[Clip], None] = lambda clip: None,
) -> list[Clip]:
    """Pack folders of labelled clips and photos into ``out``.

    Args:
        folders: folders holding ``NAME.mp4`` beside ``NAME.npz`` (``landmarks_delta`` int16 [T, 478, 3]),
            or photos beside one ``landmarks.npz``.
        out: folder to write; made when missing.
        side: picture side in pixels.
        key_every: one frame in this many also becomes a coded key picture; of a photo, four do.
        qp_range: H.264 quantiser range, both ends included, of the coded key pictures.
        seed: of the random QPs.
        report: called after every clip.

    Returns:
        The clips in the order of the pack.

    Raises:
        ValueError: nothing labelled in any of the folders.
    """
    rng = np.random.default_rng(seed)
    out.mkdir(parents=True, exist_ok=True)
    clips: list[Clip] = []
    all_frames, all_landmarks, keys, key_frames = [], [], [], []
    start = 0
    for folder in folders:
        for name, frames, landmarks in [*_video_clips(folder, side), *_photo_clips(folder, side)]:
            coded, at = _code_keys(frames, key_every, qp_range, rng)
            clips.append(Clip(name, start, len(frames), folder.name))
            all_frames.append(frames)
            all_landmarks.append(landmarks)
            keys += coded
            key_frames += [start + i for i in at]
            start += len(frames)
            report(clips[-1])
    if not clips:
        raise ValueError(f"no labelled clips or photos in {', '.join(map(str, folders))}")
    # Written in place: joining them first would need the memory twice.
    joined = np.lib.format.open_memmap(out / "frames.npy", "w+", np.uint8, (start, side, side, 3))
    for clip, frames in zip(clips, all_frames, strict=True):
        joined[clip.start : clip.start + clip.count] = frames
    joined.flush()
    np.save(out / "landmarks.npy", np.concatenate(all_landmarks))
    np.save(out / "keys.npy", np.stack(keys))
    np.save(out / "key_frames.npy", np.array(key_frames, np.int32))
    (out / "clips.json").write_text(json.dumps([vars(c) for c in clips], indent=1))
    return clips
