"""SEQUENCE: what holds for the whole stream, sent first and again before later key frames in live use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction

from bitstream.bytefields import FieldReader, FieldWriter, check_range
from bitstream.errors import Corrupt, InvalidField, ModelMismatch, Unsupported
from bitstream.limits import (
    LEVEL_TABLE,
    MAX_EXTENSION_BYTES,
    MAX_KEYPOINTS,
    MAX_MOTION_FRAMES,
    MAX_SIDE,
    MAX_SYMBOLS_PER_FRAME,
    POSE_COUNT,
    Level,
)

VERSION = 1
MICRO_VERSION = 0
MODEL_ID_BYTES = 16
MAX_SOURCE_SIDE = 65535
QUANTISERS = 64


class Profile(IntEnum):
    """0 MAIN: everything in this version."""

    MAIN = 0


class PictureCodec(IntEnum):
    """How key pictures and PICTURE units are coded. 1 is reserved for AV1."""

    H264 = 0


class ExpressionTransform(IntEnum):
    """What expression integers mean: three deltas a keypoint, or coefficients of the model's basis."""

    KEYPOINTS = 0
    BASIS = 1


class MotionCrc(IntEnum):
    """Whether MOTION units carry a CRC."""

    NONE = 0
    CRC16 = 1


def known_value(kind: type[IntEnum], name: str, value: int) -> IntEnum:
    """``value`` as a member of ``kind``; Unsupported when it is not one."""
    try:
        return kind(value)
    except ValueError:
        raise Unsupported(f"{name} = {value}, known are {[int(k) for k in kind]}") from None


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """Fields in the order in which they are written. Every one is checked here, so parsing and building check alike.

    =========================  ==========  ==========================================================================
    version                    u(8)        1; another one is Unsupported
    micro_version              u(8)        any; compatible additions
    profile, level             u(4) u(4)   Profile; Level
    side                       leb128      side of the coded square in pixels, even, 16 to 2048
    source_width, _height      leb128      pixels of the video that was encoded, 1 to 65535
    crop_x, crop_y             signed      left and top edge of the coded square in the source; may lie outside
    crop_side                  leb128      its side in source pixels, 1 to 131070
    frame_rate_numerator, ...  leb128      frames a second as a fraction in lowest terms
    colour_primaries, ...      u(8) x 3    code points of ITU-T H.273
    codec_and_transform        u(4) u(4)   picture_codec, expression_transform
    model_id                   16 bytes    first 16 bytes of SHA-256 over the model's canonical content
    keypoint_count             leb128      K, 1 to 512
    expression_count           leb128      N; transform 0: 3 to 3K in threes, transform 1: 1 to 4089
    pose_, expression_,        u(8) x 3    step table indices, 0 to 63
    canonical_quantiser
    motion_group               u(8)        frames that a MOTION unit holds unless it says otherwise, 1 to 64
    flags                      u(8)        full_range(1) error_resilient(1) synthetic(1) motion_crc(2) zero(3)
    extension                  to the end  at most 1024 bytes, ignored and kept
    =========================  ==========  ==========================================================================

    ``flags`` is written with full_range in the highest bit; set zero bits are Unsupported.
    """

    side: int
    source_width: int
    source_height: int
    crop_x: int = 0
    crop_y: int = 0
    crop_side: int
    frame_rate_numerator: int
    frame_rate_denominator: int = 1
    colour_primaries: int = 1
    transfer_characteristics: int = 1
    matrix_coefficients: int = 1
    full_range: bool = False
    picture_codec: PictureCodec = PictureCodec.H264
    model_id: bytes
    keypoint_count: int
    expression_count: int
    expression_transform: ExpressionTransform = ExpressionTransform.BASIS
    pose_quantiser: int
    expression_quantiser: int
    canonical_quantiser: int
    motion_group: int = 1
    error_resilient: bool = False
    motion_crc: MotionCrc = MotionCrc.CRC16
    synthetic: bool = False
    extension: bytes = b""
    version: int = VERSION
    micro_version: int = MICRO_VERSION
    profile: Profile = Profile.MAIN
    level: Level = Level.L5

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise Unsupported(f"bitstream version {self.version}, this decoder knows {VERSION}")
        check_range("micro_version", self.micro_version, 0, 255)
        for name, kind in (
            ("profile", Profile),
            ("level", Level),
            ("picture_codec", PictureCodec),
            ("expression_transform", ExpressionTransform),
            ("motion_crc", MotionCrc),
        ):
            object.__setattr__(self, name, known_value(kind, name, getattr(self, name)))
        for name in ("model_id", "extension"):
            object.__setattr__(self, name, bytes(getattr(self, name)))
        self._check_picture()
        self._check_motion()
        check_range("length of model_id", len(self.model_id), MODEL_ID_BYTES, MODEL_ID_BYTES)
        check_range("length of extension", len(self.extension), 0, MAX_EXTENSION_BYTES)

    def _check_picture(self) -> None:
        check_range("side", self.side, 16, MAX_SIDE)
        if self.side % 2:
            raise InvalidField(f"side = {self.side}, must be even")
        check_range("source_width", self.source_width, 1, MAX_SOURCE_SIDE)
        check_range("source_height", self.source_height, 1, MAX_SOURCE_SIDE)
        check_range("crop_x", self.crop_x, -MAX_SOURCE_SIDE, MAX_SOURCE_SIDE)
        check_range("crop_y", self.crop_y, -MAX_SOURCE_SIDE, MAX_SOURCE_SIDE)
        check_range("crop_side", self.crop_side, 1, 2 * MAX_SOURCE_SIDE)
        for name in ("colour_primaries", "transfer_characteristics", "matrix_coefficients"):
            check_range(name, getattr(self, name), 0, 255)
        numerator, denominator = self.frame_rate_numerator, self.frame_rate_denominator
        check_range("frame_rate_numerator", numerator, 1, (1 << 28) - 1)
        check_range("frame_rate_denominator", denominator, 1, (1 << 28) - 1)
        if math.gcd(numerator, denominator) != 1:
            raise InvalidField(f"frame rate {numerator}/{denominator} is not in lowest terms")
        bounds = LEVEL_TABLE[self.level]
        check_range(f"side at level {int(self.level)}", self.side, 16, bounds.max_side)
        if numerator > bounds.max_frame_rate * denominator:
            most = bounds.max_frame_rate
            raise InvalidField(f"frame rate {numerator}/{denominator}, level {int(self.level)} allows {most}")

    def _check_motion(self) -> None:
        check_range("keypoint_count", self.keypoint_count, 1, MAX_KEYPOINTS)
        count = self.expression_count
        if self.expression_transform is ExpressionTransform.KEYPOINTS:
            check_range("expression_count", count, 3, 3 * self.keypoint_count)
            if count % 3:
                raise InvalidField(f"expression_count = {count}, must be three a keypoint")
        check_range("expression_count", count, 1, MAX_SYMBOLS_PER_FRAME - POSE_COUNT)
        for name in ("pose_quantiser", "expression_quantiser", "canonical_quantiser"):
            check_range(name, getattr(self, name), 0, QUANTISERS - 1)
        check_range("motion_group", self.motion_group, 1, MAX_MOTION_FRAMES)
        for name in ("full_range", "error_resilient", "synthetic"):
            object.__setattr__(self, name, bool(getattr(self, name)))

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second."""
        return Fraction(self.frame_rate_numerator, self.frame_rate_denominator)

    @property
    def frame_values(self) -> int:
        """Integers in one motion frame: 7 + N."""
        return POSE_COUNT + self.expression_count

    def check_model(self, model_id: bytes) -> None:
        """Raise ModelMismatch unless ``model_id`` (16 bytes) is the model that this stream was made for."""
        if bytes(model_id) != self.model_id:
            raise ModelMismatch(f"the stream needs model {self.model_id.hex()}, at hand is {bytes(model_id).hex()}")

    def to_payload(self) -> bytes:
        """The payload of a SEQUENCE unit."""
        out = FieldWriter()
        for byte in (self.version, self.micro_version, self.profile << 4 | self.level):
            out.u8(byte)
        for number in (self.side, self.source_width, self.source_height):
            out.leb128(number)
        out.signed(self.crop_x)
        out.signed(self.crop_y)
        for number in (self.crop_side, self.frame_rate_numerator, self.frame_rate_denominator):
            out.leb128(number)
        for byte in (self.colour_primaries, self.transfer_characteristics, self.matrix_coefficients):
            out.u8(byte)
        out.u8(self.picture_codec << 4 | self.expression_transform)
        out.raw(self.model_id)
        out.leb128(self.keypoint_count)
        out.leb128(self.expression_count)
        for byte in (self.pose_quantiser, self.expression_quantiser, self.canonical_quantiser, self.motion_group):
            out.u8(byte)
        out.u8(self.full_range << 7 | self.error_resilient << 6 | self.synthetic << 5 | self.motion_crc << 3)
        out.raw(self.extension)
        return bytes(out)

    @classmethod
    def from_payload(cls, payload: bytes) -> Sequence:
        """Parse a SEQUENCE payload. Raises Unsupported, Corrupt, InvalidField."""
        read = FieldReader(payload)
        version = read.u8()
        if version != VERSION:
            raise Unsupported(f"bitstream version {version}, this decoder knows {VERSION}")
        f: dict[str, int] = {"version": version, "micro_version": read.u8()}
        f["profile"], f["level"] = divmod(read.u8(), 16)
        for name in ("side", "source_width", "source_height"):
            f[name] = read.leb128()
        f["crop_x"], f["crop_y"] = read.signed(), read.signed()
        for name in ("crop_side", "frame_rate_numerator", "frame_rate_denominator"):
            f[name] = read.leb128()
        for name in ("colour_primaries", "transfer_characteristics", "matrix_coefficients"):
            f[name] = read.u8()
        f["picture_codec"], f["expression_transform"] = divmod(read.u8(), 16)
        model_id = read.raw(MODEL_ID_BYTES)
        f["keypoint_count"], f["expression_count"] = read.leb128(), read.leb128()
        for name in ("pose_quantiser", "expression_quantiser", "canonical_quantiser", "motion_group"):
            f[name] = read.u8()
        flags = read.u8()
        if flags & 7:
            raise Unsupported(f"SEQUENCE flags 0x{flags:02x} use bits that version {VERSION} leaves zero")
        f["full_range"], f["error_resilient"], f["synthetic"] = flags >> 7, flags >> 6 & 1, flags >> 5 & 1
        f["motion_crc"] = flags >> 3 & 3
        if read.left > MAX_EXTENSION_BYTES:
            raise Corrupt(f"SEQUENCE extension of {read.left} bytes, allowed {MAX_EXTENSION_BYTES}")
        return cls(model_id=model_id, extension=read.rest(), **f)  # type: ignore[arg-type]
