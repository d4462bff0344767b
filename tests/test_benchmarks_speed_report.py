"""docs/speed.md is what the committed results say, and says whether the bars are met."""

from __future__ import annotations

import json

import pytest

from benchmarks import speed_report


@pytest.fixture
def results() -> list[dict]:
    names = ("speed", "networks", "loss")
    return [json.loads((speed_report.RESULTS / f"{name}.json").read_text()) for name in names]


def test_the_document_is_made_of_the_committed_results(results: list[dict]) -> None:
    assert speed_report.DOCUMENT.read_text() == speed_report.document(*results)


def test_a_missed_bar_is_called_missed(results: list[dict]) -> None:
    for row in results[0]["rows"]:
        row["decode_file_fps"] = 12.5
    text = speed_report.document(*results)
    assert "at least 30 | 12.5 | **missed**" in text


def test_pictures_and_ratio_are_within_their_bars(results: list[dict]) -> None:
    _, networks, losses = results
    assert networks["paper_to_lite"] >= 25
    assert all(row["psnr_to_the_first"] > 45 for row in networks["rows"] if row["psnr_to_the_first"] is not None)
    assert all(row["shown"] > 0 for row in losses["rows"])
