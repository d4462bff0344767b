# ruff: noqa
# fmt: off
# Made from spec/nvc.ksy by tests/kaitai/compile.js (kaitai-struct-compiler 0.11.0).
# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild
# type: ignore

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO
from enum import IntEnum


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 11):
    raise Exception("Incompatible Kaitai Struct Python API: 0.11 or later is required, but you have %s" % (kaitaistruct.__version__))

class Nvc(KaitaiStruct):
    """Machine-readable companion of bitstream.md: everything that stands in whole bits. Range coder runs (the values of
    KEYFRAME, the coded payload of MOTION) and coded pictures stay bytes. The names are those of the text.
    It parses files; for a live stream, parse units one by one. It checks no CRC and no order of units.
    """

    class ExpressionTransform(IntEnum):
        keypoints = 0
        basis = 1

    class PictureCodec(IntEnum):
        h264 = 0

    class UnitType(IntEnum):
        sequence = 0
        keyframe = 1
        motion = 2
        picture = 3
        reserved_enhancement = 4
        reserved_5 = 5
        reserved_6 = 6
        end = 7
        audio = 8
        metadata = 9
        index = 10
        resync = 11
        reserved_12 = 12
        reserved_13 = 13
        reserved_14 = 14
        reserved_15 = 15
    def __init__(self, _io, _parent=None, _root=None):
        super(Nvc, self).__init__(_io)
        self._parent = _parent
        self._root = _root or self
        self._read()

    def _read(self):
        self.signature = self._io.read_bytes(8)
        if not self.signature == b"\x89\x4E\x56\x43\x0D\x0A\x1A\x0A":
            raise kaitaistruct.ValidationNotEqualError(b"\x89\x4E\x56\x43\x0D\x0A\x1A\x0A", self.signature, self._io, u"/seq/0")
        self.units = []
        i = 0
        while True:
            _ = Nvc.Unit(self._io, self, self._root)
            self.units.append(_)
            if  ((self._io.is_eof()) or (_.unit_type == Nvc.UnitType.end)) :
                break
            i += 1


    def _fetch_instances(self):
        pass
        for i in range(len(self.units)):
            pass
            self.units[i]._fetch_instances()


    class Audio(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Audio, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.header_flag = self._io.read_u1()
            if self.header_flag == 1:
                pass
                self.header = Nvc.AudioHeader(self._io, self, self._root)

            self.packets = []
            i = 0
            while not self._io.is_eof():
                self.packets.append(Nvc.AudioPacket(self._io, self, self._root))
                i += 1



        def _fetch_instances(self):
            pass
            if self.header_flag == 1:
                pass
                self.header._fetch_instances()

            for i in range(len(self.packets)):
                pass
                self.packets[i]._fetch_instances()



    class AudioHeader(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.AudioHeader, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.codec = Nvc.Block(self._io, self, self._root)
            self.time_base_numerator = Nvc.Leb128(self._io, self, self._root)
            self.time_base_denominator = Nvc.Leb128(self._io, self, self._root)
            self.sample_rate = Nvc.Leb128(self._io, self, self._root)
            self.channels = self._io.read_u1()
            self.extradata = Nvc.Block(self._io, self, self._root)


        def _fetch_instances(self):
            pass
            self.codec._fetch_instances()
            self.time_base_numerator._fetch_instances()
            self.time_base_denominator._fetch_instances()
            self.sample_rate._fetch_instances()
            self.extradata._fetch_instances()


    class AudioPacket(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.AudioPacket, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.pts_difference = Nvc.Signed(self._io, self, self._root)
            self.duration = Nvc.Leb128(self._io, self, self._root)
            self.data = Nvc.Block(self._io, self, self._root)


        def _fetch_instances(self):
            pass
            self.pts_difference._fetch_instances()
            self.duration._fetch_instances()
            self.data._fetch_instances()


    class Block(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Block, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.len = Nvc.Leb128(self._io, self, self._root)
            self.data = self._io.read_bytes(self.len.value)


        def _fetch_instances(self):
            pass
            self.len._fetch_instances()


    class End(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.End, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            pass


        def _fetch_instances(self):
            pass


    class Index(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Index, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.entries = []
            i = 0
            while not self._io.is_eof():
                self.entries.append(Nvc.IndexEntry(self._io, self, self._root))
                i += 1



        def _fetch_instances(self):
            pass
            for i in range(len(self.entries)):
                pass
                self.entries[i]._fetch_instances()



    class IndexEntry(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.IndexEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.index_difference = Nvc.Leb128(self._io, self, self._root)
            self.offset_difference = Nvc.Leb128(self._io, self, self._root)


        def _fetch_instances(self):
            pass
            self.index_difference._fetch_instances()
            self.offset_difference._fetch_instances()


    class KeyFrame(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.KeyFrame, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.presentation_index = Nvc.Leb128(self._io, self, self._root)
            self.source_slot = self._io.read_bits_int_be(4)
            self.picture_codec = KaitaiStream.resolve_enum(Nvc.PictureCodec, self._io.read_bits_int_be(4))
            self.coded_width = Nvc.Leb128(self._io, self, self._root)
            self.coded_height = Nvc.Leb128(self._io, self, self._root)
            self.values_size = Nvc.Leb128(self._io, self, self._root)
            self.values = self._io.read_bytes(self.values_size.value)
            self.picture = self._io.read_bytes_full()


        def _fetch_instances(self):
            pass
            self.presentation_index._fetch_instances()
            self.coded_width._fetch_instances()
            self.coded_height._fetch_instances()
            self.values_size._fetch_instances()


    class Leb128(KaitaiStruct):
        """Seven bits a byte, least significant first. The shortest form is required and not checked here."""
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Leb128, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.groups = []
            i = 0
            while True:
                _ = Nvc.Leb128Group(self._io, self, self._root)
                self.groups.append(_)
                if (not (_.more)):
                    break
                i += 1


        def _fetch_instances(self):
            pass
            for i in range(len(self.groups)):
                pass
                self.groups[i]._fetch_instances()


        @property
        def value(self):
            if hasattr(self, '_m_value'):
                return self._m_value

            self._m_value = (((((((self.groups[0].bits + (self.groups[1].bits << 7 if len(self.groups) > 1 else 0)) + (self.groups[2].bits << 14 if len(self.groups) > 2 else 0)) + (self.groups[3].bits << 21 if len(self.groups) > 3 else 0)) + (self.groups[4].bits << 28 if len(self.groups) > 4 else 0)) + (self.groups[5].bits << 35 if len(self.groups) > 5 else 0)) + (self.groups[6].bits << 42 if len(self.groups) > 6 else 0)) + (self.groups[7].bits << 49 if len(self.groups) > 7 else 0)) + (self.groups[8].bits << 56 if len(self.groups) > 8 else 0)
            return getattr(self, '_m_value', None)


    class Leb128Group(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Leb128Group, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.more = self._io.read_bits_int_be(1) != 0
            self.bits = self._io.read_bits_int_be(7)


        def _fetch_instances(self):
            pass


    class Metadata(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Metadata, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.entries = []
            i = 0
            while not self._io.is_eof():
                self.entries.append(Nvc.MetadataEntry(self._io, self, self._root))
                i += 1



        def _fetch_instances(self):
            pass
            for i in range(len(self.entries)):
                pass
                self.entries[i]._fetch_instances()



    class MetadataEntry(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.MetadataEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.key = Nvc.Block(self._io, self, self._root)
            self.value = Nvc.Block(self._io, self, self._root)


        def _fetch_instances(self):
            pass
            self.key._fetch_instances()
            self.value._fetch_instances()


    class Motion(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Motion, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.coded = self._io.read_bytes_full()


        def _fetch_instances(self):
            pass


    class Picture(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Picture, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.presentation_index = Nvc.Leb128(self._io, self, self._root)
            self.picture_count = Nvc.Leb128(self._io, self, self._root)
            self.picture = self._io.read_bytes_full()


        def _fetch_instances(self):
            pass
            self.presentation_index._fetch_instances()
            self.picture_count._fetch_instances()


    class Resync(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Resync, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.pattern = self._io.read_bytes(4)
            if not self.pattern == b"\xD5\x4E\x56\x52":
                raise kaitaistruct.ValidationNotEqualError(b"\xD5\x4E\x56\x52", self.pattern, self._io, u"/types/resync/seq/0")
            self.presentation_index = Nvc.Leb128(self._io, self, self._root)
            self.key_distance = Nvc.Leb128(self._io, self, self._root)


        def _fetch_instances(self):
            pass
            self.presentation_index._fetch_instances()
            self.key_distance._fetch_instances()


    class Sequence(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Sequence, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.version = self._io.read_u1()
            if not self.version == 1:
                raise kaitaistruct.ValidationNotEqualError(1, self.version, self._io, u"/types/sequence/seq/0")
            self.micro_version = self._io.read_u1()
            self.profile = self._io.read_bits_int_be(4)
            self.level = self._io.read_bits_int_be(4)
            self.side = Nvc.Leb128(self._io, self, self._root)
            self.source_width = Nvc.Leb128(self._io, self, self._root)
            self.source_height = Nvc.Leb128(self._io, self, self._root)
            self.crop_x = Nvc.Signed(self._io, self, self._root)
            self.crop_y = Nvc.Signed(self._io, self, self._root)
            self.crop_side = Nvc.Leb128(self._io, self, self._root)
            self.frame_rate_numerator = Nvc.Leb128(self._io, self, self._root)
            self.frame_rate_denominator = Nvc.Leb128(self._io, self, self._root)
            self.colour_primaries = self._io.read_u1()
            self.transfer_characteristics = self._io.read_u1()
            self.matrix_coefficients = self._io.read_u1()
            self.picture_codec = KaitaiStream.resolve_enum(Nvc.PictureCodec, self._io.read_bits_int_be(4))
            self.expression_transform = KaitaiStream.resolve_enum(Nvc.ExpressionTransform, self._io.read_bits_int_be(4))
            self.model_id = self._io.read_bytes(16)
            self.keypoint_count = Nvc.Leb128(self._io, self, self._root)
            self.expression_count = Nvc.Leb128(self._io, self, self._root)
            self.pose_quantiser = self._io.read_u1()
            self.expression_quantiser = self._io.read_u1()
            self.canonical_quantiser = self._io.read_u1()
            self.motion_group = self._io.read_u1()
            self.full_range = self._io.read_bits_int_be(1) != 0
            self.error_resilient = self._io.read_bits_int_be(1) != 0
            self.synthetic = self._io.read_bits_int_be(1) != 0
            self.motion_crc = self._io.read_bits_int_be(2)
            self.flags_zero = self._io.read_bits_int_be(3)
            self.extension = self._io.read_bytes_full()


        def _fetch_instances(self):
            pass
            self.side._fetch_instances()
            self.source_width._fetch_instances()
            self.source_height._fetch_instances()
            self.crop_x._fetch_instances()
            self.crop_y._fetch_instances()
            self.crop_side._fetch_instances()
            self.frame_rate_numerator._fetch_instances()
            self.frame_rate_denominator._fetch_instances()
            self.keypoint_count._fetch_instances()
            self.expression_count._fetch_instances()


    class Signed(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Signed, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.code = Nvc.Leb128(self._io, self, self._root)


        def _fetch_instances(self):
            pass
            self.code._fetch_instances()

        @property
        def value(self):
            if hasattr(self, '_m_value'):
                return self._m_value

            self._m_value = (self.code.value // 2 if self.code.value % 2 == 0 else 0 - (self.code.value + 1) // 2)
            return getattr(self, '_m_value', None)


    class Unit(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Nvc.Unit, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.forbidden_zero = self._io.read_bits_int_be(1) != 0
            if not self.forbidden_zero == False:
                raise kaitaistruct.ValidationNotEqualError(False, self.forbidden_zero, self._io, u"/types/unit/seq/0")
            self.unit_type = KaitaiStream.resolve_enum(Nvc.UnitType, self._io.read_bits_int_be(4))
            self.crc_flag = self._io.read_bits_int_be(1) != 0
            self.extension_flag = self._io.read_bits_int_be(1) != 0
            self.reserved_zero = self._io.read_bits_int_be(1) != 0
            if self.extension_flag:
                pass
                self.extension = self._io.read_u1()

            self.unit_size = Nvc.Leb128(self._io, self, self._root)
            _on = self.unit_type
            if _on == Nvc.UnitType.audio:
                pass
                self._raw_payload = self._io.read_bytes(self.unit_size.value)
                _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
                self.payload = Nvc.Audio(_io__raw_payload, self, self._root)
            elif _on == Nvc.UnitType.end:
                pass
                self._raw_payload = self._io.read_bytes(self.unit_size.value)
                _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
                self.payload = Nvc.End(_io__raw_payload, self, self._root)
            elif _on == Nvc.UnitType.index:
                pass
                self._raw_payload = self._io.read_bytes(self.unit_size.value)
                _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
                self.payload = Nvc.Index(_io__raw_payload, self, self._root)
            elif _on == Nvc.UnitType.keyframe:
                pass
                self._raw_payload = self._io.read_bytes(self.unit_size.value)
                _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
                self.payload = Nvc.KeyFrame(_io__raw_payload, self, self._root)
            elif _on == Nvc.UnitType.metadata:
                pass
                self._raw_payload = self._io.read_bytes(self.unit_size.value)
                _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
                self.payload = Nvc.Metadata(_io__raw_payload, self, self._root)
            elif _on == Nvc.UnitType.motion:
                pass
                self._raw_payload = self._io.read_bytes(self.unit_size.value)
                _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
                self.payload = Nvc.Motion(_io__raw_payload, self, self._root)
            elif _on == Nvc.UnitType.picture:
                pass
                self._raw_payload = self._io.read_bytes(self.unit_size.value)
                _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
                self.payload = Nvc.Picture(_io__raw_payload, self, self._root)
            elif _on == Nvc.UnitType.resync:
                pass
                self._raw_payload = self._io.read_bytes(self.unit_size.value)
                _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
                self.payload = Nvc.Resync(_io__raw_payload, self, self._root)
            elif _on == Nvc.UnitType.sequence:
                pass
                self._raw_payload = self._io.read_bytes(self.unit_size.value)
                _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
                self.payload = Nvc.Sequence(_io__raw_payload, self, self._root)
            else:
                pass
                self.payload = self._io.read_bytes(self.unit_size.value)
            if self.crc_flag:
                pass
                self.crc = self._io.read_bytes((2 if self.unit_type == Nvc.UnitType.motion else 4))



        def _fetch_instances(self):
            pass
            if self.extension_flag:
                pass

            self.unit_size._fetch_instances()
            _on = self.unit_type
            if _on == Nvc.UnitType.audio:
                pass
                self.payload._fetch_instances()
            elif _on == Nvc.UnitType.end:
                pass
                self.payload._fetch_instances()
            elif _on == Nvc.UnitType.index:
                pass
                self.payload._fetch_instances()
            elif _on == Nvc.UnitType.keyframe:
                pass
                self.payload._fetch_instances()
            elif _on == Nvc.UnitType.metadata:
                pass
                self.payload._fetch_instances()
            elif _on == Nvc.UnitType.motion:
                pass
                self.payload._fetch_instances()
            elif _on == Nvc.UnitType.picture:
                pass
                self.payload._fetch_instances()
            elif _on == Nvc.UnitType.resync:
                pass
                self.payload._fetch_instances()
            elif _on == Nvc.UnitType.sequence:
                pass
                self.payload._fetch_instances()
            else:
                pass
            if self.crc_flag:
                pass
