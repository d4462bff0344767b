"""spec/nvc.ksy, compiled, reads the same elements out of the vectors as the codec does."""

import importlib.util
import os
import shutil
import subprocess
from enum import IntEnum
from pathlib import Path

import kaitaistruct
import pytest
from vector_writer import FOLDER

from bitstream import SIGNATURE
from bitstream.elements import Element
from bitstream.trace import trace_stream

HERE = Path(__file__).resolve().parent / "kaitai"
FILES = [
    path
    for folder in ("valid", "limits", "extension")
    for path in sorted(FOLDER.glob(f"{folder}/*.nvc"))
    if path.read_bytes().startswith(SIGNATURE)
]
UNIT = ["forbidden_zero", "unit_type", "crc_flag", "extension_flag", "reserved_zero", "extension", "unit_size"]
HEADER = ["codec", "time_base_numerator", "time_base_denominator", "sample_rate", "channels", "extradata"]


def parser():
    spec = importlib.util.spec_from_file_location("nvc_kaitai", HERE / "nvc_kaitai.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Nvc


NVC = parser()


def plain(name, value):
    """(name, value) pairs of one attribute of a parsed object, blocks as their size and their bytes."""
    if isinstance(value, NVC.Block):
        return [(f"{name}_size", value.len.value), (name, value.data)]
    if isinstance(value, NVC.Leb128 | NVC.Signed):
        value = value.value
    return [(name, int(value) if isinstance(value, bool | IntEnum) else value)]


def pairs(thing, names):
    return [pair for name in names for pair in plain(name, getattr(thing, name))]


def payload_pairs(payload, names):
    """The elements of a payload; ``names``: those of the codec, in order."""
    if isinstance(payload, bytes):
        return [("payload", payload)]
    if isinstance(payload, NVC.Audio):
        packets = [pair for p in payload.packets for pair in pairs(p, ["pts_difference", "duration", "data"])]
        return (
            pairs(payload, ["header_flag"]) + (pairs(payload.header, HEADER) if payload.header_flag else []) + packets
        )
    if isinstance(payload, NVC.Metadata):
        return [pair for entry in payload.entries for pair in pairs(entry, ["key", "value"])]
    if isinstance(payload, NVC.Index):
        return [pair for entry in payload.entries for pair in pairs(entry, ["index_difference", "offset_difference"])]
    return pairs(payload, names)


def unit_pairs(unit, names):
    head = pairs(unit, [name for name in UNIT if name != "extension" or unit.extension_flag])
    inner = names[len(head) : -1] if unit.crc_flag else names[len(head) :]
    return head + payload_pairs(unit.payload, inner) + ([("crc", unit.crc)] if unit.crc_flag else [])


def test_there_are_vectors():
    assert len(FILES) > 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_element_is_the_same(path):
    data = path.read_bytes()
    trace, parsed = trace_stream(data), NVC.from_bytes(data)
    assert trace.error is None
    assert len(parsed.units) == len(trace.units)
    for unit, found in zip(trace.units, parsed.units, strict=True):
        wanted = [(e.name, e.value) for e in unit.elements if isinstance(e, Element)]
        assert unit_pairs(found, [name for name, _ in wanted]) == wanted


@pytest.mark.parametrize("name", ["signature-after-text-mode", "forbidden-zero", "version-2", "cut-in-payload"])
def test_what_breaks_the_framing_is_refused(name):
    path = next(FOLDER.glob(f"faulty/*-{name}.nvc"))
    with pytest.raises((kaitaistruct.KaitaiStructError, EOFError)):
        NVC.from_bytes(path.read_bytes())


def test_the_committed_parser_is_what_the_compiler_makes():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    probe = subprocess.run(
        [node, "-e", "require('kaitai-struct-compiler'); require('js-yaml')"], env=os.environ, cwd=HERE
    )
    if probe.returncode:
        pytest.skip("kaitai-struct-compiler is not installed")
    made = subprocess.run([node, HERE / "compile.js"], capture_output=True, text=True, check=True)
    assert made.stdout == (HERE / "nvc_kaitai.py").read_text()
