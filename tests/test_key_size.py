"""Key pictures are coded at the side at which their bytes show most, and say which it is."""

from __future__ import annotations

import numpy as np
import pytest
from test_keyframe import picture

from nvc import colour, keyframe
from nvc.key_size import coded_size, encode_fitting


def shown(data: bytes, side: int) -> np.ndarray:
    size = coded_size(data)
    assert size is not None
    decoded = keyframe.decode_picture(data, width=size[0], height=size[1])
    return colour.resize_rgb(decoded, width=side, height=side)


def error(rgb: np.ndarray, data: bytes) -> float:
    return float(((shown(data, rgb.shape[0]).astype(float) - rgb) ** 2).mean())


@pytest.fixture(scope="module")
def face(face_clip: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(face_clip[0].transpose(1, 2, 0))


@pytest.mark.parametrize("qp", [34, 40, 46])
def test_never_more_bytes_and_never_further_from_the_original(face: np.ndarray, qp: int) -> None:
    full, best = keyframe.encode_picture(face, qp=qp), encode_fitting(face, qp=qp)
    assert len(best) <= len(full)
    assert error(face, best) <= error(face, full)


def test_a_coarse_face_is_coded_small(face: np.ndarray) -> None:
    assert coded_size(encode_fitting(face, qp=46)) in ((128, 128), (160, 160))


def test_a_fine_one_is_coded_whole(face: np.ndarray) -> None:
    assert encode_fitting(face, qp=20) == keyframe.encode_picture(face, qp=20)


def test_noise_is_coded_whole() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert coded_size(encode_fitting(noise, qp=30)) == (64, 64)


@pytest.mark.parametrize("side", [32, 64, 66, 130, 160, 256])
def test_the_size_is_read_from_the_picture(side: int) -> None:
    small = np.ascontiguousarray(picture(256)[:side, :side])
    assert coded_size(keyframe.encode_picture(small, qp=35)) == (side, side)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00\x01\x65abc", b"\x00\x00\x01\x67\x42\x00\x0a"])
def test_what_is_no_such_picture_has_no_size(data: bytes) -> None:
    assert coded_size(data) is None
