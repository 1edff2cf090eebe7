from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.reliability import Standing, upper, weighed
from shared.incident.diagnosis import DiagnosticResult, RankedCause

CAUSE, OTHER = "saturation.pool", "data.slow_query"


@pytest.mark.parametrize(
    "right, judged, bound",
    [
        pytest.param(0, 5, 0.434, id="never right of five"),
        pytest.param(6, 11, 0.787, id="six of eleven"),
        pytest.param(5, 5, 1.0, id="always right is no cap"),
        pytest.param(0, 100, 0.037, id="never right of many"),
        pytest.param(50, 100, 0.596, id="a coin"),
    ],
)
def test_the_upper_bound_of_a_share_is_wilsons(right: int, judged: int, bound: float) -> None:
    assert round(upper(right, judged), 3) == bound


@pytest.mark.parametrize("right, judged", [(0, 0), (3, 2), (-1, 4)])
def test_impossible_counts_are_refused(right: int, judged: int) -> None:
    with pytest.raises(ValueError, match="impossible"):
        upper(right, judged)


@given(st.integers(1, 500).flatmap(lambda judged: st.tuples(st.integers(0, judged), st.just(judged))))
def test_the_bound_is_never_below_the_share_and_never_above_one(counts: tuple[int, int]) -> None:
    right, judged = counts
    assert right / judged <= upper(right, judged) <= 1.0


def concluded(*confidences: float, status: str = "diagnosed") -> Conclusion:
    causes = tuple(
        RankedCause(entity="web", cause=cause, confidence=confidence, cites=("M01",))
        for cause, confidence in zip((CAUSE, OTHER), confidences, strict=False)
    )
    given: dict[str, Any] = {"status": status, "causes": causes, "confidence_from": ("as measured",)}
    return Conclusion(result=DiagnosticResult(confidence=confidences[0] if confidences else 0.9, **given))


def standing(right: int, judged: int) -> Standing:
    return Standing(judged=judged, right=right, said=0.8)


@pytest.mark.parametrize(
    "before, standings, after",
    [
        pytest.param((0.9, 0.1), {}, [0.9, 0.1], id="nobody has judged it"),
        pytest.param((0.9, 0.1), {CAUSE: standing(0, 4)}, [0.9, 0.1], id="too few have judged it"),
        pytest.param((0.9, 0.1), {CAUSE: standing(0, 5)}, [0.434, 0.1], id="always wrong: no more than the bound"),
        pytest.param((0.9, 0.1), {CAUSE: standing(6, 11)}, [0.787, 0.1], id="right in six of eleven"),
        pytest.param((0.9, 0.1), {CAUSE: standing(9, 9)}, [0.9, 0.1], id="always right: nothing is raised"),
        pytest.param((0.3, 0.1), {CAUSE: standing(6, 11)}, [0.3, 0.1], id="below the cap: nothing is raised"),
        pytest.param((0.6, 0.5), {OTHER: standing(0, 9)}, [0.6, 0.299], id="the second has its own cap"),
        pytest.param((0.9, 0.6), {CAUSE: standing(0, 5)}, [0.434, 0.434], id="confidence never rises along the order"),
    ],
)
def test_a_confidence_becomes(before: tuple[float, ...], standings: dict[str, Standing], after: list[float]) -> None:
    result = weighed(concluded(*before), standings).result

    assert [cause.confidence for cause in result.causes] == after
    assert result.confidence == after[0]


@pytest.mark.parametrize(
    "judged, told",
    [
        pytest.param(
            standing(6, 11),
            "people judged saturation.pool in 11 incidents: right in 6, when 80 % was said on average; "
            "capped at 79 %, the upper bound of that share (Wilson, 95 %)",
            id="a cap that bites",
        ),
        pytest.param(
            standing(11, 11),
            "people judged saturation.pool in 11 incidents: right in 11, when 80 % was said on average; "
            "below the cap of 100 %, the upper bound of that share (Wilson, 95 %)",
            id="a cap that does not",
        ),
        pytest.param(
            standing(1, 1),
            "people judged saturation.pool in 1 incident: right in 1, when 80 % was said on average; "
            "from 5 on that is a cap",
            id="too few",
        ),
    ],
)
def test_what_people_judged_is_part_of_how_the_confidence_came_about(judged: Standing, told: str) -> None:
    assert weighed(concluded(0.9), {CAUSE: judged}).result.confidence_from == ("as measured", told)


def test_a_conclusion_without_a_cause_stays_as_it_is() -> None:
    calm = concluded(status="no_active_fault")

    assert weighed(calm, {CAUSE: standing(0, 9)}) == calm
