"""H.264 sequence parameter sets without what a key picture does not need.

x264 writes timing and buffering notes (VUI) into every sequence parameter set, half of its bytes. The SEQUENCE unit
says frame rate and colour, and an intra picture needs no reordering: without the notes it decodes to the same samples.
"""

from __future__ import annotations

import re

_HIGH = 100
_PLAIN_CHROMA = 3  # chroma_format_idc below this has no further field
_EMULATED = re.compile(rb"\x00\x00\x03")
_TO_EMULATE = re.compile(rb"\x00\x00(?=[\x00-\x03])")


class _Bits:
    """The bits of a NAL unit's payload, most significant first."""

    def __init__(self, data: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def fixed(self, count: int) -> int:
        """u(count). Raises ValueError beyond the end."""
        self.at += count
        return int(self._text[self.at - count : self.at], 2) if self.at <= len(self._text) else self._ended()

    def golomb(self) -> int:
        """ue(v). Raises ValueError beyond the end."""
        one = self._text.find("1", self.at)
        zeros = one - self.at if one >= 0 else self._ended()
        self.at = one
        return self.fixed(zeros + 1) - 1

    def before(self) -> str:
        """All bits before this place."""
        return self._text[: self.at]

    def _ended(self) -> int:
        raise ValueError("the sequence parameter set ends too early")


def without_vui(nal: bytes) -> bytes:
    """A sequence parameter set (NAL unit without start code) without its VUI; others come back as they are.

    Parameter sets of High profile without scaling matrices are understood, which is what x264 writes for 4:2:0.
    """
    read = _Bits(_EMULATED.sub(b"\x00\x00", nal))
    if not _skip_to_size(read):
        return nal
    _size(read)
    kept = read.before() + "01"  # vui_parameters_present_flag, then the stop bit
    kept += "0" * (-len(kept) % 8)
    payload = int(kept, 2).to_bytes(len(kept) // 8, "big")
    return _TO_EMULATE.sub(b"\x00\x00\x03", payload)


def size_of(nal: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that a sequence parameter set says; None for one that is not understood.

    Raises ValueError for one that ends too early.
    """
    read = _Bits(_EMULATED.sub(b"\x00\x00", nal))
    return _size(read) if _skip_to_size(read) else None


def _skip_to_size(read: _Bits) -> bool:
    read.fixed(8)
    if read.fixed(8) != _HIGH:
        return False
    read.fixed(16)  # constraints, level
    read.golomb()
    return _skip_format(read) and _skip_order(read)


def _skip_format(read: _Bits) -> bool:
    """chroma_format_idc to seq_scaling_matrix_present_flag; False for what is not understood."""
    plain = read.golomb() < _PLAIN_CHROMA
    read.golomb()  # bits of luma
    read.golomb()  # bits of chroma
    read.fixed(1)
    return plain and not read.fixed(1)


def _skip_order(read: _Bits) -> bool:
    """log2_max_frame_num and the picture order count; False for type 1, whose loops x264 never writes."""
    read.golomb()
    kind = read.golomb()
    if kind == 0:
        read.golomb()
    return kind != 1


def _size(read: _Bits) -> tuple[int, int]:
    """max_num_ref_frames to the cropping: width and height in pixels, for 4:2:0."""
    read.golomb()
    read.fixed(1)
    width, height = 16 * (read.golomb() + 1), 16 * (read.golomb() + 1)
    if not read.fixed(1):  # frame_mbs_only_flag
        height *= 2
        read.fixed(1)
    read.fixed(1)
    if read.fixed(1):
        left, right, top, bottom = (read.golomb() for _ in range(4))
        width, height = width - 2 * (left + right), height - 2 * (top + bottom)
    return width, height
