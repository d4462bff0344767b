"""Key pictures: reproducible bytes, nothing but the picture in them, and damage that is always noticed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import BitstreamError, Corrupt
from nvc import keyframe


def picture(side: int = 64, seed: int = 0) -> np.ndarray:
    """Soft shapes with some texture: compressible, but not trivially."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    base = np.stack([np.sin(5 * x + y), np.cos(4 * y - x), np.sin(7 * x * y)], -1) * 80 + 128
    return (base + rng.normal(0, 6, base.shape)).clip(0, 255).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def nal_types(data: bytes) -> list[int]:
    return [nal[0] & 31 for nal in data.split(b"\x00\x00\x01") if nal]


@pytest.mark.parametrize("size", [(64, 64), (32, 48), (256, 256), (66, 34)])
def test_a_picture_comes_back_at_its_size(size: tuple[int, int]) -> None:
    height, width = size
    original = picture(256)[:height, :width]
    back = keyframe.decode_picture(keyframe.encode_picture(original, qp=20), width=width, height=height)
    assert back.shape == (height, width, 3)
    assert psnr(back, original) > 30


def test_a_higher_qp_costs_fewer_bytes_and_quality() -> None:
    original = picture()
    coded = [keyframe.encode_picture(original, qp=qp) for qp in (10, 24, 38, 51)]
    quality = [psnr(keyframe.decode_picture(c, width=64, height=64), original) for c in coded]
    assert sorted(map(len, coded), reverse=True) == list(map(len, coded))
    assert sorted(quality, reverse=True) == quality


def test_only_parameter_sets_and_the_slice_are_sent() -> None:
    assert nal_types(keyframe.encode_picture(picture(), qp=40)) == [7, 8, 5]


def test_bytes_do_not_depend_on_the_process_or_its_threads() -> None:
    code = (
        "import sys; from test_keyframe import picture; from nvc import keyframe;"
        "sys.stdout.buffer.write(keyframe.encode_picture(picture(256), qp=30))"
    )
    for threads in ("1", "4"):
        env = {"OMP_NUM_THREADS": threads, "PATH": "", "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env, check=True)
        assert done.stdout == keyframe.encode_picture(picture(256), qp=30)


def test_decoding_is_exact_for_all_decoders_of_the_same_bytes() -> None:
    data = keyframe.encode_picture(picture(), qp=30)
    first, second = (keyframe.decode_picture(data, width=64, height=64) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("qp", [-1, 52])
def test_qp_out_of_range_is_refused(qp: int) -> None:
    with pytest.raises(ValueError, match=f"0..51, got {qp}"):
        keyframe.encode_picture(picture(), qp=qp)


def test_odd_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="even sides"):
        keyframe.encode_picture(picture()[:63], qp=30)


@pytest.mark.parametrize("size", [(32, 64), (128, 128), (64, 80), (48, 64)])
def test_another_size_than_announced_is_corrupt(size: tuple[int, int]) -> None:
    data = keyframe.encode_picture(picture(), qp=30)
    with pytest.raises(Corrupt):
        keyframe.decode_picture(data, width=size[0], height=size[1])


def test_pictures_larger_than_announced_are_never_allocated() -> None:
    data = keyframe.encode_picture(np.zeros((2048, 2048, 3), np.uint8), qp=51)
    assert len(data) < 2000
    with pytest.raises(Corrupt):
        keyframe.decode_picture(data, width=64, height=64)


def test_none_or_two_pictures_are_corrupt() -> None:
    data = keyframe.encode_picture(picture(), qp=30)
    with pytest.raises(Corrupt, match="0 pictures"):
        keyframe.decode_picture(b"", width=64, height=64)
    with pytest.raises(Corrupt):
        keyframe.decode_picture(data + keyframe.encode_picture(picture(seed=1), qp=30), width=64, height=64)


@pytest.mark.parametrize("length", [1, 10, 30, 60])
def test_a_cut_picture_is_corrupt(length: int) -> None:
    data = keyframe.encode_picture(picture(), qp=30)
    with pytest.raises(Corrupt):
        keyframe.decode_picture(data[:length], width=64, height=64)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_gives_a_picture_or_a_bitstream_error(data: st.DataObject) -> None:
    coded = bytearray(keyframe.encode_picture(picture(), qp=30))
    for _ in range(data.draw(st.integers(1, 6))):
        coded[data.draw(st.integers(0, len(coded) - 1))] = data.draw(st.integers(0, 255))
    try:
        out = keyframe.decode_picture(bytes(coded), width=64, height=64)
    except BitstreamError:
        return
    assert out.shape == (64, 64, 3)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        keyframe.decode_picture(data, width=64, height=64)
