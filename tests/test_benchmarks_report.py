"""The report is a pure function of its results, stands alone, and its player keeps videos in step."""

from __future__ import annotations

import json
import os
import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_benchmarks_summary import result

from benchmarks.captions import CAPTION_HEIGHT, side_by_side
from benchmarks.clips import Clip, write_playable
from benchmarks.page import listing
from benchmarks.report import write_report
from benchmarks.sheets import matched
from benchmarks.tables import Listing
from nvc.cli import bench
from nvc.demo import make_clip

POINTS = [
    ("nvc", "2k", 2.0, {"psnr": 23.0, "sqp": 0.30, "akd": 2.0, "aed": 0.35}),
    ("nvc", "4k", 4.0, {"psnr": 25.0, "sqp": 0.24, "akd": 1.6, "aed": 0.30}),
    ("x264", "crf51", 9.0, {"psnr": 25.0, "sqp": 0.55, "akd": 2.6, "aed": 0.55}),
    ("x264", "crf40", 18.0, {"psnr": 30.0, "sqp": 0.28, "akd": 1.2, "aed": 0.38}),
    ("x264-half-lanczos", "crf51", 5.0, {"psnr": 24.5, "sqp": 0.60, "akd": 3.0, "aed": 0.60}),
]


def write_results(folder: Path, *, leave_out: str = "") -> Path:
    folder.mkdir()
    for clip in ("ann", "bob"):
        for codec, point, kbps, quality in POINTS:
            if codec != leave_out:
                value = result(clip, codec, point, kbps, **quality)
                (folder / f"{clip}--{codec}--{point}.json").write_text(json.dumps(value))
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return write_results(tmp_path_factory.mktemp("report") / "results")


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    clip = Clip("ann", make_clip(seconds=0.4, side=64), Fraction(25))
    for name in ("original", "nvc--2k", "nvc--4k", "x264--crf51", "x264--crf40"):
        write_playable(clip, folder / f"ann--{name}.mp4")
    return folder


@pytest.fixture(scope="module")
def report(results, videos, tmp_path_factory) -> Path:
    return write_report([results], tmp_path_factory.mktemp("page"), videos=videos)


def test_report_states_points_ratios_and_missing_overlap(report):
    html = report.read_text()
    assert "Means over 2 clips" in html
    assert "no overlap" in html  # identity distance: nvc's worst is better than x264's best
    assert "too few points" in html  # the half-size codec has one
    assert "&gt;5.0 (&gt;2.5x)" in html  # half-size x264 never reaches nvc's perceptual distance at 2 kbit/s
    assert "akd at 2.00 kbit/s: x264-half-lanczos, &gt;5.0" in html  # it might get there for less than x264 needs
    assert "identity distance</td><td>0.300</td><td>4.00</td><td>x264-half-lanczos</td><td>&gt;5.0 (&gt;1.2x)" in html
    assert "PSNR, dB</td><td>25.000</td><td>4.00</td><td>x264-half-lanczos</td><td>&gt;5.0 (&gt;1.2x)" in html
    assert re.search(r"nvc</td><td>2k</td><td>2.00</td>", html)


def test_report_needs_nothing_but_itself(report):
    html = report.read_text()
    assert html.count("<video") == 3  # original, nvc's cheapest point, x264's nearest
    targets = re.findall(r'(?:src|href)="([^"]{0,40})', html)
    assert targets and all(target.startswith(("data:", "#")) for target in targets)
    assert "@import" not in html and "url(http" not in html


def test_a_table_without_rows_is_left_out():
    assert listing(Listing(["nothing yet"], ["a", "b"], [])) == "<p>nothing yet</p>\n"
    assert "<th>b</th>" in listing(Listing([], ["a", "b"], [["1", "2"]]))


def test_the_same_results_give_the_same_files(report, results, videos, tmp_path):
    again = write_report([results], tmp_path, videos=videos)
    for name in ("curves.svg", "curves.png", "clips.svg", "clips.png", "summary.json", "report.html", "sheet-ann.png"):
        assert (again.parent / name).read_bytes() == (report.parent / name).read_bytes()


def test_summary_holds_the_figures_of_the_page(report):
    summary = json.loads((report.parent / "summary.json").read_text())
    assert summary["clips"] == ["ann", "bob"] and len(summary["points"]) == len(POINTS)
    akd = next(c for c in summary["bd_rate"] if (c["anchor"], c["metric"]) == ("x264", "akd"))
    assert akd["bd_rate"] < -50 and 0 < akd["overlap"] < 1


def test_sheets_show_matched_rates(results, videos, report):
    values = [json.loads(path.read_text()) for path in sorted(results.glob("ann*.json"))]
    shown = matched(values, "ann", videos, codecs=["nvc", "x264"])
    assert [item.title for item in shown] == ["original", "nvc, 2.0 kbit/s", "x264, 9.0 kbit/s"]
    with Image.open(report.parent / "sheet-ann.png") as sheet:
        assert sheet.size == (3 * 64, CAPTION_HEIGHT + 4 * 64)


def test_columns_stand_side_by_side_under_captions():
    dark, light = np.zeros((2, 3, 8, 40), np.uint8), np.full((2, 3, 8, 40), 200, np.uint8)
    both = side_by_side([("a", dark), ("b", light)])
    assert both.shape == (2, 3, CAPTION_HEIGHT + 8, 80)
    assert both[:, :, CAPTION_HEIGHT:, :40].max() == 0 and both[:, :, CAPTION_HEIGHT:, 40:].min() == 200
    assert both[:, :, :CAPTION_HEIGHT].max() > 100  # something is written there
    with pytest.raises(ValueError, match="shapes"):
        side_by_side([("a", dark), ("b", light[:1])])


def test_a_report_without_nvc_says_what_failed_and_what_is_missing(tmp_path, capsys):
    folder = write_results(tmp_path / "results", leave_out="nvc")
    failed = {"status": "failed", "clip": "bob", "codec": "x264", "point": "crf51", "error": "out of <memory>"}
    (folder / "bob--x264--crf51.json").write_text(json.dumps(failed))
    assert bench.main(["report", str(folder), "-o", str(tmp_path / "report")]) == 0
    html = Path(capsys.readouterr().out.strip()).read_text()
    assert "Points left out, since they lack a clip: x264 crf51" in html and "no point of nvc" in html
    assert "1 jobs failed" in html and "out of &lt;memory&gt;" in html


def test_command_line_fails_in_one_line(tmp_path, capsys):
    assert bench.main(["report", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert bench.main(["rd", "a.mp4", "--codecs", "x266"]) == 2
    assert "x266" in capsys.readouterr().err


def test_command_line_lists_codecs(capsys):
    assert bench.main(["rd", "a.mp4", "--codecs", "list"]) == 0
    assert {"nvc", "x264", "av1-half-lanczos"} <= set(capsys.readouterr().out.split())


def test_command_line_refuses_what_it_does_not_know():
    with pytest.raises(SystemExit) as refusal:
        bench.main(["rd", "a.mp4", "--frames", "0"])
    assert refusal.value.code == 2


def test_player_keeps_videos_in_step_in_a_browser(report):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        try:
            # CHROMIUM names a browser; else one on PATH; else the one that playwright installed itself.
            program = os.environ.get("CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except sync_api.Error:
            pytest.skip("no Chromium for playwright")
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(report.as_uri())
        page.wait_for_selector("body[data-ready=yes]")
        page.evaluate("""() => { const slider = document.querySelector("input[type=range]");
            slider.value = 0.5; slider.dispatchEvent(new Event("input")); }""")
        times = page.evaluate("[...document.querySelectorAll('video')].map(video => video.currentTime)")
        browser.close()
    assert problems == []
    assert len(times) == 3 and max(times) - min(times) < 0.05
