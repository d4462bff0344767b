"""Which pictures frames are drawn from: those that serve best, as few as are worth their bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvc.analysis import FramePlan
from nvc.crop import Square
from nvc.key_input import KeyInput
from nvc.key_placement import KeyReason
from nvc.roads import Part
from nvc.source_choice import SourceChooser, SourceEffort, Span, choose, switched

RATE = 10.0


class Turning:
    """A head that is turned by one number; the distance of a frame is how far it is turned from its source."""

    def __init__(self) -> None:
        self.drawings = 0

    def guessed(self, sources: Sequence[np.ndarray], frames: Sequence[np.ndarray]) -> np.ndarray:
        return np.abs(np.array(sources)[:, :1] - np.array(frames)[None, :, 0]).astype(np.float64)

    def drawn(self, key: KeyInput, frames: Sequence[np.ndarray], originals: Sequence[np.ndarray]) -> np.ndarray:
        self.drawings += len(frames)
        assert [int(picture[0, 0, 0]) for picture in originals] == [round(float(frame[1])) for frame in frames]
        return self.guessed([key.motion], frames)[0]

    def canonical(self, picture: np.ndarray) -> np.ndarray:
        return np.zeros((8, 3), np.float32)


def chooser(
    turns: Sequence[float], *, held: int = 4, drawn: int = 4, frozen: Sequence[int] = ()
) -> tuple[SourceChooser, Turning]:
    comparison = Turning()
    plans = []
    for index, turn in enumerate(turns):
        motion = np.array([turn, index % 200], np.float32)
        key = KeyInput(0, picture(0), np.zeros((8, 3), np.float32), motion, Square(0, 0, 8)) if not index else None
        plans.append(FramePlan(index, None if index in frozen else motion, key, None if index else KeyReason.FIRST))
    effort = SourceEffort(candidates=0.5, samples=0.5, drawn=drawn)
    some = lambda indices: {index: picture(index % 200) for index in indices}  # noqa: E731
    return SourceChooser(plans, some, comparison, frame_rate=RATE, effort=effort, held=held), comparison


def picture(level: int) -> np.ndarray:
    return np.full((8, 8, 3), level, np.uint8)


def whole(turns: Sequence[float]) -> Part:
    return Part(0, len(turns), True)


@pytest.mark.parametrize("drawn", [0, 4])
def test_a_scene_is_drawn_from_the_picture_that_serves_it_best_not_from_its_first(drawn: int) -> None:
    turns = [9.0] * 10 + [0.0] * 60
    chosen, comparison = chooser(turns, drawn=drawn)
    (span,) = chosen.spans(whole(turns), np.inf)
    assert span.start == 0 and span.source >= 10
    assert bool(comparison.drawings) == bool(drawn)


def test_more_pictures_are_sent_where_they_save_enough_and_returned_to_without_being_sent_again() -> None:
    turns = [0.0] * 30 + [1.0] * 30 + [0.0] * 30
    chosen, _ = chooser(turns)
    assert len(chosen.spans(whole(turns), 100.0)) == 1
    spans = chosen.spans(whole(turns), 0.5)
    assert [round(turns[span.source]) for span in spans] == [0, 1, 0]
    assert spans[0].source == spans[2].source
    assert [abs(span.start - start) <= 3 for span, start in zip(spans, (0, 30, 60), strict=True)] == [True] * 3


def test_a_key_that_is_chosen_is_the_frame_it_says() -> None:
    chosen, _ = chooser([0.0, 1.0, 2.0, 3.0])
    key = chosen.key(2)
    assert key.index == 2 and key.motion[0] == 2.0 and int(key.picture[0, 0, 0]) == 2


def test_long_scenes_go_on_with_pictures_that_are_held() -> None:
    turns = [float(i // 100 % 2) for i in range(600)]  # a minute, five windows
    chosen, _ = chooser(turns)
    spans = chosen.spans(whole(turns), 0.5)
    assert len({span.source for span in spans}) == 2 and len(spans) == 6


def test_a_receiver_of_one_picture_never_returns() -> None:
    turns = [float(i // 100 % 2) for i in range(600)]
    chosen, _ = chooser(turns, held=1)
    spans = chosen.spans(whole(turns), 0.5)
    assert len({span.source for span in spans}) == len(spans)


def test_frames_that_do_not_move_are_no_sources() -> None:
    chosen, _ = chooser([0.0] * 20, frozen=range(20))
    assert chosen.spans(Part(0, 20, True), 1.0) == (Span(0, 0),)


COSTS = st.integers(1, 6).flatmap(
    lambda c: st.integers(1, 8).flatmap(
        lambda s: st.lists(st.lists(st.floats(0, 1), min_size=s, max_size=s), min_size=c, max_size=c).map(np.array)
    )
)


@given(COSTS, st.integers(0, 2), st.integers(1, 4), st.floats(0, 1))
def test_what_is_chosen_keeps_what_is_held_and_fits(costs: np.ndarray, held: int, room: int, saving: float) -> None:
    held = min(held, len(costs))
    chosen = choose(costs, held=held, room=room, saving=saving)
    assert chosen[:held] == list(range(held)) and len(chosen) <= held + room
    assert len(set(chosen)) == len(chosen) >= 1
    alone = costs[:held].min(0).sum() if held else costs.sum(1).min()
    assert costs[chosen].min(0).sum() <= alone + 1e-9


@given(COSTS, st.floats(0, 0.5))
def test_the_way_through_sources_is_the_cheapest(costs: np.ndarray, penalty: float) -> None:
    path = switched(costs, penalty)

    def price(way: Sequence[int]) -> float:
        changes = sum(a != b for a, b in zip(way, way[1:], strict=False))
        return sum(costs[state, k] for k, state in enumerate(way)) + penalty * changes

    assert len(path) == costs.shape[1]
    for state in range(len(costs)):
        assert price(path) <= price([state] * len(path)) + 1e-9
        for k in range(len(path)):
            assert price(path) <= price([*path[:k], state, *path[k + 1 :]]) + 1e-9
