"""The streaming encoder: the right units at the right time, for any frames at all."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import SIDE, encode, joined, make_encoder, tiny, types_of

from bitstream import KeyFrame, Metadata, Sequence, UnitType, parse_payload
from bitstream.stream import FrameKind, StreamDecoder
from nvc.device import DeviceUnavailable
from nvc.encoder import NotSquare, SourceRectangle
from nvc.key_placement import KeyPolicy
from nvc.models.zoo import WeightsError
from nvc.rate import CodingPoint

KEY, MOTION, SEQUENCE, END = UnitType.KEYFRAME, UnitType.MOTION, UnitType.SEQUENCE, UnitType.END


def frames_of(units: list) -> list:
    decoder = StreamDecoder()
    return [frame for unit in units for frame in decoder.decode(unit)]


def test_the_first_frame_comes_out_whole_and_each_next_one_at_once(small_clip: np.ndarray) -> None:
    encoder = make_encoder()
    assert types_of(encoder.encode(small_clip[0])) == [UnitType.METADATA, SEQUENCE, KEY]
    assert [types_of(encoder.encode(frame)) for frame in small_clip[1:5]] == [[MOTION]] * 4
    assert types_of(encoder.flush()) == [END]


def test_groups_wait_until_they_are_full(small_clip: np.ndarray) -> None:
    units = encode(small_clip, group_size=4)
    assert types_of(units) == [UnitType.METADATA, SEQUENCE, KEY, MOTION, MOTION, MOTION, END]
    frames = frames_of(units)
    assert [f.presentation_index for f in frames] == list(range(12))


def test_grouping_changes_no_integer_when_every_movement_is_sent(small_clip: np.ndarray) -> None:
    # One batch of estimates each: networks may differ in the last bit between batch sizes.
    grouped = [f.values for f in frames_of(encode(small_clip, group_size=16, motion_rdo=0.0))]
    single = [f.values for f in frames_of(encode(small_clip, group_size=1, motion_rdo=0.0))]
    assert np.abs(np.array(grouped) - np.array(single)).max() <= 1


def test_the_same_frames_give_the_same_bytes(small_clip: np.ndarray) -> None:
    encoder = make_encoder()
    streams = []
    for _ in range(2):
        units = [u for frame in small_clip for u in encoder.encode(frame)] + encoder.flush()
        streams.append(joined(units))
        encoder.reset()
    assert streams[0] == streams[1] == joined(encode(small_clip))


def test_the_sequence_says_what_is_coded(small_clip: np.ndarray) -> None:
    source = SourceRectangle(1280, 720, 300, 100, 400)
    units = encode(small_clip[:1], frame_rate=Fraction(30000, 1001), quality=3, source=source, synthetic=True)
    sequence = next(parse_payload(u) for u in units if u.type is SEQUENCE)
    assert isinstance(sequence, Sequence)
    assert sequence.frame_rate == Fraction(30000, 1001) and sequence.side == SIDE and sequence.synthetic
    assert (sequence.source_width, sequence.source_height) == (1280, 720)
    assert (sequence.crop_x, sequence.crop_y, sequence.crop_side) == (300, 100, 400)
    assert sequence.model_id == tiny().model_id
    assert (sequence.keypoint_count, sequence.expression_count) == (8, 8)
    metadata = next(parse_payload(u) for u in units if u.type is UnitType.METADATA)
    assert isinstance(metadata, Metadata) and dict(metadata.entries)["nvc.encoder"].startswith("nvc ")


def test_live_streams_repeat_the_sequence_before_every_key_frame(small_clip: np.ndarray) -> None:
    kinds = types_of(encode(small_clip, key_policy=KeyPolicy(interval=4)))
    keys = [i for i, kind in enumerate(kinds) if kind is KEY]
    assert len(keys) == 3 and all(kinds[i - 1] is SEQUENCE for i in keys)


def test_key_frames_say_which_frame_they_are(small_clip: np.ndarray) -> None:
    frames = frames_of(encode(small_clip, key_policy=KeyPolicy(interval=5), group_size=3))
    assert [f.presentation_index for f in frames if f.kind is FrameKind.KEYFRAME] == [0, 5, 10]
    assert [f.presentation_index for f in frames] == list(range(12))


def test_a_requested_key_frame_is_the_next_one(small_clip: np.ndarray) -> None:
    encoder = make_encoder()
    encoder.encode(small_clip[0])
    encoder.encode(small_clip[1])
    encoder.request_key_frame()
    assert KEY in types_of(encoder.encode(small_clip[2]))


def test_resilient_streams_say_where_to_go_on(small_clip: np.ndarray) -> None:
    frames = np.concatenate([small_clip] * 5)
    kinds = types_of(encode(frames, error_resilient=True))
    assert kinds[0] is UnitType.RESYNC
    assert kinds.count(UnitType.RESYNC) >= 2
    assert len(frames_of(encode(frames, error_resilient=True))) == 60


def test_without_a_face_conventional_pictures_are_sent(small_clip: np.ndarray) -> None:
    encoder = make_encoder()
    units = [u for i, frame in enumerate(small_clip) for u in encoder.encode(frame, face=i < 4)] + encoder.flush()
    frames = frames_of(units)
    assert len(frames) == len(small_clip)
    assert len({f.values for f in frames[:4]}) == 4
    assert not any(any(f.values) for f in frames[4:])
    assert UnitType.PICTURE in types_of(units)


def test_a_coarser_point_takes_fewer_bytes(small_clip: np.ndarray) -> None:
    sizes = [len(joined(encode(small_clip, quality=quality, group_size=12))) for quality in (0, 5, 9)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]
    every, none = (CodingPoint(40, 28, 24, expression_count=count) for count in (None, 0))
    fewest = encode(small_clip, point=none, group_size=12)
    assert len(joined(fewest)) < len(joined(encode(small_clip, point=every, group_size=12)))
    values = np.array([f.values for f in frames_of(fewest)])
    assert (values[:, 7:] == values[0, 7:]).all()


def test_frames_of_another_size_are_scaled_to_the_model() -> None:
    encoder = make_encoder(width=96, height=96)
    units = encoder.encode(np.full((3, 96, 96), 90, np.uint8))
    sequence = next(parse_payload(u) for u in units if u.type is SEQUENCE)
    key = next(parse_payload(u, sequence) for u in units if u.type is KEY)
    assert isinstance(key, KeyFrame) and (key.coded_width, key.coded_height) == (SIDE, SIDE)


def test_tensors_are_frames_too(small_clip: np.ndarray) -> None:
    assert joined(encode(torch.from_numpy(small_clip[:3]))) == joined(encode(small_clip[:3]))


@pytest.mark.parametrize(
    "frame",
    [np.zeros((3, 64, 63), np.uint8), np.zeros((64, 64, 3), np.uint8), np.zeros((3, 64, 64), np.float32), np.zeros(3)],
)
def test_another_shape_or_type_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be uint8 \[3, 64, 64\]"):
        make_encoder().encode(frame)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(NotSquare, match="96 x 64"):
        make_encoder(width=96)
    for options, words in (({"group_size": 65}, "1 to 64"), ({"quality": 10}, "0 to 9"), ({"device": "tpu"}, "tpu")):
        with pytest.raises(ValueError, match=words):
            make_encoder(**options)
    with pytest.raises(WeightsError, match="no model 'nobody'"):
        make_encoder(model="nobody")
    with pytest.raises(DeviceUnavailable, match="cuda:99"):
        make_encoder(device="cuda:99")


def test_after_flush_only_reset_helps(small_clip: np.ndarray) -> None:
    encoder = make_encoder()
    encoder.encode(small_clip[0])
    encoder.flush()
    assert encoder.flush() == []
    with pytest.raises(ValueError, match="flushed"):
        encoder.encode(small_clip[0])
    encoder.reset()
    assert KEY in types_of(encoder.encode(small_clip[0]))


def test_statistics_add_up(small_clip: np.ndarray) -> None:
    encoder = make_encoder(group_size=5)
    units = [u for frame in small_clip for u in encoder.encode(frame)] + encoder.flush()
    statistics = encoder.statistics
    assert sum(statistics.bytes_by_type.values()) == len(joined(units))
    assert len(statistics.frame_bytes) == 12
    assert sum(statistics.frame_bytes) == statistics.bytes_by_type["KEYFRAME"] + statistics.bytes_by_type["MOTION"]
    assert statistics.key_frames == [(0, "first")]
    assert {"motion estimation", "key pictures", "entropy coding"} <= set(statistics.seconds_by_stage)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 7, 64]), st.booleans(), st.integers(0, 9))
def test_any_frames_can_be_encoded(seed: int, group: int, resilient: bool, quality: int) -> None:
    """Noise, black, white and whatever else: a stream that decodes to as many frames as went in."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (3, 3, SIDE, SIDE), dtype=np.uint8)
    flat = np.stack([np.full((3, SIDE, SIDE), level, np.uint8) for level in rng.choice([0, 255, 128], 4)])
    frames = rng.permutation(np.concatenate([noise, flat]))
    units = encode(frames, group_size=group, error_resilient=resilient, quality=quality)
    assert [f.presentation_index for f in frames_of(units)] == list(range(7))
