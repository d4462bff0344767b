"""The payloads that carry pictures: KEYFRAME and PICTURE. Coded pictures are opaque bytes here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bitstream.bytefields import FieldReader, FieldWriter, check_range
from bitstream.errors import InvalidField
from bitstream.integers import IntegerModel
from bitstream.limits import (
    LEVEL_TABLE,
    MAX_PICTURES,
    MAX_PRESENTATION_INDEX,
    MAX_SIDE,
    MAX_UNIT_BYTES,
    MAX_VALUE,
    MIN_VALUE,
    POSE_COUNT,
    SOURCE_SLOTS,
)
from bitstream.rangecoder import RangeDecoder, RangeEncoder, SymbolCoder
from bitstream.sequence import PictureCodec, Sequence, known_value


def _set_integers(unit: object, name: str) -> None:
    values = tuple(int(v) for v in getattr(unit, name))
    for value in values:
        check_range(name, value, MIN_VALUE, MAX_VALUE)
    object.__setattr__(unit, name, values)


class KeyUse(IntEnum):
    """What a KEYFRAME is for besides being a source: the ``extension`` byte of its unit. Other values mean DRAWN."""

    DRAWN = 0  #: an output frame, drawn through the network with its own motion; the byte is left out
    SHOWN_AS_DECODED = 1  #: an output frame as decoded
    SOURCE_ONLY = 2  #: no output frame: the next one has its ``presentation_index``

    @classmethod
    def of(cls, extension: int | None) -> KeyUse:
        """The use that a unit's ``extension`` byte, or None for none, stands for."""
        return cls(extension) if extension in (cls.SHOWN_AS_DECODED, cls.SOURCE_ONLY) else cls.DRAWN


@dataclass(frozen=True, kw_only=True)
class KeyFrame:
    """KEYFRAME: a key picture with its keypoints and head, itself the output frame at ``presentation_index``.

    With :attr:`KeyUse.SOURCE_ONLY` it is no output frame, and the next one has that index.

    ======================  =========  ===============================================================================
    presentation_index      leb128     0 to 2^28 - 1
    slot_and_codec          u(4) u(4)  source_slot 0 to 3: where the picture is held; picture_codec
    coded_width, _height    leb128     pixels of the picture, even, 16 to side; smaller ones are scaled up to side
    values_size             leb128     bytes of the next field
    values                  bytes      one range coder run: canonical (3K), pose (7), expression (N), see code_values
    picture                 to the     one intra picture; H.264: Annex B, without SEI
                            end
    ======================  =========  ===============================================================================

    ``canonical``: 3K integers, x y z of each keypoint, as differences to the model's mean keypoints; ``pose``: pitch,
    yaw, roll, tx, ty, tz, log2 scale; ``expression``: N. Steps are those of the SEQUENCE. Each is -32768 to 32767.
    """

    presentation_index: int
    source_slot: int = 0
    picture_codec: PictureCodec = PictureCodec.H264
    coded_width: int
    coded_height: int
    canonical: tuple[int, ...]
    pose: tuple[int, ...]
    expression: tuple[int, ...]
    picture: bytes

    def __post_init__(self) -> None:
        check_range("presentation_index", self.presentation_index, 0, MAX_PRESENTATION_INDEX)
        check_range("source_slot", self.source_slot, 0, SOURCE_SLOTS - 1)
        object.__setattr__(self, "picture_codec", known_value(PictureCodec, "picture_codec", self.picture_codec))
        for name in ("coded_width", "coded_height"):
            check_range(name, getattr(self, name), 16, MAX_SIDE)
            if getattr(self, name) % 2:
                raise InvalidField(f"{name} = {getattr(self, name)}, must be even")
        for name in ("canonical", "pose", "expression"):
            _set_integers(self, name)
        check_range("number of pose integers", len(self.pose), POSE_COUNT, POSE_COUNT)
        object.__setattr__(self, "picture", bytes(self.picture))
        check_range("bytes of picture", len(self.picture), 1, MAX_UNIT_BYTES)

    @property
    def values(self) -> tuple[int, ...]:
        """The key frame's motion integers in the order of a motion frame: pose, then expression."""
        return self.pose + self.expression

    def check(self, sequence: Sequence) -> None:
        """Raise InvalidField unless the key frame belongs into a stream with this SEQUENCE."""
        check_range("number of canonical integers", len(self.canonical), *[3 * sequence.keypoint_count] * 2)
        check_range("number of expression integers", len(self.expression), *[sequence.expression_count] * 2)
        check_range("coded_width", self.coded_width, 16, sequence.side)
        check_range("coded_height", self.coded_height, 16, sequence.side)
        check_range("bytes of picture", len(self.picture), 1, LEVEL_TABLE[sequence.level].max_picture_bytes)

    def to_payload(self) -> bytes:
        """The payload of a KEYFRAME unit."""
        out = FieldWriter()
        out.leb128(self.presentation_index)
        out.u8(self.source_slot << 4 | self.picture_codec)
        out.leb128(self.coded_width)
        out.leb128(self.coded_height)
        coder = RangeEncoder()
        code_values(coder, list(self.canonical), list(self.values))
        out.block(coder.finish())
        out.raw(self.picture)
        return bytes(out)

    @classmethod
    def from_payload(cls, payload: bytes, sequence: Sequence) -> KeyFrame:
        """Parse a KEYFRAME payload. Raises Corrupt, InvalidField, Unsupported."""
        read = FieldReader(payload)
        index = read.leb128()
        slot, codec = divmod(read.u8(), 16)
        width, height = read.leb128(), read.leb128()
        coder = RangeDecoder(read.block())
        canonical, values = [0] * (3 * sequence.keypoint_count), [0] * sequence.frame_values
        code_values(coder, canonical, values)
        coder.finish()
        key = cls(
            presentation_index=index,
            source_slot=slot,
            picture_codec=known_value(PictureCodec, "picture_codec", codec),  # type: ignore[arg-type]
            coded_width=width,
            coded_height=height,
            canonical=tuple(canonical),
            pose=tuple(values[:POSE_COUNT]),
            expression=tuple(values[POSE_COUNT:]),
            picture=read.rest(),
        )
        key.check(sequence)
        return key


def code_values(coder: SymbolCoder, canonical: list[int], values: list[int]) -> None:
    """Code all integers of a key frame in place: keypoints with one model an axis, the head with one for all."""
    axes = [IntegerModel() for _ in range(3)]
    coder.label = "canonical"
    for i, value in enumerate(canonical):
        canonical[i] = axes[i % 3].code(coder, value)
    head = IntegerModel()
    for i, value in enumerate(values):
        coder.label = "pose" if i < POSE_COUNT else "expression"
        values[i] = head.code(coder, value)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """PICTURE: conventional inter pictures, which go on in the stream of the PICTURE or KEYFRAME before them.

    presentation_index leb128, picture_count leb128 (1 to 64), then so many coded pictures in decoding order (H.264
    Annex B without SEI) to the end of the payload. The unit gives the output frames presentation_index to
    :attr:`last_index`; pictures take indices in their output order, which may reach across units.
    """

    presentation_index: int
    picture_count: int = 1
    picture: bytes

    def __post_init__(self) -> None:
        check_range("presentation_index", self.presentation_index, 0, MAX_PRESENTATION_INDEX)
        check_range("picture_count", self.picture_count, 1, MAX_PICTURES)
        check_range("last presentation index", self.last_index, 0, MAX_PRESENTATION_INDEX)
        object.__setattr__(self, "picture", bytes(self.picture))
        check_range("bytes of picture", len(self.picture), 1, MAX_UNIT_BYTES)

    @property
    def last_index(self) -> int:
        """Presentation index of the last frame that the unit gives."""
        return self.presentation_index + self.picture_count - 1

    def check(self, sequence: Sequence) -> None:
        """Raise InvalidField unless the level of the SEQUENCE allows the pictures' size."""
        check_range("bytes of picture", len(self.picture), 1, LEVEL_TABLE[sequence.level].max_picture_bytes)

    def to_payload(self) -> bytes:
        """The payload of a PICTURE unit."""
        out = FieldWriter()
        out.leb128(self.presentation_index)
        out.leb128(self.picture_count)
        out.raw(self.picture)
        return bytes(out)

    @classmethod
    def from_payload(cls, payload: bytes, sequence: Sequence | None = None) -> Picture:
        """Parse a PICTURE payload; with a sequence its level is checked too. Raises Corrupt, InvalidField."""
        read = FieldReader(payload)
        picture = cls(presentation_index=read.leb128(), picture_count=read.leb128(), picture=read.rest())
        if sequence is not None:
            picture.check(sequence)
        return picture
