"""What README and docs/ say about rates is what the committed results say."""

from __future__ import annotations

import pytest
from test_benchmarks_headline import RESULTS

from benchmarks import published
from benchmarks.rd import load_results
from benchmarks.readme_picture import README, with_block
from benchmarks.summary import tabulate
from benchmarks.tables import Listing


@pytest.fixture(scope="module")
def committed() -> list[dict]:
    return load_results([published.RESULTS])


def test_readme_says_what_the_committed_results_say(committed):
    assert published.block(tabulate(committed)) in README.read_text()


def test_the_document_says_what_the_committed_results_say(committed):
    assert published.PAGE.read_text() == published.document(committed)


def test_curves_are_there():
    assert published.CURVES.with_suffix(".svg").read_text().count("<svg") == 1
    assert published.CURVES.with_suffix(".png").stat().st_size > 1000


def test_the_block_gives_ratios_by_family_and_the_loss_on_pixels():
    text = published.block(tabulate(RESULTS))
    row = next(line for line in text.splitlines() if line.startswith("| 2.00"))
    assert row == "| 2.00 kbit/s | 4.8x / - / - | <3.5x / - / - |"
    assert "best PSNR here is 25.0 dB, at 8.0 kbit/s, which av1 has from <7.0 kbit/s on" in text


def test_tables_become_markdown():
    text = published.markdown(Listing(["a < b"], ["x", "y"], [["<1", "2"]]))
    assert text == "a &lt; b\n\n| x | y |\n| --- | --- |\n| &lt;1 | 2 |\n"


def test_a_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="rates"):
        with_block("nothing", "text", start=published.START, end=published.END)
