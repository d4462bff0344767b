"""Plans to units: long groups are split, sequences repeated only where needed, integers as the receiver has them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from streams import tiny, types_of

from bitstream import POSE_COUNT, Sequence, Unit, UnitType, dequantise, frame_steps, parse_payload
from bitstream.stream import Frame, StreamDecoder
from nvc.crop import Square
from nvc.encoder import provenance, stream_facts
from nvc.rate import CodingPoint
from nvc.unit_coder import KeyInput, StreamFacts, UnitCoder

WHOLE = Square(0, 0, 64)
POINT = CodingPoint(40, 24, 24, 24)
KEY, MOTION, SEQUENCE = UnitType.KEYFRAME, UnitType.MOTION, UnitType.SEQUENCE


def facts(**changes: object) -> StreamFacts:
    usual = stream_facts(
        tiny(),
        source_size=(64, 64),
        frame_rate=Fraction(25),
        group_size=64,
        error_resilient=False,
        synthetic=False,
        live=False,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def key(index: int, vector: np.ndarray, square: Square = WHOLE) -> KeyInput:
    picture = np.full((64, 64, 3), 100, np.uint8)
    return KeyInput(index, picture, np.zeros((8, 3), np.float32), vector, square)


def vectors(count: int, coefficients: int = 8, scale: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(4)
    return np.cumsum(rng.normal(0, scale, (count, POSE_COUNT + coefficients)), axis=0).astype(np.float32)


def decoded(units: list[Unit]) -> tuple[list[Frame], list[Sequence]]:
    decoder = StreamDecoder()
    frames = [frame for unit in units for frame in decoder.decode(unit)]
    return frames, [p for p in (parse_payload(u) for u in units if u.type is SEQUENCE) if isinstance(p, Sequence)]


def test_what_the_receiver_has_is_within_half_a_step_when_every_movement_is_sent() -> None:
    coder = UnitCoder(facts(motion_rdo=0.0), POINT)
    motion = vectors(70)
    units = coder.key_frame(key(0, motion[0]))
    for vector in motion[1:]:
        units += coder.motion(vector)
    frames, (sequence,) = decoded(units + coder.flush())
    assert len(frames) == 70
    steps = frame_steps(sequence)
    real = dequantise(np.array([f.values for f in frames]), steps)
    assert (np.abs(real - motion) <= steps / 2 * 1.001).all()


def test_dropped_coefficients_stay_as_in_the_key_frame() -> None:
    coder = UnitCoder(facts(), replace(POINT, expression_count=3))
    motion = vectors(20)
    units = coder.key_frame(key(0, motion[0]))
    for vector in motion[1:]:
        units += coder.motion(vector)
    frames, _ = decoded(units + coder.flush())
    values = np.array([f.values for f in frames])
    assert (values[:, POSE_COUNT + 3 :] == values[0, POSE_COUNT + 3 :]).all()
    assert len(np.unique(values[:, POSE_COUNT + 2])) > 3


def test_a_group_too_long_for_a_unit_is_split() -> None:
    coder = UnitCoder(
        facts(expression_count=160, motion_rdo=0.0), replace(POINT, pose_quantiser=0, expression_quantiser=0)
    )
    motion = vectors(65, 160, scale=0.5)
    units = coder.key_frame(key(0, motion[0]))
    for vector in motion[1:]:
        units += coder.motion(vector)
    units += coder.flush()
    assert types_of(units).count(MOTION) > 3
    assert len(decoded(units)[0]) == 65


def test_values_beyond_the_integers_are_held_at_their_ends() -> None:
    coder = UnitCoder(facts(), replace(POINT, pose_quantiser=0))
    units = coder.key_frame(key(0, np.full(15, 1e6, np.float32)))
    units += coder.motion(np.full(15, -1e6, np.float32))
    frames, _ = decoded(units + coder.flush())
    assert frames[0].values[0] == 32767 and frames[1].values[0] == -32768


def test_files_repeat_the_sequence_only_when_it_changes() -> None:
    coder = UnitCoder(facts(), POINT, metadata=provenance())
    vector = vectors(1)[0]
    units = coder.key_frame(key(0, vector)) + coder.key_frame(key(1, vector))
    units += coder.key_frame(key(2, vector, Square(2, 2, 60)))
    assert types_of(units) == [UnitType.METADATA, SEQUENCE, KEY, KEY, SEQUENCE, KEY]
    live = UnitCoder(facts(live=True), POINT)
    assert types_of(live.key_frame(key(0, vector)) + live.key_frame(key(1, vector))) == [SEQUENCE, KEY] * 2


def test_a_key_frame_sends_the_motion_before_it_first() -> None:
    coder = UnitCoder(facts(), POINT)
    motion = vectors(4)
    units = coder.key_frame(key(0, motion[0])) + coder.motion(motion[1]) + coder.motion(None)
    assert types_of(units)[-1] is KEY
    units += coder.key_frame(key(3, motion[3]))
    frames, _ = decoded(units)
    assert [f.presentation_index for f in frames] == [0, 1, 2, 3]
    assert frames[2].values == frames[1].values


def test_motion_needs_a_key_frame() -> None:
    with pytest.raises(ValueError, match="before any key frame"):
        UnitCoder(facts(), POINT).motion(vectors(1)[0])


def test_motion_units_have_a_checksum_if_wanted() -> None:
    for wanted in (True, False):
        coder = UnitCoder(facts(motion_crc=wanted), POINT)
        vector = vectors(1)[0]
        units = coder.key_frame(key(0, vector)) + coder.motion(vector) + coder.flush()
        assert bool(units[-1].crc) is wanted and len(decoded(units)[0]) == 2


def coded(motion: np.ndarray, **changes: object) -> tuple[np.ndarray, int]:
    """The motion that a receiver has, and the bytes of the MOTION units."""
    coder = UnitCoder(facts(**changes), POINT)
    units = coder.key_frame(key(0, motion[0]))
    for vector in motion[1:]:
        units += coder.motion(vector)
    units += coder.flush()
    frames, (sequence, *_) = decoded(units)
    assert [f.presentation_index for f in frames] == list(range(len(motion)))
    size = sum(len(unit.to_bytes()) for unit in units if unit.type is MOTION)
    return dequantise(np.array([f.values for f in frames]), frame_steps(sequence)), size


def shaking(count: int) -> np.ndarray:
    """A head that stands still, as an estimator sees it."""
    rng = np.random.default_rng(7)
    return rng.normal(0, 0.004, (count, POSE_COUNT + 8)).astype(np.float32)


@pytest.mark.parametrize(
    "changes", [{}, {"group": 1, "live": True}, {"group": 5, "live": True, "error_resilient": True}]
)
def test_jitter_costs_fewer_bytes_than_with_rounding_and_is_missed_by_little(changes: dict[str, object]) -> None:
    motion = shaking(100)
    _, most = coded(motion, motion_rdo=0.0, **changes)
    chosen, size = coded(motion, **changes)
    assert size < 0.95 * most
    assert np.abs(chosen - motion).max() < 0.05


def test_stronger_rdo_costs_fewer_bytes() -> None:
    sizes = [coded(vectors(80), motion_rdo=strength)[1] for strength in (0.0, 0.1, 0.4, 2.0)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.8 * sizes[0]


def test_live_units_wait_for_no_later_frame_and_files_look_ahead() -> None:
    motion = vectors(30)
    for live, waiting in ((True, 0), (False, 12)):
        coder = UnitCoder(facts(live=live, group=4), POINT)
        coder.key_frame(key(0, motion[0]))
        counts = [types_of(coder.motion(vector)).count(MOTION) for vector in motion[1:]]
        assert counts.index(1) == 3 + waiting and sum(counts) == (29 - waiting) // 4
        assert types_of(coder.flush()).count(MOTION) == -(-29 // 4) - sum(counts)


@pytest.mark.parametrize("strength", [-0.1, 4.1, float("nan")])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="motion_rdo"):
        coder = UnitCoder(facts(motion_rdo=strength), POINT)
        coder.key_frame(key(0, vectors(1)[0]))
