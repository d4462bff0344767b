"""The leaky bucket: it never overflows, it drains, and it is used."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvc.bucket import LeakyBucket, Option

rates = st.floats(500, 100_000)
delays = st.floats(20, 5000)
frame_rates = st.sampled_from([5, 24, Fraction(30000, 1001), 60])
options = st.lists(st.builds(Option, st.integers(0, 20_000), st.floats(0, 100)), min_size=1, max_size=5)


@given(rates, delays, frame_rates, st.lists(options, max_size=60))
def test_it_never_overflows_whatever_frames_cost(
    bitrate: float, delay: float, frame_rate: Fraction, frames: list[list[Option]]
) -> None:
    bucket = LeakyBucket(bitrate=bitrate, delay_ms=delay, frame_rate=frame_rate)
    sent = 0
    for choices in frames:
        bucket.tick()
        chosen = bucket.best(choices)
        if chosen is not None:
            bucket.put(choices[chosen].cost)
            sent += choices[chosen].cost
        else:
            assert all(option.cost > bucket.room for option in choices)
        assert 0 <= bucket.level <= bucket.capacity
    # All that was sent has gone through the line or is in the bucket: no byte waits longer than the delay.
    assert 8 * sent <= Fraction(bitrate) * len(frames) / Fraction(frame_rate) + bucket.capacity


@given(rates, delays, frame_rates, st.lists(st.integers(0, 5000), max_size=60))
def test_what_does_not_fit_is_refused(bitrate: float, delay: float, frame_rate: Fraction, sizes: list[int]) -> None:
    bucket = LeakyBucket(bitrate=bitrate, delay_ms=delay, frame_rate=frame_rate)
    for size in sizes:
        bucket.tick()
        before = bucket.level
        if size > bucket.room:
            with pytest.raises(ValueError, match="do not fit"):
                bucket.put(size)
            assert bucket.level == before
        else:
            bucket.put(size)
            assert bucket.level == before + 8 * size


@given(rates, frame_rates)
def test_frames_of_the_line_s_own_rate_always_fit(bitrate: float, frame_rate: Fraction) -> None:
    bucket = LeakyBucket(bitrate=bitrate, delay_ms=2000 / float(frame_rate) + 20, frame_rate=frame_rate)
    size = int(bitrate / 8 / float(frame_rate))
    for _ in range(200):
        bucket.tick()
        bucket.put(size)


def test_an_empty_bucket_takes_the_best_and_a_full_one_the_cheap() -> None:
    choices = [Option(10, 1.0), Option(100, 2.0)]
    bucket = LeakyBucket(bitrate=8000, delay_ms=1000, frame_rate=25)
    assert bucket.best(choices) == 1
    bucket.put(900)
    assert bucket.best(choices) == 0
    bucket.put(95)
    assert bucket.best(choices) is None


@pytest.mark.parametrize(
    "wrong", [{"bitrate": 0}, {"bitrate": float("inf")}, {"delay_ms": 19}, {"delay_ms": 1e9}, {"frame_rate": 0}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        LeakyBucket(**{"bitrate": 1000, "delay_ms": 500, "frame_rate": 25, **wrong})
