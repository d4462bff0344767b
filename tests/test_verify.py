"""nvc-verify: says what is wrong, with an exit status, and needs no torch."""

import io
import subprocess
import sys
from dataclasses import replace

import pytest
from test_motion import SEQUENCE, key
from test_stream_errors import FILE

from bitstream import SIGNATURE, End, Index, make_unit
from bitstream.registry import known_models
from nvc.cli.verify import main, verify

TINY = next(model_id for model_id, name in known_models().items() if name == "tiny-64")


def file_of(*payloads):
    return SIGNATURE + b"".join(make_unit(payload, SEQUENCE).to_bytes() for payload in payloads)


def test_a_whole_file_is_ok_and_its_model_is_named():
    sequence = replace(SEQUENCE, model_id=bytes.fromhex(TINY))
    data = file_of(sequence, key(), End())
    assert verify(data) == (0, [f"ok: {len(data)} bytes, 3 units, 1 frames", f"model {TINY}: tiny-64"])
    assert verify(file_of(SEQUENCE, End()))[1][1].endswith("not one of the published models")
    assert verify(data, model_id=bytes.fromhex(TINY))[0] == 0
    status, lines = verify(data, model_id=bytes(16))
    assert (status, lines[0][:32]) == (4, "ModelMismatch in the unit at byt")


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 3, "Truncated"),
        (FILE[:-1], 3, "Truncated"),
        (FILE[:100], 3, "Truncated"),
        (FILE[:-2], 3, "END"),
        (FILE[:40] + b"\xff" + FILE[41:], 3, "Corrupt in the unit at byte 28"),
        (b"RIFF" + FILE, 3, "Corrupt"),
        (FILE + b"x", 3, "Corrupt"),
        (bytes([4 << 3, 0]), 4, "Unsupported"),
    ],
)
def test_what_is_wrong_is_said(data, status, words):
    found, lines = verify(data)
    assert found == status
    assert words in lines[0]


@pytest.mark.parametrize("entry", [(0, 9), (1, 8), (0, 0)])
def test_an_index_that_points_elsewhere_is_corrupt(entry):
    whole = [SEQUENCE, key(), Index((entry,)), End()]
    assert verify(file_of(*whole))[0] == 3
    assert verify(file_of(*whole[:2], Index(((0, 8),)), End()))[0] == 0
    offset = 8 + len(make_unit(SEQUENCE).to_bytes())
    assert verify(file_of(*whole[:2], Index(((0, offset),)), End()))[0] == 0


def test_the_command_reports_the_worst_of_its_files(tmp_path, capsys, monkeypatch):
    good, bad = tmp_path / "good.nvc", tmp_path / "bad.nvc"
    good.write_bytes(file_of(SEQUENCE, key(), End()))
    bad.write_bytes(FILE[:50])
    assert main([str(good)]) == 0
    assert "ok" in capsys.readouterr().out
    assert main([str(good), "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert main([str(bad), str(good), "-q"]) == 3
    assert "Truncated" in capsys.readouterr().err
    assert main([str(tmp_path / "none.nvc"), str(good)]) == 1
    assert main([str(good), "--model", "tiny-64"]) == 4
    assert main([str(good), "--model", "00" * 16]) == 0
    with pytest.raises(SystemExit) as usage:
        main([str(good), "--model", "nobody"])
    assert usage.value.code == 2
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(good.read_bytes())))
    assert main(["-"]) == 0


def test_neither_the_package_nor_the_command_imports_torch_or_av():
    for module in ("bitstream", "bitstream.trace", "bitstream.stream", "nvc.cli.verify"):
        code = f"import {module}, sys; sys.exit(any(name in sys.modules for name in ('torch', 'av')))"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, module
