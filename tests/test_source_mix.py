"""Several key pictures: each serves what it knows best, at most two are drawn, and nothing jumps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from streams import tiny

from nvc.pose import HeadMotion
from nvc.source_mix import HeldSource, SourceMixer, source_costs, weight_map

N = 8


class FlatDrawer:
    """Draws a picture of one level, which is the source, so that the mix can be read off."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def prepare(self, picture: Any, x_c: Any, motion: Any) -> Any:
        raise NotImplementedError

    def draw(self, source: int, motion: HeadMotion) -> Iterator[np.ndarray]:
        for _ in range(motion.angles.shape[0]):
            self.drawn.append(source)
            yield np.full((3, 64, 64), source, np.uint8)


def head(yaw: float = 0.0, expression: float = 0.0, count: int = 1) -> HeadMotion:
    vector = torch.zeros(count, 7 + N)
    vector[:, 1] = np.radians(yaw)
    vector[:, 7] = expression
    return HeadMotion.from_vector(vector)


def source(level: int, **pose: float) -> HeldSource:
    return HeldSource(level, tiny().mean_keypoints.float(), head(**pose))


def mixer() -> tuple[SourceMixer, FlatDrawer]:
    drawer = FlatDrawer()
    return SourceMixer(tiny(), drawer), drawer


def levels(pictures: list[np.ndarray]) -> list[float]:
    return [float(p.mean()) for p in pictures]


def test_one_source_is_drawn_once_a_frame():
    mix, drawer = mixer()
    assert levels(mix.pictures(head(count=5), [source(100)])) == [100.0] * 5
    assert len(drawer.drawn) == mix.drawings == 5


def test_the_source_that_looks_the_same_way_is_drawn():
    mix, drawer = mixer()
    left, right = source(10, yaw=-30), source(200, yaw=30)
    assert levels(mix.pictures(head(yaw=28, count=2), [left, right])) == [200.0, 200.0]
    assert set(drawer.drawn) == {200}


def test_a_new_source_gives_way_in_small_steps():
    mix, drawer = mixer()
    old, new = source(0, yaw=-20), source(240)
    mix.pictures(head(count=3), [old])
    shown = levels([p for _ in range(60) for p in mix.pictures(head(), [old, new])])
    steps = np.diff([0.0, *shown])
    assert steps.max() <= 240 / 4 + 1 and steps.min() >= -1
    assert steps[0] <= 240 / 32 + 1  # nothing jumps at the switch
    assert shown[-1] == 240.0
    assert drawer.drawn[-1] == 240 and drawer.drawn[-2] == 240  # and then one drawing a frame is enough again


def test_a_cut_switches_at_once():
    mix, _ = mixer()
    mix.pictures(head(), [source(0)])
    mix.cut()
    assert levels(mix.pictures(head(), [source(240)])) == [240.0]


def test_never_more_than_two_are_drawn():
    mix, drawer = mixer()
    held = [source(10 * (i + 1), yaw=15.0 * i, expression=0.1 * i) for i in range(4)]
    for yaw in range(0, 60, 3):
        before = len(drawer.drawn)
        mix.pictures(head(yaw=yaw, expression=0.3 * (yaw % 2)), held)
        assert len(drawer.drawn) - before <= 2
    assert mix.drawings == len(drawer.drawn)


def test_batches_do_not_matter():
    held = [source(0, yaw=-25), source(250, yaw=25)]
    turning = HeadMotion.from_vector(torch.cat([head(yaw=y).vector() for y in range(-25, 26, 5)]))
    whole, _ = mixer()
    parts, _ = mixer()
    together = whole.pictures(turning, held)
    apart = [p for i in range(11) for p in parts.pictures(turning[i : i + 1], held)]
    assert np.array_equal(np.stack(together), np.stack(apart))


def test_costs_grow_with_turn_size_and_expression():
    basis = tiny().expression_basis
    still = source(0)
    same, turned, moved = (source_costs(still, m, basis) for m in (head(), head(yaw=20), head(expression=0.2)))
    assert same.shape == (1, 9) and same.max() < 0.1
    assert (turned > same).all() and (moved > same).all()


def test_the_side_that_was_hidden_costs_more():
    basis = tiny().expression_basis
    costs = source_costs(source(0, yaw=60), head(yaw=-60), basis)[0, :8]
    assert costs.max() - costs.min() > 0.3


@pytest.mark.parametrize("keypoint", range(8))
def test_a_keypoint_speaks_for_the_pixels_around_it(keypoint):
    x_d = tiny().mean_keypoints.float()
    weights = np.zeros(9, np.float32)
    weights[keypoint] = 1
    spread = weight_map(weights, x_d)
    column, row = ((x_d[keypoint, :2] + 1) * 32).long().tolist()
    assert spread.min() >= 0 and spread.max() <= 1
    assert spread[row, column] > 0.5 and spread[0, 0] < 0.1
    assert torch.allclose(weight_map(np.ones(9, np.float32), x_d), torch.ones(64, 64), atol=1e-5)


# Through the stream


def stream(clip: np.ndarray, sources: int) -> list[Any]:
    from streams import encode

    from nvc.key_placement import KeyPolicy

    return encode(clip, key_policy=KeyPolicy(interval=4), group_size=2, sources=sources)


def keys_and_slots(units: list[Any]) -> list[int]:
    from bitstream import KeyFrame, Sequence, UnitType, parse_payload

    sequence, slots = None, []
    for unit in units:
        payload = parse_payload(unit, sequence) if unit.type in (UnitType.SEQUENCE, UnitType.KEYFRAME) else None
        if isinstance(payload, Sequence):
            sequence = payload
        elif isinstance(payload, KeyFrame):
            slots.append(payload.source_slot)
    return slots


def test_the_encoder_fills_slots_in_turn(small_clip: np.ndarray) -> None:
    assert keys_and_slots(stream(small_clip, 1)) == [0, 0, 0]
    assert keys_and_slots(stream(small_clip, 2)) == [0, 1, 0]
    assert keys_and_slots(stream(small_clip, 4)) == [0, 1, 2]


def test_with_several_sources_the_switch_is_a_small_step(small_clip: np.ndarray) -> None:
    from streams import joined

    from nvc.decoder import Decoder

    steps = {}
    for sources in (1, 2):
        decoder = Decoder(model=tiny(), device="cpu")
        frames = np.stack(decoder.decode(joined(stream(small_clip, sources)))).astype(float)
        steps[sources] = np.abs(frames[4] - frames[3]).mean()
        assert len(frames) == 12
        assert decoder.drawings <= 2 * 12
    assert steps[2] < 0.5 * steps[1]


@pytest.mark.parametrize("sources", [0, 5])
def test_no_more_sources_than_slots(sources: int) -> None:
    from streams import make_encoder

    with pytest.raises(ValueError, match="sources is"):
        make_encoder(sources=sources)
