"""One intra picture to bytes and back: the only file that knows picture codecs.

The picture is H.264 by libx264 at a constant QP in Annex B form. Nothing in it depends on the machine: one thread
(more threads mean more slices and other bytes), no rate control, and the settings text that x264 writes into every
stream (more than 500 bytes, a third of a key picture) is cut out, as are its notes on timing (10 bytes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.error import FFmpegError

from bitstream import Corrupt
from nvc import colour
from nvc.colour import KEY_PICTURE, ColourSpec, Rgb
from nvc.parameter_sets import without_vui

MIN_QP, MAX_QP = 0, 51
_SEI, _PARAMETERS, _DELIMITER, _FILLER = 6, 7, 9, 12
_STRIDE = 128
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
# One picture a stream: keyint, ref and bframes only shorten the parameter sets. aq-mode and ipratio keep QP constant.
_X264 = "ipratio=1.0:aq-mode=0:keyint=1:ref=1:bframes=0:weightp=0"


def encode_picture(rgb: Rgb, *, qp: int) -> bytes:
    """uint8 ``[H, W, 3]`` (even sides) as one H.264 intra picture at constant ``qp`` (0..51, higher is coarser).

    The same picture and QP give the same bytes on every machine with the same libx264. Raises ValueError for a QP
    out of range or an odd side.
    """
    if not MIN_QP <= qp <= MAX_QP:
        raise ValueError(f"picture QP must be {MIN_QP}..{MAX_QP}, got {qp}")
    height, width, _ = rgb.shape
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.options = {"qp": str(qp), "preset": "veryslow", "tune": "psnr", "x264-params": _X264}
    frame = frame_of(colour.rgb_to_planes(rgb, KEY_PICTURE))
    packets = [*context.encode(frame), *context.encode(None)]
    nals = [nal for packet in packets for nal in _nal_units(bytes(packet))]
    return b"".join(b"\x00\x00\x01" + (without_vui(nal) if nal[0] & 31 == _PARAMETERS else nal) for nal in nals)


def decode_picture(data: bytes, *, width: int, height: int, spec: ColourSpec = KEY_PICTURE) -> Rgb:
    """The picture of :func:`encode_picture` as uint8 ``[height, width, 3]`` RGB; ``spec``: how its YUV is meant.

    Raises Corrupt unless ``data`` holds exactly one undamaged 4:2:0 picture of this size. Nothing larger than
    ``width x height`` is ever allocated, rounding apart.
    """
    context = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(allowed_pixels(width, height)), "err_detect": "explode"}
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)] if data else []
    except (FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise Corrupt(f"key picture of {len(data)} bytes does not decode: {error}") from error
    if len(frames) != 1:
        raise Corrupt(f"key picture holds {len(frames)} pictures, expected 1")
    return picture_of(frames[0], width, height, spec)


def allowed_pixels(width: int, height: int) -> int:
    """What a decoder must be allowed for a picture of this size, and no more."""
    # The decoder counts rows as it stores them: rounded up to its stride and to pairs of macroblocks.
    return -(-width // _STRIDE) * _STRIDE * -(-height // 32) * 32


def picture_of(frame: av.VideoFrame, width: int, height: int, spec: ColourSpec) -> Rgb:
    """A decoded frame as uint8 ``[height, width, 3]`` RGB. Raises Corrupt unless it is whole, 4:2:0, of that size."""
    if frame.is_corrupt:
        raise Corrupt("key picture is damaged")
    if (frame.width, frame.height) != (width, height):
        raise Corrupt(f"key picture is {frame.width} x {frame.height}, the header says {width} x {height}")
    if frame.format.name != "yuv420p":
        raise Corrupt(f"key picture has pixel format {frame.format.name}, expected yuv420p")
    samples = np.asarray(frame.to_ndarray(), dtype=np.uint8)
    chroma = samples[height:].reshape(2, height // 2, width // 2)
    return colour.planes_to_rgb((samples[:height], chroma[0], chroma[1]), spec)


def frame_of(planes: colour.Planes) -> av.VideoFrame:
    """Planes as a frame that encoders take."""
    height, width = planes[0].shape
    samples = np.concatenate([p.ravel() for p in planes]).reshape(height * 3 // 2, width)
    return av.VideoFrame.from_ndarray(samples, format="yuv420p")


def _nal_units(annex_b: bytes) -> Iterator[bytes]:
    """The NAL units that carry the picture: without SEI, delimiters and filler."""
    for nal in _START_CODE.split(annex_b):
        nal = nal.rstrip(b"\x00")  # trailing zeros belong to the next start code, a NAL unit never ends in one
        if nal and nal[0] & 31 not in (_SEI, _DELIMITER, _FILLER):
            yield nal
