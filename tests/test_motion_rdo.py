"""Integers chosen by rate and distortion: cheaper than rounding, near what was wanted, and the same however fed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_motion import SEQUENCE, key

from bitstream import MotionEncoder, frame_steps, quantise
from bitstream.errors import InvalidField
from bitstream.motion_rdo import MotionOptimiser, RateModel, optimise

SIZE = SEQUENCE.frame_values
STEPS = frame_steps(SEQUENCE)
START = [0] * SIZE


def motion(count, *, walk=0.7, shake=0.6, seed=3):
    """A head that moves and an estimator that shakes, [count, SIZE] in real units; both in steps."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(0, walk, (count, SIZE)) * (rng.random((count, SIZE)) < 0.1), axis=0)
    wanted = (path + rng.normal(0, shake, (count, SIZE))) * STEPS
    wanted[:, 5] = 0
    return wanted


def bytes_of(frames):
    encoder = MotionEncoder(SEQUENCE)
    encoder.start(key(START))
    return sum(len(encoder.encode(frames[at : at + 64])) for at in range(0, len(frames), 64))


def missed(frames, wanted):
    return float((((frames * STEPS - wanted) / STEPS) ** 2).mean())


def started(**options):
    optimiser = MotionOptimiser(SEQUENCE, **{"lagrangian": 0.2, **options})
    optimiser.start(START)
    return optimiser


def test_without_a_cost_of_bits_values_are_rounded():
    wanted = motion(40)
    assert (started(lagrangian=0.0).run(wanted) == quantise(wanted, STEPS)).all()


def test_bytes_fall_and_the_error_rises_with_the_lagrangian():
    wanted = motion(150)
    chosen = [started(lagrangian=lagrangian).run(wanted) for lagrangian in (0.0, 0.1, 0.3, 1.0)]
    sizes, errors = [bytes_of(frames) for frames in chosen], [missed(frames, wanted) for frames in chosen]
    assert sizes == sorted(sizes, reverse=True) and sizes[1] < 0.8 * sizes[0]
    assert errors == sorted(errors) and errors[1] < 4 * errors[0]


def test_looking_ahead_gives_less_cost():
    wanted = motion(100)
    cost = []
    for look_ahead in (0, 3, 12):
        optimiser, frames = started(look_ahead=look_ahead), []
        for values in wanted:
            frame = optimiser.push(values)
            frames += [] if frame is None else [frame]
        while (frame := optimiser.flush()) is not None:
            frames.append(frame)
        assert len(frames) == 100
        cost.append(missed(np.array(frames), wanted) * wanted.size + 0.2 * 8 * bytes_of(np.array(frames)))
    assert cost == sorted(cost, reverse=True)


def test_a_value_without_weight_stays_as_it_was():
    weights = 1 / STEPS**2
    weights[[2, 9]] = 0
    optimiser = started(sensitivity=weights)
    optimiser.start([5] * SIZE)
    frames = optimiser.run(motion(30))
    assert (frames[:, [2, 9]] == 5).all() and (frames[:, 3] != 5).any()


def test_a_correlated_error_is_made_up_by_another_value():
    weights = np.eye(SIZE) + 0.999 * (np.eye(SIZE, k=1) + np.eye(SIZE, k=-1)) * (np.arange(SIZE) >= 7)[:, None]
    weights = (weights + weights.T) / 2
    weights[:7] = weights[:, :7] = 0
    weights[9:] = weights[:, 9:] = 0
    values = np.zeros((1, SIZE))
    values[0, 7:9] = 0.45  # either alone, once moved, makes up for both
    frame = optimise(values, weights, np.zeros(SIZE, dtype=np.int32), RateModel(SIZE).costs() * 0.01)[0]
    assert sorted(frame[7:9]) == [0, 1] and not frame[9:].any()


def test_deciding_in_stretches_is_what_run_does():
    wanted = motion(100)
    optimiser, out = started(), []
    for at in range(0, 100, 64):
        window = wanted[at : at + 64 + 12]
        out.append(optimiser.decide(window, keep=min(64, len(window))))
    assert (np.concatenate(out) == started().run(wanted)).all()


def test_whole_bytes_are_weighed_for_single_frames():
    wanted = motion(80)

    def total(weigh):
        encoder, optimiser, size, error = MotionEncoder(SEQUENCE), started(), 0, 0.0
        encoder.start(key(START))
        for values in wanted:
            frames = optimiser.decide(values[None], keep=1, encoder=encoder if weigh else None)
            size += len(encoder.encode(frames))
            error += missed(frames, values[None]) * SIZE
        return error + 0.2 * 8 * size

    assert total(True) < total(False)


@given(st.lists(st.floats(-1e9, 1e9, width=32), min_size=SIZE, max_size=SIZE), st.floats(0, 10))
@settings(max_examples=50, deadline=None)
def test_any_motion_gives_integers_that_can_be_encoded(values, lagrangian):
    encoder = MotionEncoder(SEQUENCE)
    encoder.start(key(START))
    frames = started(lagrangian=lagrangian).decide(np.array([values, values]), keep=2)
    assert encoder.encode(frames)


@pytest.mark.parametrize("options", [{"lagrangian": -1.0}, {"lagrangian": float("nan")}, {"look_ahead": -1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InvalidField):
        started(**options)


@pytest.mark.parametrize("sensitivity", [np.ones(3), np.full(SIZE, np.nan), np.ones((SIZE, 2))])
def test_a_sensitivity_of_another_shape_is_refused(sensitivity):
    with pytest.raises(InvalidField, match="sensitivity"):
        started(sensitivity=sensitivity)


@pytest.mark.parametrize("keep", [0, 4])
def test_no_more_frames_are_kept_than_there_are(keep):
    with pytest.raises(InvalidField, match="cannot keep"):
        started().decide(motion(3), keep=keep)
