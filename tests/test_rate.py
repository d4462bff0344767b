"""Rate control: a ladder that rises, and a bitrate that is used up without being passed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvc.rate import (
    LADDER,
    LADDERS,
    MAX_QUALITY,
    QUALITIES,
    CodingPoint,
    Rung,
    Tune,
    between_rungs,
    coding_point,
    rung_of,
    solve,
)

COEFFICIENTS = 32


def cost(rung: Rung) -> int:
    """A smooth stand-in for an encoder: picture bytes halve every six QP, motion bytes follow the steps."""
    point = rung.point
    picture = 60_000 * 2 ** (-point.key_qp / 6)
    pose = 400 * 2 ** (-point.pose_quantiser / 8)
    expression = point.carried(COEFFICIENTS) * 60 * 2 ** (-point.expression_quantiser / 8)
    return round(100 + (1 + 1 / (0.1 + rung.saving)) * picture + 10 * (pose + expression))


@pytest.mark.parametrize("tune", list(Tune))
def test_every_quality_is_better_than_the_one_below(tune: Tune) -> None:
    ladder = LADDERS[tune]
    assert len(QUALITIES) == MAX_QUALITY + 1 and len(ladder) == MAX_QUALITY + 2
    costs = [cost(rung) for rung in ladder]
    assert costs == sorted(set(costs))
    for low, high in zip(ladder, ladder[1:], strict=False):
        assert high.point.key_qp <= low.point.key_qp and high.crf < low.crf
        assert high.saving <= low.saving
        assert high.point.pose_quantiser <= low.point.pose_quantiser
        assert high.point.expression_quantiser <= low.point.expression_quantiser
        assert high.point.carried(COEFFICIENTS) >= low.point.carried(COEFFICIENTS)
    assert [rung_of(q, tune=tune) for q in range(10)] == list(ladder[:10])


@pytest.mark.parametrize("quality", [-1, 10, 2.5, "5", True, None])
def test_other_qualities_are_refused(quality: object) -> None:
    with pytest.raises(ValueError, match="quality is .* 0 to 9"):
        coding_point(quality)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [(52, 0, 0), (-1, 0, 0), (0, 64, 0), (0, 0, -1), (0, 0, 0, 64), (0, 0, 0, 0, -1)])
def test_points_off_the_tables_are_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must"):
        CodingPoint(*values)


def test_a_count_above_what_the_model_has_means_all() -> None:
    assert CodingPoint(30, 27, 27, expression_count=50).carried(8) == 8
    assert CodingPoint(30, 27, 27, expression_count=3).carried(8) == 3
    assert CodingPoint(30, 27, 27).carried(8) == 8


LEAST, MOST = cost(LADDER[0]), cost(LADDER[-1])


@given(st.floats(LEAST, 2 * MOST))
def test_a_budget_is_kept_and_no_rung_that_fits_is_better(budget: float) -> None:
    found = solve(budget, cost, expression_count=COEFFICIENTS)
    assert found.fits and found.size == cost(found.rung) <= budget
    assert found.size >= max(cost(rung) for rung in LADDER if cost(rung) <= budget)


def test_the_way_between_two_rungs_is_used() -> None:
    low, high = LADDER[3], LADDER[4]
    budget = (cost(low) + cost(high)) / 2
    assert cost(low) < solve(budget, cost, expression_count=COEFFICIENTS).size <= budget
    assert between_rungs(low, high, 0.0, COEFFICIENTS).point.key_qp == low.point.key_qp
    assert between_rungs(low, high, 1.0, COEFFICIENTS).point.key_qp == high.point.key_qp


def test_below_what_is_possible_the_least_is_taken_and_said() -> None:
    found = solve(LEAST - 1, cost, expression_count=COEFFICIENTS)
    assert not found.fits and found.size == LEAST and found.rung == LADDER[0]


def test_an_endless_budget_gives_the_highest_rung() -> None:
    found = solve(1e12, cost, expression_count=COEFFICIENTS)
    assert found.fits and found.size == MOST


@given(st.floats(1, 2 * MOST))
def test_few_rungs_are_tried(budget: float) -> None:
    tried: list[Rung] = []

    def watched(rung: Rung) -> int:
        tried.append(rung)
        return cost(rung)

    solve(budget, watched, expression_count=COEFFICIENTS)
    assert len(tried) <= 8
