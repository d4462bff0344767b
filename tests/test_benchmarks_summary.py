"""Figures over clips: means, Bjontegaard differences and rates at equal quality, on curves whose answers are known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.acceptance import BARS, as_text, judge, summarise
from benchmarks.summary import METRICS, Metric, Point, Table, compare, rate_at_equal_quality, tabulate

PSNR = next(metric for metric in METRICS if metric.name == "psnr")
AKD = next(metric for metric in METRICS if metric.name == "akd")


def result(clip: str, codec: str, point: str, kbps: float, **quality: float | None) -> dict:
    return {
        "status": "ok",
        "clip": clip,
        "codec": codec,
        "point": point,
        "frames": 250,
        "kbps": kbps,
        "bytes": round(kbps * 1250),
        "bytes_by_unit": {"video": round(kbps * 1250)},
        "bytes_per_frame": kbps * 5,
        "quality": quality,
    }


def curve(codec: str, points: list[tuple[float, float]], metric: Metric = PSNR) -> list[Point]:
    return [Point(codec, f"p{index}", rate, 0.0, {metric.name: value}, 1) for index, (rate, value) in enumerate(points)]


def table_of(*curves: list[Point]) -> Table:
    return Table([point for points in curves for point in points], ["a"], [], [])


def test_points_are_means_over_clips():
    table = tabulate([result("a", "nvc", "3k", 2.0, psnr=20.0), result("b", "nvc", "3k", 4.0, psnr=30.0)])
    assert [(p.kbps, p.quality["psnr"], p.clips) for p in table.points] == [(3.0, 25.0, 2)]


def test_a_clip_that_a_point_lacks_is_left_out_everywhere_and_named():
    table = tabulate(
        [
            result("a", "nvc", "3k", 2.0, psnr=20.0),
            result("b", "nvc", "3k", 4.0, psnr=30.0),
            result("a", "x264", "crf51", 9.0, psnr=25.0),
            {"status": "failed", "clip": "b", "codec": "x264", "point": "crf51", "error": "boom"},
        ]
    )
    assert table.clips == ["a"] and table.left_out == ["b"]
    assert table.of("nvc")[0].kbps == 2.0
    assert "boom" in table.failed[0]


def test_a_point_that_lacks_a_clip_of_the_others_is_left_out_and_named():
    table = tabulate(
        [result(clip, "x264", point, 9.0, psnr=25.0) for clip in "ab" for point in ("crf46", "crf51")]
        + [result("a", "nvc", "3k", 2.0, psnr=20.0)]
    )
    assert table.clips == ["a", "b"] and table.incomplete == ["nvc 3k"]
    assert table.codecs() == ["x264"]


def test_a_measurement_that_some_clips_lack_is_the_mean_of_the_others():
    table = tabulate([result("a", "nvc", "3k", 2.0, akd=1.0), result("b", "nvc", "3k", 4.0, akd=None)])
    assert table.points[0].quality == {"akd": 1.0}


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(0.1, 0.9), offset=st.floats(-5, 5))
def test_half_the_bits_everywhere_is_a_bd_rate_of_minus_half(factor, offset):
    points = [(10.0, 30.0 + offset), (20.0, 33.0 + offset), (40.0, 37.0 + offset), (80.0, 40.0 + offset)]
    cheap = [(rate * factor, value) for rate, value in points]
    found = compare(table_of(curve("x264", points), curve("nvc", cheap)), anchor="x264", test="nvc", metric=PSNR)
    assert found.bd_rate == pytest.approx((factor - 1) * 100, abs=1e-6)
    assert found.overlap == pytest.approx(1.0)


def test_lower_is_better_metrics_are_turned_round():
    points = [(10.0, 4.0), (20.0, 3.0), (40.0, 2.0)]
    cheap = [(rate / 2, value) for rate, value in points]
    table = table_of(curve("x264", points, AKD), curve("nvc", cheap, AKD))
    assert compare(table, anchor="x264", test="nvc", metric=AKD).bd_rate == pytest.approx(-50.0)


def test_curves_that_do_not_meet_have_no_bd_rate():
    table = table_of(curve("x264", [(10.0, 30.0), (20.0, 33.0)]), curve("nvc", [(2.0, 20.0), (3.0, 22.0)]))
    found = compare(table, anchor="x264", test="nvc", metric=PSNR)
    assert found.bd_rate is None and found.overlap == 0


def test_partial_overlap_is_stated():
    table = table_of(curve("x264", [(10.0, 30.0), (20.0, 34.0)]), curve("nvc", [(5.0, 28.0), (10.0, 32.0)]))
    assert compare(table, anchor="x264", test="nvc", metric=PSNR).overlap == pytest.approx(2 / 6)


def test_points_that_cost_more_and_gain_nothing_do_not_bend_the_curve():
    points = [(10.0, 30.0), (20.0, 33.0), (25.0, 32.0), (40.0, 37.0)]
    table = table_of(curve("x264", points), curve("nvc", [(5.0, 30.0), (10.0, 33.0), (20.0, 37.0)]))
    assert compare(table, anchor="x264", test="nvc", metric=PSNR).bd_rate == pytest.approx(-50.0)


@pytest.mark.parametrize(
    ("quality", "rate", "bound"), [(32.0, 20.0, ""), (31.0, 200**0.5, ""), (25.0, 10.0, "<"), (40.0, 40.0, ">")]
)
def test_rate_at_equal_quality_interpolates_log_rate_and_admits_its_bounds(quality, rate, bound):
    table = table_of(curve("x264", [(10.0, 30.0), (20.0, 32.0), (40.0, 34.0)]), curve("nvc", [(2.0, quality)]))
    found = rate_at_equal_quality(table, anchor="x264", point=table.of("nvc")[0], metric=PSNR)
    assert found is not None
    assert found.anchor_kbps == pytest.approx(rate) and found.bound == bound
    assert found.ratio == pytest.approx(rate / 2)


def test_equal_quality_without_the_metric_is_nothing():
    table = table_of(curve("x264", [(10.0, 30.0)]), curve("nvc", [(2.0, 3.0)], AKD))
    assert rate_at_equal_quality(table, anchor="x264", point=table.of("nvc")[0], metric=AKD) is None


def passing() -> dict[str, float]:
    return {"psnr": 24.0, "sqp": 0.32, "akd": 2.3, "akd_m": 2.5, "aed": 0.42, "jit": 1.4}


def test_bars_include_their_bound():
    assert all(judge(Point("nvc", "default", 4.0, 20.0, passing(), 11)).values())


@pytest.mark.parametrize("name", [bar.name for bar in BARS])
def test_each_bar_can_be_missed(name):
    worse = {"psnr": 23.99}.get(name, 99.0)
    kbps = 4.01 if name == "kbps" else 4.0
    quality = passing() | ({} if name == "kbps" else {name: worse})
    verdict = judge(Point("nvc", "default", kbps, 20.0, quality, 11))
    assert [bar for bar, passed in verdict.items() if not passed] == [name]


def test_a_figure_that_was_not_measured_passes_nothing():
    quality = passing()
    del quality["sqp"]
    assert judge(Point("nvc", "default", 1.0, 5.0, quality, 11))["sqp"] is False


def test_the_acceptance_table_marks_what_was_missed():
    results = [
        result("a", "nvc", "default", 3.0, **(passing() | {"akd": 3.0})),
        result("a", "x264", "crf51", 9.0, **passing()),
    ]
    text = as_text(summarise(results, tabulate(results)))
    line = next(line for line in text.splitlines() if line.startswith("nvc default"))
    assert "3.000!" in line and line.count("!") == 1
    assert "!" not in next(line for line in text.splitlines() if line.startswith("x264"))
