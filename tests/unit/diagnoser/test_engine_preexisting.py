"""What was wrong long before the incident is said to be so, and is not offered as the cause of what is new."""

from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.engine import diagnose
from services.diagnoser.engines.offline.preexisting import preexisting
from services.diagnoser.engines.offline.scene import scene_of
from shared.incident.diagnosis import DiagnosticResult
from tests.support.cases import NOW, case, deploy, flat, ramp, step
from tests.support.catalogue import load_catalogue

CATALOGUE = load_catalogue()
OLD_CPU = {"web-a/cpu_pct": step(60.0, -50)}
NEW_ERRORS = {"shop/error_pct": step(20.0, -14), "shop/latency_p95": step(400.0, -14)}
CPU = "saturation.cpu_contention"


def concluded(value: dict[str, Any]) -> DiagnosticResult:
    return diagnose(read_case(value), CATALOGUE).result


def offered(result: DiagnosticResult) -> set[str]:
    return {cause.cause for cause in result.causes if cause.entity == "web-a"}


def excluded(result: DiagnosticResult) -> bool:
    return any("it was so before the incident began" in one.statement for one in result.ruled_out)


ALERT = [{"id": "a1", "entity": "web-a", "metric": "cpu_pct", "at": NOW - 300, "title": "cpu of web-a is high"}]


@pytest.mark.parametrize(
    "value, is_offered, is_excluded",
    [
        pytest.param(case({**OLD_CPU, **NEW_ERRORS}), False, True, id="high for fifty minutes, errors are new"),
        pytest.param(
            case({**OLD_CPU, **NEW_ERRORS}, changes=[deploy(-15)]), False, True, id="the same, and a release is near"
        ),
        pytest.param(
            case({"web-a/cpu_pct": step(60.0, -20), **NEW_ERRORS}), True, False, id="high for twenty minutes is news"
        ),
        pytest.param(
            case({"web-a/cpu_pct": lambda at: 15.0 * (at >= -50) + 45.0 * (at >= -20), **NEW_ERRORS}),
            True,
            False,
            id="a little for long, and far more now: the new part counts",
        ),
        pytest.param(
            case({"web-a/cpu_pct": ramp(80.0, -60), **NEW_ERRORS}), True, False, id="what still grows is news"
        ),
        pytest.param(case(OLD_CPU, alerts=ALERT), True, False, id="nothing is new: the incident itself is old"),
        pytest.param(
            case({**OLD_CPU, "shop/latency_p95": step(400.0, -50)}), True, False, id="what is felt is as old as it"
        ),
        pytest.param(
            case({"web-a/cpu_pct": step(60.0, -40), "shop/latency_p95": step(400.0, -30)}),
            True,
            False,
            id="high for ten minutes when it began to be felt: it took its time",
        ),
        pytest.param(case(NEW_ERRORS), False, False, id="nothing was wrong before"),
    ],
)
def test_what_was_so_before_is_no_cause_of_what_is_new(
    value: dict[str, Any], *, is_offered: bool, is_excluded: bool
) -> None:
    result = concluded(value)

    assert (CPU in offered(result)) is is_offered, result
    assert excluded(result) is is_excluded


def test_it_is_said_wherever_it_is_shown() -> None:
    value = case({**OLD_CPU, **NEW_ERRORS})
    found = diagnose(read_case(value), CATALOGUE)

    [item] = [one for one in found.evidence if (one.entity, one.channel) == ("web-a", "cpu")]
    assert "and was so before the window" in item.summary
    [told] = [one for one in found.result.findings if item.id in one.cites]
    assert "and was so before the window" in told.statement
    assert item.id not in found.result.causes[0].cites
    assert not any((one.cause, one.entity) == ("unknown", "web-a") for one in found.result.causes)
    assert any(item.id in one.cites for one in found.result.ruled_out)


def test_without_harm_nothing_is_preexisting() -> None:
    assert preexisting(scene_of(read_case(case({"shop/latency_p95": flat})))) == ()
