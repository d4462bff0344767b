"""Audio that passes through untouched: a track's description, and how a muxer is made to accept its packets."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError

from bitstream import AudioHeader, AudioPacket

# Matroska's name of each codec. PCM needs its sample size beside it.
_CODEC_IDS = {
    "aac": "A_AAC",
    "mp2": "A_MPEG/L2",
    "mp3": "A_MPEG/L3",
    "opus": "A_OPUS",
    "vorbis": "A_VORBIS",
    "flac": "A_FLAC",
    "alac": "A_ALAC",
    "ac3": "A_AC3",
    "eac3": "A_EAC3",
    "dts": "A_DTS",
    "truehd": "A_TRUEHD",
    "pcm_u8": "A_PCM/INT/LIT",
    "pcm_s16le": "A_PCM/INT/LIT",
    "pcm_s24le": "A_PCM/INT/LIT",
    "pcm_s32le": "A_PCM/INT/LIT",
    "pcm_s16be": "A_PCM/INT/BIG",
    "pcm_s24be": "A_PCM/INT/BIG",
    "pcm_f32le": "A_PCM/FLOAT/IEEE",
}
_PCM_BITS = {"u8": 8, "s16": 16, "s24": 24, "s32": 32, "f32": 32}
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_EBML, _DOC_TYPE, _DOC_VERSIONS = 0x1A45DFA3, 0x4282, (0x4287, 0x4285)
_SEGMENT, _TRACKS, _TRACK = 0x18538067, 0x1654AE6B, 0xAE
_NUMBER, _UID, _TYPE, _CODEC_ID, _CODEC_PRIVATE = 0xD7, 0x73C5, 0x83, 0x86, 0x63A2
_AUDIO, _SAMPLE_RATE, _CHANNELS, _BIT_DEPTH = 0xE1, 0xB5, 0x9F, 0x6264
_CLUSTER, _TIMESTAMP = 0x1F43B675, 0xE7


class UnsupportedAudio(ValueError):
    """This audio codec cannot be carried, or not in that container."""


def carried_codecs() -> tuple[str, ...]:
    """Names of the codecs that pass through."""
    return tuple(_CODEC_IDS)


def header_of(stream: AudioStream) -> AudioHeader:
    """Describe an input track. Raises UnsupportedAudio for a codec that cannot be carried."""
    context = stream.codec_context
    name = context.codec.canonical_name if context is not None else "an unknown codec"
    if context is None or name not in _CODEC_IDS or not context.sample_rate or not stream.time_base:
        raise UnsupportedAudio(f"audio in {name} cannot be carried")
    return AudioHeader(
        codec=name,
        time_base_numerator=stream.time_base.numerator,
        time_base_denominator=stream.time_base.denominator,
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        extradata=bytes(context.extradata or b""),
    )


def time_base_of(audio: AudioHeader) -> Fraction:
    """Seconds a tick."""
    return Fraction(audio.time_base_numerator, audio.time_base_denominator)


def add_track(output: OutputContainer, audio: AudioHeader) -> AudioStream:
    """A track in ``output`` that takes packets of ``audio`` as they are. Raises UnsupportedAudio."""
    with _described(audio) as described:
        try:
            stream = output.add_stream_from_template(described.streams.audio[0])
        except (ValueError, FFmpegError) as error:
            message = f"{output.format.name} cannot hold {audio.codec} audio; write .mkv"
            raise UnsupportedAudio(message) from error
        # A container may store the configuration in another form than the codec has it in.
        stream.codec_context.extradata = audio.extradata or None
        if audio.channels in _LAYOUTS:
            stream.codec_context.layout = _LAYOUTS[audio.channels]
        stream.time_base = time_base_of(audio)
    return stream


def to_muxer(packet: AudioPacket, stream: AudioStream, audio: AudioHeader) -> av.Packet:
    """The packet as ``output.mux`` takes it."""
    out = av.Packet(packet.data)
    out.pts = out.dts = packet.pts
    out.duration = packet.duration
    out.time_base = time_base_of(audio)
    out.stream = stream
    out.is_keyframe = True
    return out


def _described(audio: AudioHeader) -> InputContainer:
    """An input without packets whose only track is ``audio``: muxers copy their tracks from inputs."""
    if audio.codec not in _CODEC_IDS:
        raise UnsupportedAudio(f"audio in {audio.codec} cannot be carried")
    try:
        described = av.open(io.BytesIO(_matroska(audio)), "r", format="matroska")
    except FFmpegError as error:
        raise UnsupportedAudio(f"the description of the {audio.codec} audio is not valid") from error
    if not described.streams.audio or described.streams.audio[0].codec_context is None:
        described.close()
        raise UnsupportedAudio(f"the description of the {audio.codec} audio is not valid")
    return described


def _matroska(audio: AudioHeader) -> bytes:
    """The smallest Matroska file with this track: header, track, one empty cluster."""
    sound = _number(_CHANNELS, audio.channels) + _float(_SAMPLE_RATE, audio.sample_rate)
    if audio.codec.startswith("pcm_"):
        sound += _number(_BIT_DEPTH, _PCM_BITS[audio.codec[4:].removesuffix("le").removesuffix("be")])
    track = _number(_NUMBER, 1) + _number(_UID, 1) + _number(_TYPE, 2)
    track += _element(_CODEC_ID, _CODEC_IDS[audio.codec].encode()) + _element(_AUDIO, sound)
    if private := _private(audio):
        track += _element(_CODEC_PRIVATE, private)
    header = _element(_DOC_TYPE, b"matroska") + b"".join(_number(v, 2) for v in _DOC_VERSIONS)
    segment = _element(_TRACKS, _element(_TRACK, track)) + _element(_CLUSTER, _number(_TIMESTAMP, 0))
    return _element(_EBML, header) + _element(_SEGMENT, segment)


def _private(audio: AudioHeader) -> bytes:
    """The configuration in Matroska's form, which differs from FFmpeg's for two codecs."""
    if audio.codec == "flac" and not audio.extradata.startswith(b"fLaC"):
        return b"fLaC\x80" + len(audio.extradata).to_bytes(3, "big") + audio.extradata
    if audio.codec == "alac" and audio.extradata[4:8] == b"alac":
        return audio.extradata[12:]
    return audio.extradata


def _element(identifier: int, content: bytes) -> bytes:
    size = (1 << 56 | len(content)).to_bytes(8, "big")
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big") + size + content


def _number(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(4, "big"))


def _float(identifier: int, value: float) -> bytes:
    return _element(identifier, struct.pack(">d", value))
