"""The normative tables: published hashes, and what real numbers the integers stand for."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_syntax import SEQUENCE

from bitstream import canonical_step, dequantise, expression_step, frame_steps, pose_steps, quantise
from bitstream.errors import Corrupt
from bitstream.tables import SHA256, STEPS, load_table

FOLDER = Path(__file__).resolve().parent.parent / "spec" / "tables"


def test_every_table_file_is_listed_with_its_hash():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(SHA256)
    for name, digest in SHA256.items():
        assert hashlib.sha256((FOLDER / f"{name}.json").read_bytes()).hexdigest() == digest


def test_a_table_with_another_hash_is_refused(monkeypatch):
    monkeypatch.setitem(SHA256, "steps", "0" * 64)
    with pytest.raises(Corrupt, match="SHA-256"):
        load_table("steps")


def test_steps_are_quarter_octaves_from_2_to_the_minus_14():
    assert tuple(round(2**24 * 2 ** (q / 4 - 14)) for q in range(64)) == STEPS


def test_frame_steps_join_pose_and_expression():
    sequence = replace(SEQUENCE, pose_quantiser=20, expression_quantiser=28, canonical_quantiser=24)
    steps = frame_steps(sequence)
    assert steps.shape == (sequence.frame_values,)
    assert (steps[:7] == pose_steps(sequence)).all()
    assert (steps[7:] == expression_step(sequence)).all()
    assert expression_step(sequence) == 2.0**-7
    assert canonical_step(sequence) == 2.0**-8


def test_quantising_is_off_by_at_most_half_a_step_and_holds_the_range():
    steps = frame_steps(SEQUENCE)
    values = np.random.default_rng(5).normal(0, 0.5, (30, len(steps)))
    integers = quantise(values, steps)
    assert integers.dtype == np.int32
    assert (np.abs(dequantise(integers, steps) - values) <= steps * 0.5001).all()
    assert quantise([1e9, -1e9], 1.0).tolist() == [32767, -32768]
    with pytest.raises(ValueError, match="finite"):
        quantise([float("nan")], 1.0)
