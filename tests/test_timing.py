"""Constant frame rates: regular input keeps every frame, irregular input the frame that was on screen."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvc.timing import MAX_FRAME_RATE, Timing, resample, timing_of

RATES = [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(12), Fraction(60), Fraction(44, 3)]


def at_rate(rate: Fraction, count: int, start: Fraction = Fraction(0), unit: Fraction | None = None) -> list[Fraction]:
    times = [start + i / rate for i in range(count)]
    return times if unit is None else [round(t / unit) * unit for t in times]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("unit", [None, Fraction(1, 1000), Fraction(1, 90000)])
def test_a_claimed_rate_that_holds_is_kept(rate: Fraction, unit: Fraction | None) -> None:
    times = at_rate(rate, 200, Fraction(7, 3), unit)
    timing = timing_of(times, (rate,))
    assert timing == Timing(rate, regular=True)
    assert list(resample(zip(times, range(200), strict=True), timing)) == list(range(200))


def test_without_a_claim_the_standard_rate_is_found() -> None:
    times = at_rate(Fraction(30000, 1001), 500, unit=Fraction(1, 1000))
    assert timing_of(times, (None,)) == Timing(Fraction(30000, 1001), regular=True)


def test_a_wrong_claim_is_not_believed() -> None:
    assert timing_of(at_rate(Fraction(25), 100), (Fraction(90000), Fraction(30))).frame_rate == 25


def test_missing_or_repeated_times_fall_back_to_the_claim() -> None:
    for times in ([None] * 9, [Fraction(0)] * 9, [Fraction(1)], []):
        timing = timing_of(times, (Fraction(24),))
        assert timing == Timing(Fraction(24), regular=True, timed=False)
    frames = [(None, i) for i in range(9)]
    assert list(resample(frames, Timing(Fraction(24), regular=True, timed=False))) == list(range(9))
    assert timing_of([], ()).frame_rate == 25


def test_variable_rate_shows_the_frame_that_was_on_screen() -> None:
    times = [Fraction(n, 30) for n in (0, 1, 2, 3, 7, 8, 9, 10, 11, 12)]
    timing = timing_of(times, (Fraction(24),))
    assert timing == Timing(Fraction(30), regular=False)
    shown = list(resample(zip(times, range(10), strict=True), timing))
    assert shown == [0, 1, 2, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9]


@given(st.lists(st.integers(1, 200), min_size=3, max_size=60), st.sampled_from([12, 25, 30, 60]))
def test_every_slot_shows_the_nearest_earlier_frame(gaps: list[int], rate: int) -> None:
    times = [Fraction(sum(gaps[:i]), 1000) + 5 for i in range(len(gaps))]
    shown = list(resample(zip(times, range(len(times)), strict=True), Timing(Fraction(rate), regular=False)))
    late = Fraction(1, 10) / rate
    for k, frame in enumerate(shown):
        grid = 5 + Fraction(k, rate)
        assert times[frame] <= grid + late
        assert frame + 1 == len(times) or times[frame + 1] > grid
    assert shown[-1] == len(times) - 1


def test_fast_video_is_thinned_to_an_even_part() -> None:
    times = at_rate(Fraction(240), 480)
    timing = timing_of(times, (Fraction(240),))
    assert timing.frame_rate == MAX_FRAME_RATE and not timing.regular
    assert list(resample(zip(times, range(480), strict=True), timing))[:-1] == list(range(0, 480, 4))


def test_a_lost_frame_leaves_its_slot_to_the_one_before() -> None:
    times = at_rate(Fraction(25), 10)
    kept = [(t, i) for i, t in enumerate(times) if i != 4]
    assert list(resample(kept, Timing(Fraction(25), regular=True))) == [0, 1, 2, 3, 3, 5, 6, 7, 8, 9]


def test_nothing_in_nothing_out() -> None:
    assert list(resample([], Timing(Fraction(25), regular=True))) == []
