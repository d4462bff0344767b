"""Reading video: upright, square pixels, constant rate, right colours, and clear words for what is not video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import frame_numbers, marked_frames, write_clip

from nvc.colour import ColourSpec, Matrix
from nvc.video import VideoError, VideoReader

FLAT = np.broadcast_to(np.array((200, 120, 90), np.uint8), (48, 64, 3))


def corner(frame: np.ndarray) -> str:
    """Where the bright corner of marked_frames has gone."""
    height, width, _ = frame.shape
    place = np.argwhere(frame[..., 0].astype(int) - frame[..., 1] > 120).mean(axis=0)
    return ("top" if place[0] < height / 2 else "bottom") + " " + ("left" if place[1] < width / 2 else "right")


def test_every_frame_of_a_regular_file_once(tmp_path: Path) -> None:
    reader = VideoReader(write_clip(tmp_path / "a.mp4", marked_frames(20), rate=Fraction(30000, 1001)))
    assert (reader.info.width, reader.info.height) == (64, 48)
    assert reader.info.frame_rate == Fraction(30000, 1001)
    assert reader.info.regular and reader.info.frame_count == 20
    for _ in range(2):  # as often as wanted
        assert frame_numbers(list(reader.frames())) == list(range(20))


@pytest.mark.parametrize("suffix", ["mkv", "avi", "ts", "webm", "mov"])
def test_other_containers_too(tmp_path: Path, suffix: str) -> None:
    codec = {"avi": "mpeg4", "webm": "libvpx-vp9"}.get(suffix, "libx264")
    options = {"mpeg4": {"qscale": "2"}, "libvpx-vp9": {"crf": "10", "b": "0"}}.get(codec)
    path = write_clip(tmp_path / f"a.{suffix}", marked_frames(12), rate=25, codec=codec, options=options)
    reader = VideoReader(path)
    assert reader.info.frame_rate == 25
    assert frame_numbers(list(reader.frames())) == list(range(12))


def test_frames_out_of_coding_order_come_in_display_order(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", marked_frames(20), options={"qp": "8", "bf": "3", "g": "12"})
    assert frame_numbers(list(VideoReader(path).frames())) == list(range(20))


@pytest.mark.parametrize(
    ("rotation", "where", "turned"),
    [
        ((0, False, False), "top left", False),
        ((90, False, False), "bottom left", True),
        ((180, False, False), "bottom right", False),
        ((-90, False, False), "top right", True),
        ((0, True, False), "top right", False),
        ((0, False, True), "bottom left", False),
        ((90, True, False), "bottom right", True),
        ((90, False, True), "top left", True),
    ],
)
def test_phone_video_is_upright(tmp_path: Path, rotation: tuple[float, bool, bool], where: str, turned: bool) -> None:
    reader = VideoReader(write_clip(tmp_path / "a.mp4", marked_frames(2), rotation=rotation))
    frame = next(reader.frames())
    assert corner(frame) == where
    assert frame.shape == ((64, 48, 3) if turned else (48, 64, 3))
    assert (reader.info.width, reader.info.height) == (frame.shape[1], frame.shape[0])


def test_pixels_become_square(tmp_path: Path) -> None:
    wide = VideoReader(write_clip(tmp_path / "a.mkv", marked_frames(2), aspect=Fraction(3, 2)))
    tall = VideoReader(write_clip(tmp_path / "b.mkv", marked_frames(2), aspect=Fraction(2, 3)))
    assert (wide.info.width, wide.info.height) == (96, 48)
    assert (tall.info.width, tall.info.height) == (64, 72)
    assert next(tall.frames()).shape == (72, 64, 3)


@pytest.mark.parametrize("size", [(47, 65), (1, 1), (33, 20)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = [f[: size[0], : size[1]] for f in marked_frames(3, 64, 80)]
    path = write_clip(tmp_path / "a.mkv", frames, codec="ffv1", pixel_format="bgr0", options={})
    assert np.array_equal(np.stack(list(VideoReader(path).frames())), np.stack(frames))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le", "yuv422p10le"])
@pytest.mark.parametrize(
    "spec",
    [
        ColourSpec(Matrix.BT709),
        ColourSpec(Matrix.BT601),
        ColourSpec(Matrix.BT709, True),
        ColourSpec(Matrix.BT2020),
        None,
    ],
)
def test_colours_are_right_in_every_depth_range_and_matrix(
    tmp_path: Path, pixel_format: str, spec: ColourSpec | None
) -> None:
    path = write_clip(tmp_path / "a.mkv", [FLAT] * 2, pixel_format=pixel_format, spec=spec, options={"qp": "1"})
    frame = next(VideoReader(path).frames())
    assert np.abs(frame.astype(int) - FLAT).max() <= 4


def test_variable_rate_becomes_constant(tmp_path: Path) -> None:
    slots = [0, 1, 2, 5, 6, 7, 8, 9, 12]
    times = [Fraction(s, 30) for s in slots]
    reader = VideoReader(write_clip(tmp_path / "a.mp4", marked_frames(9), times=times))
    assert reader.info.frame_rate == 30 and not reader.info.regular and reader.info.frame_count is None
    assert frame_numbers(list(reader.frames())) == [0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 7, 7, 8]


def test_a_late_start_is_time_zero(tmp_path: Path) -> None:
    times = [2 + Fraction(i, 25) for i in range(5)]
    path = write_clip(tmp_path / "a.mkv", marked_frames(5), times=times, audio="aac", audio_delay=2.0)
    reader = VideoReader(path)
    assert frame_numbers(list(reader.frames())) == list(range(5))
    assert reader.audio is not None
    first = next(reader.audio_packets())
    assert abs(first.pts * reader.audio.time_base_numerator / reader.audio.time_base_denominator) < 0.03


def test_audio_packets_are_those_of_the_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", marked_frames(25), audio="aac")
    reader = VideoReader(path)
    assert reader.audio is not None
    assert (reader.audio.codec, reader.audio.sample_rate, reader.audio.channels) == ("aac", 48000, 2)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert reader.audio.extradata == stream.codec_context.extradata
        want = [(p.pts, p.duration, bytes(p)) for p in container.demux(stream) if p.size]
    assert [(p.pts, p.duration, p.data) for p in reader.audio_packets()] == want
    assert len(want) > 40


def test_silent_video_has_no_audio(tmp_path: Path) -> None:
    reader = VideoReader(write_clip(tmp_path / "a.mp4", marked_frames(3)))
    assert reader.audio is None and list(reader.audio_packets()) == []


def test_audio_that_cannot_be_carried_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_clip(tmp_path / "a.avi", marked_frames(5), codec="mpeg4", options={"qscale": "2"}, audio="adpcm_ms")
    reader = VideoReader(path)
    assert reader.audio is None
    assert "adpcm_ms cannot be carried" in caplog.text


def test_what_is_not_video_says_so(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(bytes(range(256)) * 40)
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    for path in (garbage, empty):
        with pytest.raises(VideoError, match="not a video file"):
            VideoReader(path)
    with pytest.raises(FileNotFoundError, match="cannot read .*missing.mp4"):
        VideoReader(tmp_path / "missing.mp4")
    with pytest.raises(OSError):
        VideoReader(tmp_path)


def test_a_file_with_sound_only_has_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as output:
        sound = output.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48000
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    with pytest.raises(VideoError, match="contains no video"):
        VideoReader(path)


def test_a_file_without_frames_says_so(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", marked_frames(3)).read_bytes()
    path = tmp_path / "headers.mkv"
    path.write_bytes(whole[: whole.index(b"\x1f\x43\xb6\x75")])  # everything before the first Matroska cluster
    with pytest.raises(VideoError, match="no frame of the video can be decoded|not a video file"):
        VideoReader(path)


def test_a_cut_file_gives_the_frames_that_are_there(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", marked_frames(40), options={"qp": "8", "g": "1"}).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    numbers = frame_numbers(list(VideoReader(path).frames()))
    assert 5 < len(numbers) < 40
    assert numbers == [i % 20 for i in range(len(numbers))]


def test_damaged_frames_keep_their_place_in_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_clip(tmp_path / "a.mkv", marked_frames(20), codec="ffv1", pixel_format="bgr0", options={"g": "1"})
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(video=0) if p.size]
    data = path.read_bytes()
    path.write_bytes(data.replace(packets[7], bytes(len(packets[7]))))
    numbers = frame_numbers(list(VideoReader(path).frames()))
    assert numbers[:7] == list(range(7)) and numbers[8:] == list(range(8, 20))


def test_a_stream_that_changes_size_keeps_the_first_size(tmp_path: Path) -> None:
    for name, shape in (("a", (48, 64)), ("b", (96, 128))):
        frames = marked_frames(5, *shape)
        write_clip(tmp_path / f"{name}.ts", frames)
    both = tmp_path / "both.ts"
    both.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    shapes = {f.shape for f in VideoReader(both).frames()}
    assert shapes == {(48, 64, 3)}
