"""The headline: what others pay for nvc's quality, clip by clip too, and where nvc loses."""

from __future__ import annotations

from test_benchmarks_summary import result

from benchmarks.headline import as_text, by_clip, cheapest, crossings, equal_qualities, headline
from benchmarks.summary import tabulate
from benchmarks.tables import clip_table, crossing_table

RESULTS = [
    result(clip, codec, point, kbps, sqp=sqp + worse, psnr=psnr)
    for clip, worse in (("ann", 0.0), ("bob", 0.2))
    for codec, point, kbps, sqp, psnr in (
        ("nvc", "2k", 2.0, 0.40, 23.0),
        ("nvc", "q9", 8.0, 0.30, 25.0),
        ("x264", "crf51", 6.0, 0.50, 24.0),
        ("x264", "crf40", 24.0, 0.20, 30.0),
        ("av1", "crf70", 7.0, 0.38, 26.0),
    )
]


def test_the_headline_is_about_its_rates_alone():
    items = headline(tabulate(RESULTS))
    assert {item.point for item in items} == {"2k"} and {item.metric for item in items} == {"sqp"}
    assert sorted(item.anchor for item in items) == ["av1", "x264"]


def test_a_rate_at_another_preset_stands_in_for_one_that_is_missing():
    renamed = [r | {"point": r["point"].replace("2k", "2k-fast")} for r in RESULTS]
    assert {item.point for item in headline(tabulate(renamed))} == {"2k-fast"}
    assert {item.point for item in headline(tabulate(RESULTS + renamed))} == {"2k"}


def test_the_cheapest_codec_may_be_known_by_its_bound_alone():
    (best,) = cheapest(headline(tabulate(RESULTS))).values()
    assert best.anchor == "av1" and as_text(best) == "<7.0 (<3.5x)"


def test_where_nvc_loses_is_said():
    found = {crossing.metric.name: crossing for crossing in crossings(tabulate(RESULTS))}
    assert found["psnr"].rival is not None and found["psnr"].rival.ratio < 1
    listing = crossing_table(list(found.values()), equal_qualities(tabulate(RESULTS)))
    assert ["PSNR, dB", "25.000", "8.00", "av1", "<7.0 (<0.9x)", "nvc loses"] in listing.rows
    assert "PSNR, dB at 8.00 kbit/s (av1 needs <7.0)" in listing.notes[0]
    assert "at 2.00" not in listing.notes[0]


def test_a_loss_on_one_clip_is_not_hidden_by_the_mean():
    results = RESULTS + [result("bob", "x265", "crf51", 1.5, sqp=0.5), result("ann", "x265", "crf51", 5.0, sqp=0.9)]
    found = by_clip(results, tabulate(results), point="2k")
    assert found["bob"]["sqp"].anchor == "x265" and found["bob"]["sqp"].ratio < 1
    (note,) = clip_table(found).notes
    assert "no more bits than nvc: bob (1 of 3)." in note
