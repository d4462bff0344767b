#!/usr/bin/env python3
"""Reference decoder of Part A of the nvc bitstream: bytes to integers, in plain Python, written from bitstream.md.

It is meant to be read beside the text and to be ported, so it is one file, longer than the project's files may be
otherwise: section numbers in brackets are those of bitstream.md. It needs nothing but the standard library and the
files of tables/ beside it, is not fast, and decodes no pictures and draws no frames: H.264 and Part B are not its.

    python reference.py FILE            one line a frame
    python reference.py FILE --trace    every syntax element and every decision of the range coder (Annex C)

Integers never need more bits than the text says; Python's own do not overflow, so a port has to choose its types.
"""

import binascii
import copy
import hashlib
import json
import math
import sys
import zlib
from pathlib import Path

# ---------------------------------------------------------------------------------------------------------------------
# Errors [10]


class BitstreamError(ValueError):
    """Whatever is wrong with a stream."""


class Truncated(BitstreamError):
    pass


class Corrupt(BitstreamError):
    pass


class Unsupported(BitstreamError):
    pass


class LimitExceeded(BitstreamError):
    pass


class ModelMismatch(BitstreamError):
    pass


def require(condition, message):
    if not condition:
        raise Corrupt(message)


def require_range(name, value, low, high):
    require(low <= value <= high, f"{name} = {value}, allowed {low} to {high}")


def require_known(name, value, known):
    if value not in known:
        raise Unsupported(f"{name} = {value}, known are {sorted(known)}")


# ---------------------------------------------------------------------------------------------------------------------
# Constants [3, 11]

SIGNATURE = bytes.fromhex("894E56430D0A1A0A")
SEQUENCE, KEYFRAME, MOTION, PICTURE, END, AUDIO, METADATA, INDEX, RESYNC = 0, 1, 2, 3, 7, 8, 9, 10, 11
KNOWN_TYPES = {SEQUENCE, KEYFRAME, MOTION, PICTURE, END, AUDIO, METADATA, INDEX, RESYNC}
FIRST_ANCILLARY = 8
SOURCE_ONLY = 2  # extension byte of a KEYFRAME that is no output frame
VERSION = 1
MAX_UNIT_BYTES = (1 << 24) - 1
MAX_MOTION_BYTES = 4095
MAX_ANCILLARY_BYTES = 1 << 22  # this decoder's own limit; another one may choose another
MAX_EXTENSION_BYTES = 1024
MAX_ENTRIES = 65536
MAX_INDEX = (1 << 28) - 1
MAX_SKIPPED_FRAMES = 1024
MAX_SOURCES_ONLY = 4
MAX_CONCEALED_FRAMES = 64
HOLD_FRAMES = 5
MAX_RESTARTS = 1024
POSE_COUNT = 7
MIN_VALUE, MAX_VALUE = -32768, 32767
RESYNC_PATTERN = bytes.fromhex("D54E5652")
AUDIO_CODEC_CHARACTERS = set(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
LEVELS = {  # level: side, frames a second, bytes of a picture
    1: (128, 30, 1 << 16),
    2: (256, 60, 1 << 18),
    3: (512, 60, 1 << 20),
    4: (1024, 120, 1 << 22),
    5: (2048, 240, MAX_UNIT_BYTES),
}


# ---------------------------------------------------------------------------------------------------------------------
# Fields of bytes and bits [4.1], each of which leaves a line in the trace [Annex C]


def show(value):
    """A value in the trace; ``-`` for nothing."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"
    if not isinstance(value, bytes):
        return "-" if value is None else str(value)
    if not value:
        return "-"
    if len(value) <= 64:
        return value.hex()
    return f"{len(value)} bytes sha256 {hashlib.sha256(value).hexdigest()[:16]}"


class Fields:
    """Reads one payload (or one unit header) from ``data``, which begins at byte ``offset`` of the stream."""

    def __init__(self, data, offset, trace):
        self.data, self.offset, self.trace = data, offset, trace
        self.bit = 0  # next one to read

    @property
    def left(self):
        return len(self.data) - self.bit // 8

    def note(self, name, start, value):
        at = 8 * self.offset + start
        self.trace.append(f"{at // 8}.{at % 8} {self.bit - start} {name} = {show(value)}")
        return value

    def u(self, name, bits):
        """u(n): n bits, the first one is the most significant."""
        start, value = self.bit, 0
        for _ in range(bits):
            require(self.bit < 8 * len(self.data), "the payload ends early")
            value = value << 1 | self.data[self.bit // 8] >> 7 - self.bit % 8 & 1
            self.bit += 1
        return self.note(name, start, value)

    def bytes(self, name, size):
        start = self.bit
        require(size <= self.left, "the payload ends early")
        self.bit += 8 * size
        return self.note(name, start, self.data[start // 8 : self.bit // 8])

    def rest(self, name):
        return self.bytes(name, self.left)

    def _leb128(self, max_bits):
        value = shift = 0
        while True:
            require(self.left > 0, "the payload ends early")
            byte = self.data[self.bit // 8]
            self.bit += 8
            value |= (byte & 127) << shift
            require(value < 1 << max_bits, f"a number of more than {max_bits} bits")
            if byte < 128:
                require(byte or not shift, "a number is not in its shortest form")
                return value
            shift += 7
            require(shift < max_bits, f"a number of more than {max_bits} bits")

    def leb128(self, name, max_bits=28):
        start = self.bit
        return self.note(name, start, self._leb128(max_bits))

    def signed(self, name, max_bits=28):
        start = self.bit
        code = self._leb128(max_bits)
        return self.note(name, start, -(code + 1) // 2 if code % 2 else code // 2)

    def block(self, name):
        return self.bytes(name, self.leb128(f"{name}_size"))


# ---------------------------------------------------------------------------------------------------------------------
# Framing [4.2, 5.2]


class Unit:
    """One unit and what its header says."""

    def __init__(self, kind, crc_flag, extension, payload, payload_at, end, trace):
        self.kind, self.crc_flag, self.extension, self.payload = kind, crc_flag, extension, payload
        self.payload_at, self.end, self.trace = payload_at, end, trace


def read_unit(data, at):
    """The unit at byte ``at``. Every check of the header comes before anything is done with the payload."""
    first = data[at]
    require(first < 128, "forbidden_zero is 1")
    kind, crc_flag, extension_flag, reserved = first >> 3 & 15, first >> 2 & 1, first >> 1 & 1, first & 1
    if kind not in KNOWN_TYPES and kind < FIRST_ANCILLARY:
        raise Unsupported(f"critical unit of unknown type {kind}")
    if kind in KNOWN_TYPES and kind != MOTION:
        require(crc_flag == (kind != END), f"crc_flag is {crc_flag} in a unit of type {kind}")
    here = at + 1 + extension_flag
    size_at, size, k = here, 0, 0
    while True:
        if here >= len(data):
            raise Truncated("the stream ends inside a unit header")
        byte = data[here]
        size |= (byte & 127) << 7 * k
        here, k = here + 1, k + 1
        if byte < 128:
            break
        require(k < 4, "unit_size takes more than 4 bytes")
    require(byte or k == 1, "unit_size is not in its shortest form")
    most = MAX_MOTION_BYTES if kind == MOTION else MAX_UNIT_BYTES if kind < FIRST_ANCILLARY else MAX_ANCILLARY_BYTES
    if size > most:
        raise LimitExceeded(f"unit of type {kind} has {size} bytes, allowed {most}")
    require(kind != END or size == 0, "END is not empty")
    crc_size = (2 if kind == MOTION else 4) if crc_flag else 0
    payload_at, crc_at, end = here, here + size, here + size + crc_size
    if end > len(data):
        raise Truncated("the stream ends inside a unit")
    payload, crc = data[payload_at:crc_at], data[crc_at:end]
    if crc_flag:
        require(crc == crc_of(kind, data[at:crc_at]), f"CRC of the unit at byte {at} does not match")

    trace = [f"{at}.0 1 forbidden_zero = 0", f"{at}.1 4 unit_type = {kind}", f"{at}.5 1 crc_flag = {crc_flag}"]
    trace += [f"{at}.6 1 extension_flag = {extension_flag}", f"{at}.7 1 reserved_zero = {reserved}"]
    if extension_flag:
        trace.append(f"{at + 1}.0 8 extension = {data[at + 1]}")
    trace.append(f"{size_at}.0 {8 * k} unit_size = {size}")
    extension = data[at + 1] if extension_flag else None
    return Unit(kind, crc_flag, extension, payload, payload_at, end, trace)


def crc_of(kind, data):
    if kind == MOTION:
        return binascii.crc_hqx(data, 0).to_bytes(2, "big")  # polynomial 0x1021, start 0, high bit first
    return zlib.crc32(data).to_bytes(4, "big")  # polynomial 0x04C11DB7, as in PNG and zlib


def signature_size(data):
    """Bytes of the file signature at the start of the data: 8, or 0 where there is none."""
    if not data or data[0] != SIGNATURE[0]:
        return 0
    require(SIGNATURE.startswith(data[:8]), "not an nvc file: the signature is damaged")
    if len(data) < 8:
        raise Truncated("the stream ends inside the signature")
    return 8


# ---------------------------------------------------------------------------------------------------------------------
# The range coder [6.1]

TOTAL = 1 << 24


class RangeEncoder:
    """Only here to say which payload is the canonical one for the symbols that were decoded."""

    def __init__(self):
        self.low, self.range, self.written, self.words = 0, (1 << 64) - 1, 0, 0

    def put(self, c, f):
        scale = self.range >> 24
        self.low += scale * c
        self.range = scale * f
        if self.low >= 1 << 64:
            self.low -= 1 << 64
            self.written += 1
        if self.range < 1 << 32:
            self.written = self.written << 32 | self.low >> 32
            self.low = self.low << 32 & (1 << 64) - 1
            self.range <<= 32
            self.words += 1

    def end(self):
        total_bits = 32 * self.words + 64
        low = (self.written << 64) + self.low
        high = low + self.range
        k = 0
        while True:
            shift = total_bits - 8 * k
            value = low + (1 << shift) - 1 >> shift  # rounded up
            if value << shift < high:
                return value.to_bytes(k, "big")
            k += 1


class RangeDecoder:
    def __init__(self, payload, trace):
        self.payload, self.trace, self.at = payload, trace, 8
        self.point = int.from_bytes(payload[:8].ljust(8, b"\0"), "big")
        self.low, self.range = 0, (1 << 64) - 1
        self.again = RangeEncoder()
        self.label = ""  # the element that the next symbols belong to, for the trace

    def quantile(self):
        q = (self.point - self.low) % (1 << 64) // (self.range >> 24)
        require(q < TOTAL, "the payload does not point into any symbol")
        return q

    def take(self, c, f):
        scale = self.range >> 24
        self.low = (self.low + scale * c) % (1 << 64)
        self.range = scale * f
        if self.range < 1 << 32:
            word = self.payload[self.at : self.at + 4].ljust(4, b"\0")
            self.at += 4
            self.low = self.low << 32 & (1 << 64) - 1
            self.point = (self.point << 32 | int.from_bytes(word, "big")) & (1 << 64) - 1
            self.range <<= 32
        self.again.put(c, f)

    def bit(self, p):
        """A bit that is 1 with probability p / 65536."""
        zero = TOTAL - (p << 8)
        value = 1 if self.quantile() >= zero else 0
        self.take(zero if value else 0, p << 8 if value else zero)
        self.trace.append(f"~ {self.label} bit {p} = {value}")
        return value

    def bypass(self, n):
        """n bits, each as likely 0 as 1; the first one is the most significant."""
        value = self.quantile() >> 24 - n
        self.take(value << 24 - n, 1 << 24 - n)
        self.trace.append(f"~ {self.label} bypass {n} = {value}")
        return value

    def end(self):
        require(self.again.end() == self.payload, "the payload is not in its canonical form")


# ---------------------------------------------------------------------------------------------------------------------
# Adaptive bits and signed integers [6.2, 6.3]


class AdaptiveBit:
    def __init__(self, p=32768):
        self.fast = self.slow = p

    def decode(self, coder):
        bit = coder.bit(min(max((self.fast + self.slow) >> 1, 64), 65472))
        if bit:
            self.fast += (65535 - self.fast) >> 4
            self.slow += (65535 - self.slow) >> 7
        else:
            self.fast -= self.fast >> 4
            self.slow -= self.slow >> 7
        return bit


class IntegerModel:
    def __init__(self):
        self.more = [AdaptiveBit() for _ in range(17)]

    def decode_magnitude(self, coder):
        bits = 0
        while bits < 17 and self.more[bits].decode(coder):
            bits += 1
        if bits == 0:
            return 0
        magnitude, left = 1, bits - 1
        while left:
            n = min(left, 16)
            magnitude = magnitude << n | coder.bypass(n)
            left -= n
        return magnitude

    def decode(self, coder):
        magnitude = self.decode_magnitude(coder)
        return -magnitude if magnitude and coder.bypass(1) else magnitude


# ---------------------------------------------------------------------------------------------------------------------
# Payloads [4.3 to 4.11, 5.3 to 5.11]: each gives a dictionary of its elements


def parse_sequence(f):
    s = {"version": f.u("version", 8)}
    require_known("version", s["version"], {VERSION})
    s["micro_version"] = f.u("micro_version", 8)
    s["profile"], s["level"] = f.u("profile", 4), f.u("level", 4)
    s["side"] = f.leb128("side")
    s["source_width"], s["source_height"] = f.leb128("source_width"), f.leb128("source_height")
    s["crop_x"], s["crop_y"] = f.signed("crop_x"), f.signed("crop_y")
    s["crop_side"] = f.leb128("crop_side")
    s["frame_rate_numerator"] = f.leb128("frame_rate_numerator")
    s["frame_rate_denominator"] = f.leb128("frame_rate_denominator")
    for name in ("colour_primaries", "transfer_characteristics", "matrix_coefficients"):
        s[name] = f.u(name, 8)
    s["picture_codec"], s["expression_transform"] = f.u("picture_codec", 4), f.u("expression_transform", 4)
    s["model_id"] = f.bytes("model_id", 16)
    s["keypoint_count"], s["expression_count"] = f.leb128("keypoint_count"), f.leb128("expression_count")
    for name in ("pose_quantiser", "expression_quantiser", "canonical_quantiser", "motion_group"):
        s[name] = f.u(name, 8)
    for name in ("full_range", "error_resilient", "synthetic"):
        s[name] = f.u(name, 1)
    s["motion_crc"] = f.u("motion_crc", 2)
    zero = f.u("flags_zero", 3)
    require_known("flags_zero", zero, {0})
    require(f.left <= MAX_EXTENSION_BYTES, "the extension of SEQUENCE is too long")
    s["extension"] = f.rest("extension")
    check_sequence(s)
    return s


def check_sequence(s):
    require_known("profile", s["profile"], {0})
    require_known("level", s["level"], set(LEVELS))
    require_known("picture_codec", s["picture_codec"], {0})
    require_known("expression_transform", s["expression_transform"], {0, 1})
    require_known("motion_crc", s["motion_crc"], {0, 1})
    max_side, max_rate, _ = LEVELS[s["level"]]
    require_range("side", s["side"], 16, max_side)
    require(s["side"] % 2 == 0, "side is odd")
    require_range("source_width", s["source_width"], 1, 65535)
    require_range("source_height", s["source_height"], 1, 65535)
    require_range("crop_x", s["crop_x"], -65535, 65535)
    require_range("crop_y", s["crop_y"], -65535, 65535)
    require_range("crop_side", s["crop_side"], 1, 131070)
    rate, per = s["frame_rate_numerator"], s["frame_rate_denominator"]
    require(rate >= 1 and per >= 1 and math.gcd(rate, per) == 1, "frame rate is not a fraction in lowest terms")
    require(rate <= max_rate * per, "frame rate is too high for the level")
    require_range("keypoint_count", s["keypoint_count"], 1, 512)
    require_range("expression_count", s["expression_count"], 1, 4096 - POSE_COUNT)
    if s["expression_transform"] == 0:
        require_range("expression_count", s["expression_count"], 3, 3 * s["keypoint_count"])
        require(s["expression_count"] % 3 == 0, "expression_count is not three a keypoint")
    for name in ("pose_quantiser", "expression_quantiser", "canonical_quantiser"):
        require_range(name, s[name], 0, 63)
    require_range("motion_group", s["motion_group"], 1, 64)


def parse_key_frame(f, s):
    k = {"presentation_index": f.leb128("presentation_index")}
    k["source_slot"], k["picture_codec"] = f.u("source_slot", 4), f.u("picture_codec", 4)
    k["coded_width"], k["coded_height"] = f.leb128("coded_width"), f.leb128("coded_height")
    values = f.block("values")
    coder = RangeDecoder(values, f.trace)
    axes = [IntegerModel(), IntegerModel(), IntegerModel()]
    coder.label = "canonical"
    k["canonical"] = [axes[i % 3].decode(coder) for i in range(3 * s["keypoint_count"])]
    head = IntegerModel()
    coder.label = "pose"
    k["pose"] = [head.decode(coder) for _ in range(POSE_COUNT)]
    coder.label = "expression"
    k["expression"] = [head.decode(coder) for _ in range(s["expression_count"])]
    coder.end()
    require_known("picture_codec", k["picture_codec"], {0})
    require_range("source_slot", k["source_slot"], 0, 3)
    for name in ("coded_width", "coded_height"):
        require_range(name, k[name], 16, s["side"])
        require(k[name] % 2 == 0, f"{name} is odd")
    for name in ("canonical", "pose", "expression"):
        for value in k[name]:
            require_range(name, value, MIN_VALUE, MAX_VALUE)
        f.trace.append(f"> {name} = {show(k[name])}")
    k["picture"] = f.rest("picture")
    require_range("bytes of picture", len(k["picture"]), 1, LEVELS[s["level"]][2])
    return k


def parse_picture(f, s):
    p = {"presentation_index": f.leb128("presentation_index"), "picture_count": f.leb128("picture_count")}
    require_range("picture_count", p["picture_count"], 1, 64)
    require(p["presentation_index"] + p["picture_count"] - 1 <= MAX_INDEX, "PICTURE goes beyond the last index")
    p["picture"] = f.rest("picture")
    require_range("bytes of picture", len(p["picture"]), 1, LEVELS[s["level"]][2])
    return p


def parse_audio(f):
    flag = f.u("header_flag", 8)
    require_known("header_flag", flag, {0, 1})
    a = {"header": None, "packets": []}
    if flag:
        a["header"] = h = {"codec": f.block("codec")}
        h["time_base_numerator"] = f.leb128("time_base_numerator", 31)
        h["time_base_denominator"] = f.leb128("time_base_denominator", 31)
        h["sample_rate"] = f.leb128("sample_rate")
        h["channels"] = f.u("channels", 8)
        h["extradata"] = f.block("extradata")
        require_range("bytes of codec", len(h["codec"]), 1, 32)
        require(set(h["codec"]) <= AUDIO_CODEC_CHARACTERS, "codec is not of a-z 0-9 _ -")
        h["codec"] = h["codec"].decode("ascii")
        for name in ("time_base_numerator", "time_base_denominator", "sample_rate", "channels"):
            require(h[name] >= 1, f"{name} is 0")
        require_range("bytes of extradata", len(h["extradata"]), 0, 1 << 20)
    expected = 0
    while f.left:
        require(len(a["packets"]) < MAX_ENTRIES, "too many packets")
        pts = expected + f.signed("pts_difference", 62)
        duration = f.leb128("duration", 31)
        require_range("pts", pts, -(1 << 59), (1 << 59) - 1)
        a["packets"].append({"pts": pts, "duration": duration, "data": f.block("data")})
        expected = pts + duration
    return a


def parse_metadata(f):
    entries = []
    while f.left:
        require(len(entries) < MAX_ENTRIES, "too many entries")
        key, value = f.block("key"), f.block("value")
        require_range("bytes of key", len(key), 1, 255)
        try:
            entries.append([key.decode("utf-8"), value.decode("utf-8")])
        except UnicodeDecodeError:
            raise Corrupt("METADATA is not UTF-8") from None
    return {"entries": entries}


def parse_index(f):
    entries, index, offset = [], 0, 0
    while f.left:
        require(len(entries) < MAX_ENTRIES, "too many entries")
        index_difference, offset_difference = f.leb128("index_difference"), f.leb128("offset_difference", 62)
        require(not entries or index_difference and offset_difference, "INDEX does not rise")
        index, offset = index + index_difference, offset + offset_difference
        require_range("presentation_index", index, 0, MAX_INDEX)
        require_range("offset", offset, 0, (1 << 62) - 1)
        entries.append([index, offset])
    return {"entries": entries}


def parse_resync(f):
    pattern = f.bytes("pattern", 4)
    require(pattern == RESYNC_PATTERN, "RESYNC does not begin with its pattern")
    r = {"presentation_index": f.leb128("presentation_index"), "key_distance": f.leb128("key_distance")}
    require(r["key_distance"] <= r["presentation_index"], "key_distance goes below 0")
    require(f.left == 0, "bytes follow the last field of RESYNC")
    return r


# ---------------------------------------------------------------------------------------------------------------------
# Mixed decisions [6.4] and motion [6.6, 7.2]


def load_table(name):
    return json.loads((Path(__file__).resolve().parent / "tables" / f"{name}.json").read_text())


MIXING, MOTION_TABLE = load_table("mixing"), load_table("motion")
STRETCH, SQUASH, RATE = MIXING["stretch"], MIXING["squash"], MIXING["rate"]
SLOTS = 134  # of one motion integer
ZERO, SIGN, MORE = 0, 1, 2  # kinds of decision
AGE_CLASS = [0, 1, 2, 3, 3, 4, 4, 4, 4, 5]  # of an age held to 9
EXPRESSION_KINDS = [7, 8, 9, 10, 11, 11, 12, 12] + [13] * 4 + [14] * 4 + [15] * 8 + [16] * 8
USUAL_HEADER = 1024  # p of the first bit of a MOTION payload


def clip(value, low, high):
    return min(max(value, low), high)


class Mixer:
    """Slots, as a list of their p and one of their n, and a pair of weights for each kind of decision."""

    def __init__(self, p, n, weights):
        self.p, self.n, self.weights = p, n, weights

    def decode(self, coder, kind, a, b):
        p, n, weights = self.p, self.n, self.weights[kind]
        s_a, s_b = STRETCH[p[a] >> 4], STRETCH[p[b] >> 4]
        x = clip(weights[0] * s_a + weights[1] * s_b >> 16, -2047, 2047)
        q = SQUASH[x + 2048]
        bit = coder.bit(q)
        e = 65536 * bit - q
        weights[0] = clip(weights[0] + (e * s_a + 8192 >> 14), 0, 131072)
        weights[1] = clip(weights[1] + (e * s_b + 8192 >> 14), 0, 131072)
        for slot in (a, b):
            p[slot] = clip(p[slot] + ((65536 * bit - p[slot]) * RATE[n[slot]] >> 16), 32, 65504)
            n[slot] = min(n[slot] + 1, 60)
        return bit


class MotionState:
    """State of motion coding since a key frame."""

    def __init__(self, expression_count, key_values):
        size = len(key_values)
        self.expression_count = expression_count
        self.last = list(key_values)
        slots = [slot for i in range(size) for slot in MOTION_TABLE["slots"][kind_of(i)]]
        weights = MOTION_TABLE["weights"]
        self.mixer = Mixer([p for p, _ in slots], [n for _, n in slots], [weights[0:2], weights[2:4], weights[4:6]])
        self.m1, self.m2 = [0] * size, [0] * size  # magnitudes of the last two residuals
        self.age = [0] * size  # frames since the last residual that was not 0
        self.last_residual = [0] * size  # that residual, 0 if there was none
        self.first = True
        self.escape = IntegerModel()
        self.other_count = AdaptiveBit(8192)
        self.last_count = expression_count

    def copy(self):
        """What is changed in place is copied; lists that are only ever replaced need not be."""
        new = copy.copy(self)
        new.mixer = Mixer(list(self.mixer.p), list(self.mixer.n), [list(pair) for pair in self.mixer.weights])
        new.age, new.last_residual = list(self.age), list(self.last_residual)
        new.escape, new.other_count = copy.deepcopy(self.escape), copy.deepcopy(self.other_count)
        return new

    def decode_count(self, coder):
        coder.label = "coefficient_count"
        if self.other_count.decode(coder):
            count = coder.bypass(self.expression_count.bit_length())
            require(count <= self.expression_count, "a frame carries more coefficients than there are")
            require(count != self.last_count, "a frame spells out the coefficient count of the one before")
            self.last_count = count
        return self.last_count

    def decode_frame(self, coder, count):
        frame, residuals, changed = list(self.last), [0] * len(self.last), 0
        for i in range(POSE_COUNT + count):
            coder.label = "pose" if i < POSE_COUNT else "expression"
            residuals[i] = self.decode_residual(coder, i, min(changed, 7))
            frame[i] += residuals[i]
            require(MIN_VALUE <= frame[i] <= MAX_VALUE, "a motion integer is out of range")
            if residuals[i]:
                changed += 1
        self.last, self.first, self.m2 = frame, False, self.m1
        self.m1 = [min(abs(r), 255) for r in residuals]
        for i, r in enumerate(residuals):
            self.age[i] = 0 if r else self.age[i] + 1
            self.last_residual[i] = r or self.last_residual[i]
        return list(frame)

    def decode_residual(self, coder, i, changed):
        base, m1, m2, last, age = SLOTS * i, self.m1[i], self.m2[i], self.last_residual[i], self.age[i]
        history = 17 if self.first else 8 + 3 * min(m1, 2) + min(m2, 2)
        if not self.mixer.decode(coder, ZERO, base + changed, base + history):
            return 0
        size = min(abs(last), 4)
        a, b = (18 + AGE_CLASS[min(age, 9)], 25 + 3 * (size - 1) + min(age, 2)) if last else (24, 37)
        other_sign = self.mixer.decode(coder, SIGN, base + a, base + b)
        negative = other_sign != (last < 0)
        a, b = base + 38 + max(size, 1) - 1, base + 70 + min((2 * m1 + m2 + 1) // 3, 7)
        j = 1
        while j <= 8 and self.mixer.decode(coder, MORE, a + 4 * (j - 1), b + 8 * (j - 1)):
            j += 1
        if j == 9:
            j += self.escape.decode_magnitude(coder)
        return -j if negative else j


def kind_of(i):
    """Which of the 18 initial sets of slots the motion integer i begins with."""
    if i < POSE_COUNT:
        return i
    return EXPRESSION_KINDS[i - POSE_COUNT] if i - POSE_COUNT < len(EXPRESSION_KINDS) else 17


def decode_motion_header(coder, s):
    """frame_count, truncation (0 none, 1 unit, 2 frame), sources or None, count or None [5.5]."""
    coder.label = "special"
    if not coder.bit(USUAL_HEADER):
        return {"frame_count": s["motion_group"], "sources": None, "truncation": 0, "count": None}
    coder.label = "frame_count_minus_1"
    frame_count = coder.bypass(6) + 1
    coder.label = "truncation"
    truncation = coder.bypass(2)
    require_known("truncation", truncation, {0, 1, 2})
    sources = count = None
    coder.label = "sources_flag"
    if coder.bypass(1):
        coder.label = "source_mask"
        mask = coder.bypass(4)
        require(mask, "no source")
        sources = [slot for slot in range(4) if mask >> slot & 1]
    if truncation == 1:
        coder.label = "count"
        count = coder.bypass(s["expression_count"].bit_length())
        require(count < s["expression_count"], "count is not less than all")
    usual = frame_count == s["motion_group"] and truncation == 0 and sources is None
    require(not usual, "the header spells out the defaults")
    return {"frame_count": frame_count, "sources": sources, "truncation": truncation, "count": count}


# ---------------------------------------------------------------------------------------------------------------------
# The order of units [7.1, 7.3]


class Decoder:
    """Units in, frames (presentation_index, kind, sources, values) out. Keeps what a unit must know of the others."""

    def __init__(self, model_id=None, max_pixels=1 << 22):
        self.model_id, self.max_pixels = model_id, max_pixels
        self.sequence = self.key = None
        self.slots = {}
        self.state = None  # of motion
        self.sources = []  # of the last MOTION unit, or the slot of the last key frame
        self.next_index, self.last, self.run = 0, None, 0
        self.drawable = False  # whether the last frame is one of the SEQUENCE in force
        self.left_out = self.sources_only = 0  # indices, KEYFRAMEs: since the last output frame or damage
        self.audio = self.motion_lost = self.picture_lost = False

    def decode(self, unit):
        """Returns (fields, frames); the trace of the unit grows."""
        kind = unit.kind
        f = Fields(unit.payload, unit.payload_at, unit.trace)
        if kind not in KNOWN_TYPES:
            return {"payload": f.rest("payload")}, []
        if kind == MOTION and self.motion_lost:
            return {}, []
        if kind in (KEYFRAME, MOTION, PICTURE):
            require(self.sequence is not None, "KEYFRAME, MOTION or PICTURE before any SEQUENCE")
        frames = []
        if kind == SEQUENCE:
            fields = parse_sequence(f)
            self.start_sequence(fields)
        elif kind == KEYFRAME:
            fields = parse_key_frame(f, self.sequence)
            frames = self.key_frame(fields, source_only=unit.extension == SOURCE_ONLY)
        elif kind == MOTION:
            fields, frames = self.motion(unit, f)
        elif kind == PICTURE:
            fields = parse_picture(f, self.sequence)
            frames = self.picture(fields)
        elif kind == AUDIO:
            fields = parse_audio(f)
            require(fields["header"] or self.audio, "AUDIO without a header before the first one")
            self.audio = True
        elif kind == METADATA:
            fields = parse_metadata(f)
        elif kind == INDEX:
            fields = parse_index(f)
        elif kind == RESYNC:
            fields = parse_resync(f)
            frames = self.resync(fields)
        else:
            fields = {}  # END
        for frame in frames:
            if frame[1] == "CONCEALED":
                self.run += 1
            else:
                self.run = self.left_out = self.sources_only = 0
            self.last, self.drawable = frame, self.key is not None
            self.next_index = max(self.next_index, frame[0] + 1)
        return fields, frames

    def damage(self):
        self.motion_lost = self.picture_lost = True
        self.left_out = self.sources_only = 0

    def start_sequence(self, s):
        if s == self.sequence:
            return
        if self.model_id is not None and s["model_id"] != self.model_id:
            raise ModelMismatch("the stream needs another model")
        if s["side"] ** 2 > self.max_pixels:
            raise LimitExceeded("the picture is larger than this decoder takes")
        self.sequence, self.key, self.slots, self.state = s, None, {}, None
        self.drawable, self.sources_only = False, 0

    def key_frame(self, k, source_only):
        require(not source_only or self.sources_only < MAX_SOURCES_ONLY, "too many sources only without a frame")
        gap = self.skip_to(k["presentation_index"])
        if self.motion_lost:
            self.slots = {}
        self.slots[k["source_slot"]] = self.key = k
        self.state = MotionState(self.sequence["expression_count"], k["pose"] + k["expression"])
        self.sources = [k["source_slot"]]
        self.motion_lost = self.picture_lost = False
        self.next_index = k["presentation_index"]
        if source_only:
            self.sources_only += 1
            return gap
        return [*gap, (k["presentation_index"], "KEYFRAME", self.sources, k["pose"] + k["expression"])]

    def motion(self, unit, f):
        s = self.sequence
        require(unit.crc_flag == s["motion_crc"], "crc_flag is not as motion_crc says")
        coder = RangeDecoder(f.rest("coded"), f.trace)
        h = decode_motion_header(coder, s)
        require(self.key is not None, "MOTION before any KEYFRAME")
        require(self.next_index + h["frame_count"] - 1 <= MAX_INDEX, "MOTION goes beyond the last presentation index")
        state, usual_sources = self.state.copy(), self.sources
        if s["error_resilient"]:
            state = MotionState(s["expression_count"], self.key["pose"] + self.key["expression"])
            usual_sources = [self.key["source_slot"]]
        require(h["sources"] != usual_sources, "MOTION names the sources that it would have anyway")
        sources = h["sources"] or usual_sources
        require(set(sources) <= set(self.slots), "MOTION refers to a slot that holds no key picture")
        frames, counts = [], []
        for t in range(h["frame_count"]):
            count = s["expression_count"] if h["count"] is None else h["count"]
            if h["truncation"] == 2:
                count = state.decode_count(coder)
            counts.append(count)
            frames.append((self.next_index + t, "MOTION", sources, state.decode_frame(coder, count)))
        coder.end()
        if h["truncation"] == 2:
            require(len(set(counts)) > 1, "MOTION states its counts in another way than the shortest")
        self.state, self.sources = state, sources
        for name, value in h.items():
            f.trace.append(f"> {name} = {show(value)}")
        if h["truncation"] == 2:
            f.trace.append(f"> counts = {show(counts)}")
        return h, frames

    def picture(self, p):
        end = p["presentation_index"] + p["picture_count"]
        if self.picture_lost:
            gap = self.skip_to(end)
            self.next_index = end
            return gap
        require(self.key is not None, "PICTURE before any KEYFRAME")
        gap = self.skip_to(p["presentation_index"])
        return [*gap, *((index, "PICTURE", [], []) for index in range(p["presentation_index"], end))]

    def resync(self, r):
        index = r["presentation_index"]
        same_key = self.key is not None and self.key["presentation_index"] == index - r["key_distance"]
        gap = []
        if self.motion_lost:
            gap = self.skip_to(index)
            self.motion_lost = not (same_key and self.sequence["error_resilient"])
        else:
            require(self.last is None or index == self.next_index, "RESYNC does not say the next presentation index")
            require(same_key or r["key_distance"] == 0, "RESYNC needs another key frame than the last one")
        self.next_index = index
        return gap

    def skip_to(self, index):
        """Frames concealed before ``index``; none in a stream that is whole, where they are no frames."""
        require(index >= self.next_index, f"presentation index {index} comes after {self.next_index - 1}")
        if self.last is None:
            return []
        skipped = index - self.next_index
        if not self.motion_lost and not self.picture_lost:
            require(self.left_out + skipped <= MAX_SKIPPED_FRAMES, "too many frames are left out")
            self.left_out += skipped
            return []
        _, _, sources, values = self.last
        if not self.drawable or not set(sources) <= set(self.slots):
            sources, values = [], []
        frames = []
        for k in range(min(skipped, MAX_CONCEALED_FRAMES)):
            if values:
                values = conceal(values, self.key["pose"] + self.key["expression"], self.run + k + 1)
            frames.append((self.next_index + k, "CONCEALED", sources, values))
        return frames


def conceal(last, key, run):
    if run <= HOLD_FRAMES:
        return last
    return [v - (v - k + 7 >> 3) if v > k else v + (k - v + 7 >> 3) for v, k in zip(last, key, strict=True)]


# ---------------------------------------------------------------------------------------------------------------------
# Whole streams [7.1, 10.2]


def decode_stream(data, model_id=None, max_pixels=1 << 22):
    """Every unit in order: yields (unit, fields, frames). A file must have its END unit, units alone need none."""
    at = start = signature_size(data)
    decoder, ended = Decoder(model_id, max_pixels), False
    while at < len(data):
        require(not ended, "bytes follow the END unit")
        unit = read_unit(data, at)
        fields, frames = decoder.decode(unit)
        if unit.crc_flag:
            crc_at = unit.payload_at + len(unit.payload)
            unit.trace.append(f"{crc_at}.0 {8 * (unit.end - crc_at)} crc = {data[crc_at : unit.end].hex()}")
        for index, kind, sources, values in frames:
            unit.trace.append(f"> frame {index} {kind} sources {show(sources)} values {show(values)}")
        yield unit, fields, frames
        at, ended = unit.end, unit.kind == END
    if start and not ended:
        raise Truncated("the file has no END unit")


def trace_stream(data, model_id=None, max_pixels=1 << 22):
    """The trace [Annex C]: a list of lines; the last one names the error, if there is one."""
    lines = []
    try:
        if signature_size(data):
            lines.append(f"0.0 64 signature = {data[:8].hex()}")
        for unit, _, _ in decode_stream(data, model_id, max_pixels):
            lines += unit.trace
    except BitstreamError as error:
        lines.append(f"! {type(error).__name__}")
    return lines


def decode_damaged(data, model_id=None):
    """Frames of a file that may be damaged anywhere [10.2]."""
    decoder, frames, restarts = Decoder(model_id), [], 0
    try:
        at = signature_size(data)
    except BitstreamError:
        at, restarts = find_resync(data, 1), 1
        decoder.damage()
    while at is not None and at < len(data):
        try:
            unit = read_unit(data, at)
        except BitstreamError:
            decoder.damage()
            restarts += 1
            at = find_resync(data, at + 1) if restarts <= MAX_RESTARTS else None
            continue
        try:
            frames += decoder.decode(unit)[1]
        except Corrupt:
            decoder.damage()
        if unit.kind == END:
            break
        at = unit.end
    return frames


def find_resync(data, at):
    """The next whole RESYNC unit, with a CRC that holds and no extension byte; None if there is none."""
    while (at := data.find(bytes([RESYNC << 3 | 4]), at)) >= 0:
        try:
            if len(read_unit(data, at).payload) <= 12:
                return at
        except BitstreamError:
            pass
        at += 1
    return None


def main(arguments):
    data = Path(arguments[0]).read_bytes()
    if "--trace" in arguments:
        print("\n".join(trace_stream(data)))
        return
    for _, _, frames in decode_stream(data):
        for index, kind, sources, values in frames:
            print(index, kind, *sources, "|", *values)


if __name__ == "__main__":
    main(sys.argv[1:])
