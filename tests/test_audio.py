"""Audio tracks pass through: the same packets, and a muxer that believes them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import marked_frames, write_clip

from bitstream import AudioHeader, AudioPacket
from nvc.audio import UnsupportedAudio, add_track, carried_codecs, header_of, time_base_of, to_muxer

CODECS = {
    "aac": "mp4",
    "libmp3lame": "mkv",
    "libopus": "mkv",
    "flac": "mkv",
    "alac": "mp4",
    "ac3": "mkv",
    "pcm_s16le": "mkv",
}


def read_track(path: Path) -> tuple[AudioHeader, list[AudioPacket]]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        header = header_of(stream)
        return header, [AudioPacket(p.pts, p.duration or 0, bytes(p)) for p in container.demux(stream) if p.size]


def samples(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)


def remux(path: Path, header: AudioHeader, packets: list[AudioPacket]) -> Path:
    with av.open(str(path), "w") as output:
        track = add_track(output, header)
        for packet in packets:
            output.mux(to_muxer(packet, track, header))
    return path


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("codec", CODECS)
def test_a_track_survives_to_the_bit(tmp_path: Path, codec: str, suffix: str) -> None:
    source = write_clip(tmp_path / f"in.{CODECS[codec]}", marked_frames(25), audio=codec)
    header, packets = read_track(source)
    copied_header, copied = read_track(remux(tmp_path / f"out.{suffix}", header, packets))
    assert (copied_header.codec, copied_header.sample_rate) == (header.codec, header.sample_rate)
    assert (copied_header.channels, copied_header.extradata) == (header.channels, header.extradata)
    assert [p.data for p in copied] == [p.data for p in packets]
    start, copied_start = (float(p[0].pts * time_base_of(h)) for p, h in ((packets, header), (copied, copied_header)))
    length = float(packets[-1].pts * time_base_of(header)) - start
    assert float(copied[-1].pts * time_base_of(copied_header)) - copied_start == pytest.approx(length, abs=0.002)
    original, heard = samples(source), samples(tmp_path / f"out.{suffix}")
    if codec in ("flac", "alac", "aac", "pcm_s16le"):
        shared = min(original.shape[1], heard.shape[1])  # one may keep the encoder's run-in that the other trims
        assert shared >= 47000 and np.array_equal(original[:, -shared:], heard[:, -shared:])


def test_a_codec_that_is_not_known_is_refused(tmp_path: Path) -> None:
    header = AudioHeader(
        codec="wmapro", time_base_numerator=1, time_base_denominator=48000, sample_rate=48000, channels=2
    )
    with (
        av.open(str(tmp_path / "a.mkv"), "w") as output,
        pytest.raises(UnsupportedAudio, match="wmapro cannot be carried"),
    ):
        add_track(output, header)
    assert "aac" in carried_codecs() and "wmapro" not in carried_codecs()


@pytest.mark.parametrize("codec", ["aac", "opus", "flac", "vorbis", "mp3", "alac"])
@pytest.mark.parametrize("extradata", [b"", b"\xff" * 40])
def test_a_nonsense_description_never_escapes_as_another_error(tmp_path: Path, codec: str, extradata: bytes) -> None:
    header = AudioHeader(
        codec=codec,
        time_base_numerator=1,
        time_base_denominator=1,
        sample_rate=1,
        channels=255,
        extradata=extradata,
    )
    with av.open(str(tmp_path / "a.mkv"), "w") as output:
        try:
            add_track(output, header)
        except UnsupportedAudio as error:
            assert codec in str(error)
        else:
            assert time_base_of(header) == Fraction(1)
