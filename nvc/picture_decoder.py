"""PICTURE units to pictures: the H.264 stream that begins with a key picture and goes on in PICTURE units.

Pictures come out in their output order, which the encoder may have chosen other than the coding order (B-frames): then
they come late, and :meth:`PictureDecoder.drain` gives what is still held.
"""

from __future__ import annotations

import re

import av
import numpy as np
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from bitstream import Corrupt, KeyFrame, Picture
from bitstream.stream import Frame
from nvc import colour
from nvc.colour import ColourSpec, Rgb
from nvc.keyframe import allowed_pixels, decode_picture, picture_of

_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_SLICES = (1, 5)  # NAL unit types: slice of any picture, slice of an IDR picture
_FIRST_MACROBLOCK = 0x80  # first_mb_in_slice = 0 is the bit 1 after the NAL header


class PictureDecoder:
    """Decodes the pictures after one key picture; what comes out is uint8 ``[side, side, 3]`` RGB."""

    def __init__(self, key: KeyFrame, *, spec: ColourSpec, side: int) -> None:
        self._key = key
        self._spec = spec
        self._side = side
        self._context: VideoCodecContext | None = None
        self._ended = False
        self._given = 0  # coded pictures that have gone in
        self._shown = 0  # pictures that have come out, the key picture included

    @property
    def held(self) -> int:
        """Pictures that have gone in and not come out."""
        return self._given - self._shown

    def decode(self, unit: Picture) -> list[Rgb]:
        """The pictures that are due after a PICTURE unit; often fewer than it holds when pictures are reordered.

        Raises Corrupt for damaged pictures, another number, size or format of them than the stream says, or
        pictures after :meth:`drain` had to end the stream.
        """
        if self._ended:
            raise Corrupt("PICTURE after MOTION in a stream whose pictures are reordered")
        coded = coded_pictures(unit.picture)
        if len(coded) != unit.picture_count:
            raise Corrupt(f"PICTURE holds {len(coded)} coded pictures, its header says {unit.picture_count}")
        if self._context is None:
            self._context = self._open()
            coded.insert(0, self._key.picture)
        pictures: list[Rgb] = []
        for data in coded:
            self._given += 1
            pictures += self._take(av.Packet(data))
        return pictures

    def drain(self) -> list[Rgb]:
        """What is still held. Raises Corrupt when that is not as many pictures as went in."""
        if not self.held:
            return []
        self._ended = True
        pictures = self._take(None)
        if self.held:
            raise Corrupt(f"{self.held} coded pictures did not decode")
        return pictures

    def _open(self) -> VideoCodecContext:
        context = av.CodecContext.create("h264", "r")
        context.thread_count = 1
        pixels = allowed_pixels(self._key.coded_width, self._key.coded_height)
        context.options = {"max_pixels": str(pixels), "err_detect": "explode"}
        return context

    def _take(self, packet: av.Packet | None) -> list[Rgb]:
        if self._context is None:
            return []
        try:
            frames = self._context.decode(packet)
        except (FFmpegError, ValueError, OverflowError, MemoryError) as error:
            raise Corrupt(f"PICTURE does not decode: {error}") from error
        pictures = []
        for frame in frames:
            rgb = picture_of(frame, self._key.coded_width, self._key.coded_height, self._spec)
            if self._shown:  # the key picture has been shown already
                pictures.append(colour.resize_rgb(rgb, width=self._side, height=self._side))
            self._shown += 1
        if self.held < 0:
            raise Corrupt(f"more pictures came out than the {self._given} that went in")
        return pictures


def shown_picture(key: KeyFrame, *, spec: ColourSpec, side: int) -> NDArray[np.uint8]:
    """A key picture as it is shown where the network does not draw: uint8 ``[3, side, side]``. Raises Corrupt."""
    rgb = decode_picture(key.picture, width=key.coded_width, height=key.coded_height, spec=spec)
    return np.ascontiguousarray(colour.resize_rgb(rgb, width=side, height=side).transpose(2, 0, 1))


def coded_pictures(annex_b: bytes) -> list[bytes]:
    """An H.264 byte stream cut before every coded picture; parameter sets go with the picture after them."""
    pictures: list[bytes] = []
    waiting = b""
    for nal in _START_CODE.split(annex_b):
        if not nal:
            continue
        piece = b"\x00\x00\x01" + nal
        if nal[0] & 31 not in _SLICES:
            waiting += piece
        elif len(nal) > 1 and nal[1] & _FIRST_MACROBLOCK or not pictures:
            pictures.append(waiting + piece)
            waiting = b""
        else:
            pictures[-1] += waiting + piece
            waiting = b""
    if waiting and pictures:
        pictures[-1] += waiting
    return pictures


Due = tuple[Frame, NDArray[np.uint8]]
"""An output frame of Part A and its picture, uint8 ``[3, side, side]``."""


class PictureRoad:
    """The way of PICTURE units through the decoder: which picture belongs to which output frame."""

    def __init__(self) -> None:
        self._decoder: PictureDecoder | None = None
        self._waiting: list[Frame] = []

    def start(self, key: KeyFrame, *, spec: ColourSpec, side: int) -> None:
        """A new key picture: the stream begins anew."""
        self._decoder, self._waiting = PictureDecoder(key, spec=spec, side=side), []

    def decode(self, unit: Picture, frames: list[Frame]) -> list[Due]:
        """What is due after a PICTURE unit that gives ``frames``. Raises Corrupt."""
        if self._decoder is None:
            raise Corrupt("PICTURE before any KEYFRAME")
        self._waiting += frames
        return self._paired(self._decoder.decode(unit))

    def drain(self) -> list[Due]:
        """What is still held, because something else than a PICTURE follows. Raises Corrupt."""
        return [] if self._decoder is None or not self._waiting else self._paired(self._decoder.drain())

    def forget(self) -> None:
        """Something was lost: what is held is not shown."""
        self._waiting = []

    def _paired(self, pictures: list[Rgb]) -> list[Due]:
        frames, self._waiting = self._waiting[: len(pictures)], self._waiting[len(pictures) :]
        return [
            (frame, np.ascontiguousarray(rgb.transpose(2, 0, 1))) for frame, rgb in zip(frames, pictures, strict=True)
        ]
