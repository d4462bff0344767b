"""What is remembered about an original is what would have been found, and nothing else is remembered."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_standins import Channels, brighter

from benchmarks.remember import RememberingAnalyser, RememberingBackbone
from nvc.metrics import FaceAnalyser, measure


class Counting(Channels):
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        self.calls += 1
        return super().__call__(pictures)


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (4, 3, 16, 16), dtype=np.uint8)


def test_frames_of_the_clip_are_seen_once_and_others_every_time(frames):
    inner = Counting()
    backbone = RememberingBackbone(inner)
    backbone.start(frames)
    original, decoded = torch.from_numpy(frames).float(), torch.from_numpy(brighter(frames, 3)).float()
    for _ in range(3):
        assert all(torch.equal(*pair) for pair in zip(backbone(original), Channels()(original), strict=True))
        assert all(torch.equal(*pair) for pair in zip(backbone(decoded), Channels()(decoded), strict=True))
    assert inner.calls == 1 + 3


def test_the_next_clip_takes_the_place_of_the_last(frames):
    inner = Counting()
    backbone = RememberingBackbone(inner)
    original = torch.from_numpy(frames).float()
    for clip in (frames, frames, brighter(frames, 3), frames):
        backbone.start(clip)
        backbone(original)
    assert inner.calls == 3  # kept across the same clip, unknown to the other, forgotten by it


def test_figures_are_the_same_with_and_without_memory(face_clip):
    remembering = RememberingAnalyser()
    remembering.start(face_clip)
    decoded = brighter(face_clip, 6)
    first, again = (measure(face_clip, decoded, analyser=remembering).as_dict() for _ in range(2))
    assert first == again == measure(face_clip, decoded, analyser=FaceAnalyser()).as_dict()
