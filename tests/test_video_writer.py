"""Writing video: MKV to the bit, MP4 hardly to be told apart, Y4M for pipes, audio where it was."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import marked_frames, write_clip

from nvc.audio import UnsupportedAudio, time_base_of
from nvc.video import VideoReader
from nvc.video_writer import ContainerWriter, VideoFormat, Y4mWriter, format_of_name


def busy_frames(count: int, side: int = 64) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (count, side // 8, side // 8, 3), dtype=np.uint8)
    return list(coarse.repeat(8, axis=1).repeat(8, axis=2))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


def write(path: Path, kind: VideoFormat, frames: list[np.ndarray], rate: Fraction) -> VideoReader:
    writer = ContainerWriter(path, kind, width=64, height=64, frame_rate=rate)
    for frame in frames:
        writer.write(frame)
    writer.close()
    return VideoReader(path)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(47, 3)])
def test_matroska_is_lossless(tmp_path: Path, rate: Fraction) -> None:
    frames = busy_frames(12)
    reader = write(tmp_path / "a.mkv", VideoFormat.MKV, frames, rate)
    assert np.array_equal(np.stack(list(reader.frames())), np.stack(frames))
    assert abs(reader.info.frame_rate / rate - 1) < Fraction(1, 1000) and reader.info.regular


def test_mp4_is_close_and_tagged(tmp_path: Path) -> None:
    # Soft pictures: 4:2:0 alone costs more than this on hard coloured edges.
    y, x = np.mgrid[0:64, 0:64]
    frames = [np.stack([x * 3 + i, y * 3, 200 - x - y], -1).clip(0, 255).astype(np.uint8) for i in range(10)]
    reader = write(tmp_path / "a.mp4", VideoFormat.MP4, frames, Fraction(30000, 1001))
    assert psnr(np.stack(list(reader.frames())), np.stack(frames)) > 42
    assert reader.info.frame_rate == Fraction(30000, 1001)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


@pytest.mark.parametrize("side", [64, 720])
def test_y4m_is_read_back_with_the_colours_it_had(tmp_path: Path, side: int) -> None:
    frames = busy_frames(2, side)
    with open(tmp_path / "a.y4m", "wb") as file:
        writer = Y4mWriter(file, width=side, height=side, frame_rate=Fraction(30000, 1001))
        for frame in frames:
            writer.write(frame)
        writer.close()
    reader = VideoReader(tmp_path / "a.y4m")
    assert reader.info.frame_rate == Fraction(30000, 1001)
    assert np.abs(np.stack(list(reader.frames())).astype(int) - np.stack(frames)).max() <= 3


def test_y4m_has_the_size_that_its_header_says() -> None:
    file = io.BytesIO()
    writer = Y4mWriter(file, width=64, height=64, frame_rate=Fraction(25))
    for frame in busy_frames(3):
        writer.write(frame)
    writer.close()
    header, _, rest = file.getvalue().partition(b"\n")
    assert header.startswith(b"YUV4MPEG2 W64 H64 F25:1 ")
    assert len(rest) == 3 * (len(b"FRAME\n") + 3 * 64 * 64)


@pytest.mark.parametrize("delay", [0.0, 0.5])
@pytest.mark.parametrize("kind", [VideoFormat.MKV, VideoFormat.MP4])
def test_audio_stays_in_sync(tmp_path: Path, kind: VideoFormat, delay: float) -> None:
    source = VideoReader(write_clip(tmp_path / "in.mp4", marked_frames(25), audio="aac", audio_delay=delay))
    target = tmp_path / f"out{kind.value}"
    writer = ContainerWriter(target, kind, width=64, height=48, frame_rate=Fraction(25), audio=source.audio)
    packets = list(source.audio_packets())
    for frame in source.frames():
        writer.write(frame)
    for packet in packets:
        writer.write_audio(packet)
    writer.close()
    copy = VideoReader(target)
    assert source.audio is not None and copy.audio is not None
    heard = list(copy.audio_packets())
    assert [p.data for p in heard] == [p.data for p in packets]
    for a, b in zip(packets, heard, strict=True):
        assert float(a.pts * time_base_of(source.audio)) == pytest.approx(
            float(b.pts * time_base_of(copy.audio)), abs=0.002
        )
    assert delay - 0.05 < float(heard[0].pts * time_base_of(copy.audio)) < delay + 0.05


def test_audio_that_does_not_fit_says_what_would(tmp_path: Path) -> None:
    source = VideoReader(write_clip(tmp_path / "in.mkv", marked_frames(5), audio="pcm_u8"))
    with pytest.raises(UnsupportedAudio, match="mp4 cannot hold .*pcm_u8.*write .mkv"):
        ContainerWriter(
            tmp_path / "a.mp4", VideoFormat.MP4, width=64, height=48, frame_rate=Fraction(25), audio=source.audio
        )


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.mkv", VideoFormat.MKV), ("b/c.MP4", VideoFormat.MP4), ("x.y4m", VideoFormat.Y4M), ("-", VideoFormat.Y4M)],
)
def test_the_suffix_is_the_format(name: str, kind: VideoFormat) -> None:
    assert format_of_name(name) is kind


@pytest.mark.parametrize("name", ["a", "a.webm", "mkv"])
def test_another_suffix_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"\.mkv, \.mp4, \.y4m"):
        format_of_name(name)


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        ContainerWriter(tmp_path / "no" / "a.mkv", VideoFormat.MKV, width=64, height=64, frame_rate=Fraction(25))
