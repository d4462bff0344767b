"""The committed record of what was tried to break the parsers is whole, and nothing was found."""

import json
import sys
from pathlib import Path

import pytest
import robustness
from mutations import summary

RECORD = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "robustness.json"


def test_the_record_has_every_part_and_no_finding():
    record = json.loads(RECORD.read_text())
    assert set(record) == set(robustness.PARTS)
    mutations = record["mutations"]
    assert mutations["findings"] == [] and mutations["mutations"] > 300_000
    assert mutations["complete_vectors"] > 0.7 * mutations["vectors"] > 150
    assert {"ok", "Corrupt", "Truncated", "Unsupported", "LimitExceeded"} <= set(mutations["outcomes"])
    for target in robustness.SOURCES:
        found = record[f"fuzzing {target}"]
        assert found["findings"] == {} and found["seconds"] >= 600 and found["executions"] > 500
    assert record["coverage"]["missing_lines"] == record["coverage"]["missing_branches"] == []


def test_parts_that_are_recorded_are_not_done_again(tmp_path, monkeypatch):
    output, done = tmp_path / "record.json", []
    output.write_text(json.dumps({part: {} for part in robustness.PARTS if part != "fuzzing units"}))
    monkeypatch.setattr(robustness, "run_part", lambda part, path, options: done.append(part))
    monkeypatch.setattr(sys, "argv", ["robustness.py", "-o", str(output)])
    robustness.main()
    monkeypatch.setattr(sys, "argv", ["robustness.py", "-o", str(output), "mutations", "coverage"])
    robustness.main()
    assert done == ["fuzzing units", "mutations", "coverage"]
    monkeypatch.setattr(sys, "argv", ["robustness.py", "-o", str(output), "everything"])
    with pytest.raises(SystemExit):
        robustness.main()


def test_a_summary_adds_up():
    results = [
        {"name": "a", "complete": True, "counts": {"flip ok": 2, "drop Corrupt": 1}, "findings": [], "seconds": 1.0},
        {"name": "b", "complete": False, "counts": {"flip Corrupt": 3}, "findings": ["flip: KeyError"], "seconds": 1.0},
    ]
    found = summary(results)
    assert found["vectors"] == 2 and found["complete_vectors"] == 1
    assert found["mutations"] == 7 and found["by_kind"] == {"flip": 5, "drop": 1}
    assert found["outcomes"] == {"ok": 2, "Corrupt": 4} and found["findings"] == ["b: flip: KeyError"]
