"""Makes small video files with whatever property a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from nvc import colour
from nvc.colour import ColourSpec

SAMPLE_RATE = 48000


def marked_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Distinct frames, uint8 [H, W, 3]: a bright corner at the top left, and a grey level that tells the number."""
    frames = []
    for i in range(count):
        frame = np.full((height, width, 3), 40 + 10 * (i % 20), np.uint8)
        frame[: height // 3, : width // 3] = (250, 30, 30)
        frames.append(frame)
    return frames


def frame_numbers(frames: Sequence[np.ndarray]) -> list[int]:
    """Which of :func:`marked_frames` each frame is, from the grey of its middle."""
    return [round((float(f[f.shape[0] // 2, f.shape[1] // 2].mean()) - 40) / 10) for f in frames]


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    rate: Fraction | int = 25,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    spec: ColourSpec | None = None,
    times: Sequence[Fraction] | None = None,
    rotation: tuple[float, bool, bool] | None = None,
    aspect: Fraction | None = None,
    audio: str | None = None,
    audio_delay: float = 0.0,
) -> Path:
    """Write frames, uint8 [H, W, 3], as a video; ``spec`` tags and converts colour, None leaves it untagged (BT.601).

    ``times``: when each frame is shown (s); ``rotation``: degrees counter-clockwise, mirrored in x, in y; ``audio``: an
    encoder for a short tone that starts ``audio_delay`` seconds after the video.
    """
    height, width, _ = frames[0].shape
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream(codec, rate=rate, options=options or {"qp": "8"})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = Fraction(1, 90000) if times else 1 / Fraction(rate)
        if spec is not None:
            stream.codec_context.colorspace = int(spec.matrix)
            stream.codec_context.color_range = 2 if spec.full_range else 1
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1], vflip=rotation[2])
        if aspect is not None:
            stream.sample_aspect_ratio = aspect
        sound = _add_sound(output, audio) if audio else None
        for i, rgb in enumerate(frames):
            used = spec or ColourSpec(colour.Matrix.BT601, False)
            frame = colour.rgb_to_frame(rgb, pixel_format=pixel_format, spec=used)
            if spec is None:
                frame.colorspace, frame.color_range = 2, 0
            frame.time_base = stream.codec_context.time_base
            frame.pts = i if times is None else round(times[i] / frame.time_base)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None:
            _write_sound(output, sound, len(frames) / float(rate), audio_delay)
    return path


def _add_sound(output: Any, codec: str) -> Any:
    sound = output.add_stream(codec, rate=SAMPLE_RATE)
    sound.layout = "stereo"
    sound.format = sound.codec_context.codec.audio_formats[0].name
    return sound


def _write_sound(output: Any, sound: Any, seconds: float, delay: float) -> None:
    size = sound.frame_size or 1024
    fifo = av.AudioFifo()
    wave = (8000 * np.sin(np.arange(round(seconds * SAMPLE_RATE)) * 0.05)).astype(np.int16)
    whole = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
    whole.sample_rate = SAMPLE_RATE
    resampler = av.AudioResampler(format=sound.format.name, layout="stereo", rate=SAMPLE_RATE)
    for part in resampler.resample(whole):
        part.pts = None
        fifo.write(part)
    at = round(delay * SAMPLE_RATE)
    while (part := fifo.read(size, partial=True)) is not None:
        part.pts, part.time_base = at, Fraction(1, SAMPLE_RATE)
        at += part.samples
        output.mux(sound.encode(part))
    output.mux(sound.encode(None))
