"""docs/benchmarking.md promises only options that exist."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.anchors import ANCHORS
from benchmarks.published import anchor_table
from nvc.cli.bench import _parser

DOCUMENT = (Path(__file__).resolve().parent.parent / "docs" / "benchmarking.md").read_text()


def options_of(command: str) -> set[str]:
    (actions,) = (action for action in _parser()._actions if action.dest not in ("help",))
    return {name for action in actions.choices[command]._actions for name in action.option_strings}


def test_every_option_of_a_run_is_explained_and_no_other():
    explained = set(re.findall(r"--[a-z][a-z-]+", DOCUMENT.split("## Speed")[0]))
    assert explained - {"--videos"} == {
        name for name in options_of("rd") if name.startswith("--") and name not in ("--help", "--output", "--videos")
    }
    assert "--videos" in options_of("rd") & options_of("report")


def test_options_of_speed_exist():
    section = DOCUMENT.split("## Speed")[1].split("##")[0]
    assert set(re.findall(r"--[a-z][a-z-]+", section)) <= options_of("speed")


def test_the_document_of_results_says_how_every_other_codec_is_run():
    rows = {row[0]: row for row in anchor_table().rows}
    assert set(rows) == {name for name in ANCHORS if "-half" not in name}
    assert "preset=veryslow" in rows["x264"][2] and rows["x264"][3].endswith("51")
