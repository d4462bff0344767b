"""Rate control: a ladder that rises, and a bitrate that is used up without being passed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvc.rate import MAX_QUALITY, QUALITIES, CodingPoint, coding_point, solve

COEFFICIENTS = 32


def cost(point: CodingPoint) -> int:
    """A smooth stand-in for an encoder: picture bytes halve every six QP, motion bytes follow the steps."""
    picture = 40_000 * 2 ** (-point.key_qp / 6)
    pose = 400 * 2 ** (-point.pose_quantiser / 8)
    expression = point.carried(COEFFICIENTS) * 60 * 2 ** (-point.expression_quantiser / 8)
    return round(100 + picture + 10 * (pose + expression))


def test_every_quality_is_better_than_the_one_below() -> None:
    assert len(QUALITIES) == MAX_QUALITY + 1
    costs = [cost(coding_point(quality)) for quality in range(10)]
    assert costs == sorted(set(costs))
    for low, high in zip(QUALITIES, QUALITIES[1:], strict=False):
        assert high.key_qp < low.key_qp
        assert high.pose_quantiser <= low.pose_quantiser and high.expression_quantiser <= low.expression_quantiser
        assert high.carried(COEFFICIENTS) >= low.carried(COEFFICIENTS)


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


LEAST = cost(QUALITIES[0])
MOST = cost(CodingPoint(8, 14, 14, 18))


@given(st.floats(LEAST, MOST))
def test_a_budget_is_kept_and_nearly_used_up(budget: float) -> None:
    found = solve(budget, cost, expression_count=COEFFICIENTS)
    assert found.fits and found.size == cost(found.point)
    assert 0.9 * budget <= found.size <= budget


@given(st.floats(LEAST, MOST), st.floats(1.02, 3))
def test_more_budget_is_never_worse(budget: float, factor: float) -> None:
    small, large = (solve(b, cost, expression_count=COEFFICIENTS) for b in (budget, budget * factor))
    assert large.size >= small.size


def test_below_what_is_possible_the_least_is_taken_and_said() -> None:
    found = solve(LEAST - 1, cost, expression_count=COEFFICIENTS)
    assert not found.fits and found.size == LEAST and found.point.key_qp == QUALITIES[0].key_qp


def test_an_endless_budget_gives_the_finest_point() -> None:
    found = solve(1e12, cost, expression_count=COEFFICIENTS)
    assert found.fits and found.size == MOST


def test_few_points_are_tried() -> None:
    tried: list[CodingPoint] = []

    def watched(point: CodingPoint) -> int:
        tried.append(point)
        return cost(point)

    solve(1500, watched, expression_count=COEFFICIENTS)
    assert len(tried) < 40
