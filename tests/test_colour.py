"""RGB <-> YUV: the right matrix and range in both directions, and exact integers for key pictures."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvc import colour
from nvc.colour import ColourSpec, Matrix

SPECS = [ColourSpec(matrix, full) for matrix in Matrix for full in (False, True)]
KR_KB = {Matrix.BT709: (0.2126, 0.0722), Matrix.BT601: (0.299, 0.114), Matrix.BT2020: (0.2627, 0.0593)}
PURE = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 150, 120), (17, 99, 180)]


def formula(rgb: tuple[int, int, int], spec: ColourSpec) -> np.ndarray:
    """Y'CbCr of one colour by the definition in floating point: the oracle of every test here."""
    kr, kb = KR_KB[spec.matrix]
    r, g, b = (c / 255 for c in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)
    if spec.full_range:
        return np.array([255 * y, 128 + 255 * cb, 128 + 255 * cr])
    return np.array([16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr])


def flat(rgb: tuple[int, int, int], height: int = 16, width: int = 24) -> np.ndarray:
    return np.broadcast_to(np.array(rgb, np.uint8), (height, width, 3)).copy()


def smooth(height: int = 32, width: int = 48) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([40 + 3 * x, 60 + 4 * y, 220 - 2 * x - y], -1).clip(0, 255).astype(np.uint8)


def plane(frame: av.VideoFrame, index: int, dtype: type = np.uint8) -> np.ndarray:
    p = frame.planes[index]
    rows = np.frombuffer(bytes(p), dtype).reshape(p.height, -1)
    return rows[:, : p.width]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("rgb", PURE)
def test_planes_follow_the_definition(spec: ColourSpec, rgb: tuple[int, int, int]) -> None:
    planes = colour.rgb_to_planes(flat(rgb), spec)
    got = np.array([int(p[0, 0]) for p in planes])
    assert np.abs(got - formula(rgb, spec).clip(0, 255)).max() <= 0.51
    assert all(len(np.unique(p)) == 1 for p in planes)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("rgb", PURE)
def test_planes_come_back_as_the_colour_they_were(spec: ColourSpec, rgb: tuple[int, int, int]) -> None:
    back = colour.planes_to_rgb(colour.rgb_to_planes(flat(rgb), spec), spec)
    assert np.abs(back.astype(int) - np.array(rgb)).max() <= 2


@given(st.tuples(*[st.sampled_from([0, 1, 16, 128, 235, 240, 254, 255])] * 3), st.sampled_from(SPECS))
def test_no_sample_values_overflow(ycc: tuple[int, int, int], spec: ColourSpec) -> None:
    y, cb, cr = (np.full((8 // k, 8 // k), v, np.uint8) for v, k in zip(ycc, (1, 2, 2), strict=True))
    kr, kb = KR_KB[spec.matrix]
    luma, chroma, offset = (1, 1, 0) if spec.full_range else (255 / 219, 255 / 224, 16)
    light, blue, red = (ycc[0] - offset) * luma, (ycc[1] - 128) * chroma, (ycc[2] - 128) * chroma
    r, b = light + (2 - 2 * kr) * red, light + (2 - 2 * kb) * blue
    g = (light - kr * r - kb * b) / (1 - kr - kb)
    got = colour.planes_to_rgb((y, cb, cr), spec)
    assert np.abs(got - np.clip([r, g, b], 0, 255)).max() <= 0.52


def test_chroma_keeps_its_place() -> None:
    """A ramp survives 4:2:0 without a shift: an off-centre filter would move it by half a pixel."""
    picture = smooth()
    back = colour.planes_to_rgb(colour.rgb_to_planes(picture))
    inner = (slice(2, -2), slice(2, -2))
    assert np.abs(back[inner].astype(float) - picture[inner]).mean() < 1.0
    assert abs((back[inner].astype(float) - picture[inner])[..., 2].mean()) < 0.5


def test_odd_sides_have_no_chroma_planes() -> None:
    with pytest.raises(ValueError, match="even sides, got 5 x 4"):
        colour.rgb_to_planes(np.zeros((4, 5, 3), np.uint8))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_files_use_the_same_definition(spec: ColourSpec, pixel_format: str) -> None:
    for rgb in PURE:
        frame = colour.rgb_to_frame(flat(rgb), pixel_format=pixel_format, spec=spec)
        got = np.array([int(plane(frame, i)[4, 4]) for i in range(3)])
        assert np.abs(got - formula(rgb, spec).clip(0, 255)).max() <= 1.5, (rgb, got)
        assert colour.spec_of(frame) == spec
        assert np.abs(colour.frame_to_rgb(frame)[4, 4].astype(int) - rgb).max() <= 3


def test_ten_bits_and_full_range_read_as_meant() -> None:
    frame = av.VideoFrame(32, 16, "yuv420p10le")
    want = formula((200, 150, 120), ColourSpec(Matrix.BT709))
    for p, value in zip(frame.planes, want, strict=True):
        p.update(np.full((p.height, p.line_size // 2), round(4 * value), np.uint16).tobytes())
    frame.colorspace, frame.color_range = 1, 1
    assert np.abs(colour.frame_to_rgb(frame)[5, 5].astype(int) - (200, 150, 120)).max() <= 1
    full = av.VideoFrame(32, 16, "yuvj420p")
    for p, value in zip(full.planes, formula((200, 150, 120), ColourSpec(Matrix.BT601, True)), strict=True):
        p.update(np.full((p.height, p.line_size), round(value), np.uint8).tobytes())
    assert colour.spec_of(full) == ColourSpec(Matrix.BT601, True)
    assert np.abs(colour.frame_to_rgb(full)[5, 5].astype(int) - (200, 150, 120)).max() <= 2


@pytest.mark.parametrize(("height", "matrix"), [(480, Matrix.BT601), (719, Matrix.BT601), (720, Matrix.BT709)])
def test_untagged_video_is_guessed_as_players_do(height: int, matrix: Matrix) -> None:
    assert colour.spec_of(av.VideoFrame(16, height, "yuv420p")) == ColourSpec(matrix, False)


@pytest.mark.parametrize("pixel_format", ["bgr0", "gbrp", "rgb24"])
def test_rgb_formats_are_lossless(pixel_format: str) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (16, 32, 3), dtype=np.uint8)
    assert np.array_equal(colour.frame_to_rgb(colour.rgb_to_frame(picture, pixel_format=pixel_format)), picture)


def test_resize_keeps_flat_colours_and_sizes() -> None:
    assert np.array_equal(
        colour.resize_rgb(flat((10, 200, 90), 50, 70), width=20, height=12), flat((10, 200, 90), 12, 20)
    )
    same = smooth()
    assert colour.resize_rgb(same, width=48, height=32) is same


def test_resize_averages_what_it_drops() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = colour.resize_rgb(stripes, width=16, height=16)
    assert abs(float(small[4:12, 4:12].mean()) - 127.5) < 3
