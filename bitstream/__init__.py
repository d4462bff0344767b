"""The nvc bitstream: bytes to integers and key pictures, exactly, and back. Needs numpy and constriction only.

Part A of the format (spec/bitstream.md). A stream is read with :class:`UnitReader`, its units turned into fields with
:func:`parse_payload`, motion into integers with :class:`MotionDecoder`; the mirrored way is :func:`make_unit`,
:class:`MotionEncoder` and ``Unit.to_bytes``. Any bytes raise nothing but :class:`BitstreamError`.
"""

from bitstream.ancillary import Audio, AudioHeader, AudioPacket, End, Index, Metadata, Resync
from bitstream.errors import (
    BitstreamError,
    Corrupt,
    InvalidField,
    LimitExceeded,
    ModelMismatch,
    Truncated,
    Unsupported,
)
from bitstream.limits import LEVEL_TABLE, POSE_COUNT, Level, Limits, smallest_level
from bitstream.motion import BitCounter, MotionDecoder, MotionEncoder
from bitstream.pictures import KeyFrame, KeyUse, Picture
from bitstream.quantise import canonical_step, dequantise, expression_step, frame_steps, pose_steps, quantise
from bitstream.sequence import ExpressionTransform, MotionCrc, PictureCodec, Profile, Sequence
from bitstream.syntax import Motion, Payload, Truncation, make_unit, parse_payload
from bitstream.units import SIGNATURE, Unit, UnitReader, UnitType, find_resync, parse_units, write_file_header

__all__ = [
    "LEVEL_TABLE",
    "POSE_COUNT",
    "SIGNATURE",
    "Audio",
    "AudioHeader",
    "AudioPacket",
    "BitCounter",
    "BitstreamError",
    "Corrupt",
    "End",
    "ExpressionTransform",
    "Index",
    "InvalidField",
    "KeyFrame",
    "KeyUse",
    "Level",
    "LimitExceeded",
    "Limits",
    "Metadata",
    "ModelMismatch",
    "Motion",
    "MotionCrc",
    "MotionDecoder",
    "MotionEncoder",
    "Payload",
    "Picture",
    "PictureCodec",
    "Profile",
    "Resync",
    "Sequence",
    "Truncated",
    "Truncation",
    "Unit",
    "UnitReader",
    "UnitType",
    "Unsupported",
    "canonical_step",
    "dequantise",
    "expression_step",
    "find_resync",
    "frame_steps",
    "make_unit",
    "parse_payload",
    "parse_units",
    "pose_steps",
    "quantise",
    "smallest_level",
    "write_file_header",
]
