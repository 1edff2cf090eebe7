"""What an incident is, by code: one row of the table for each case."""

from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.classifying import affected, classify, with_affected
from services.diagnoser.domain.finding_out import Conclusion
from shared.incident.diagnosis import DiagnosticResult
from shared.incident.enums import IncidentCategory, Severity
from shared.incident.evidence import Evidence
from tests.unit.diagnoser.story import Story

UNKNOWN, DATA, NETWORK = IncidentCategory.UNKNOWN, IncidentCategory.DATA, IncidentCategory.NETWORK


def result(status: str = "diagnosed", category: IncidentCategory = DATA, *names: str) -> DiagnosticResult:
    given: dict[str, Any] = {"status": status, "category": category, "affected": names}
    return DiagnosticResult(**given)


@pytest.mark.parametrize(
    "concluded, before, after",
    [
        pytest.param(result(), UNKNOWN, DATA, id="a diagnosis says what it is"),
        pytest.param(result(), NETWORK, DATA, id="a later diagnosis says it better"),
        pytest.param(result("inconclusive", UNKNOWN), NETWORK, NETWORK, id="not to know is no reason to forget"),
        pytest.param(result("inconclusive", DATA), UNKNOWN, UNKNOWN, id="a guess classifies nothing"),
        pytest.param(result("no_active_fault", UNKNOWN), DATA, DATA, id="over, and still of its kind"),
    ],
)
def test_the_category_is_that_of_the_diagnosis(
    concluded: DiagnosticResult, before: IncidentCategory, after: IncidentCategory
) -> None:
    assert classify(concluded, before, Severity.SEV3).category == after


@pytest.mark.parametrize(
    "status, count, before, after",
    [
        pytest.param("diagnosed", 3, "sev3", "sev2", id="three services feel it"),
        pytest.param("diagnosed", 3, "sev4", "sev2", id="three feel it, and the source thought nothing of it"),
        pytest.param("inconclusive", 3, "sev3", "sev2", id="who feels it is known before the cause is"),
        pytest.param("diagnosed", 2, "sev3", "sev3", id="two feel it"),
        pytest.param("diagnosed", 0, "sev4", "sev4", id="nobody feels it"),
        pytest.param("diagnosed", 9, "sev1", "sev1", id="it is never lowered"),
        pytest.param("diagnosed", 9, "sev2", "sev2", id="it is raised no further: the worst is for people to say"),
        pytest.param("no_active_fault", 9, "sev3", "sev3", id="it is over"),
    ],
)
def test_the_severity_is_raised_when_many_feel_it(status: str, count: int, before: str, after: str) -> None:
    names = [f"s{number}" for number in range(count)]

    found = classify(result(status, DATA, *names), UNKNOWN, Severity(before))

    assert found.severity == after
    assert bool(found.why_raised) is (before != after)


def test_why_it_is_raised_names_some_who_feel_it() -> None:
    found = classify(result("diagnosed", DATA, "a", "b", "c", "d"), UNKNOWN, Severity.SEV4)
    assert found.why_raised == "4 services feel it: a, b, c and 1 more"


KINDS = {"shop": "service", "pay": "service", "db": "database", "web-1": "host"}


def seen(entity: str, channel: str, **more: Any) -> Evidence:  # noqa: ANN401 -- fields of evidence
    return Evidence(
        **{"id": f"{entity}-{channel}", "kind": "metric", "summary": "s", **more}, entity=entity, channel=channel
    )


@pytest.mark.parametrize(
    "item, names",
    [
        pytest.param(seen("pay", "errors"), ("pay",), id="errors of a service"),
        pytest.param(seen("pay", "latency"), ("pay",), id="latency of a service"),
        pytest.param(seen("pay", "restarts"), ("pay",), id="restarts of a service"),
        pytest.param(seen("pay", "cpu"), (), id="a busy processor is felt by nobody by itself"),
        pytest.param(seen("pay", "errors", active_now=False), (), id="it is over there"),
        pytest.param(seen("db", "latency"), (), id="a database is no service"),
        pytest.param(seen("nobody", "errors"), (), id="nobody knows what it is"),
        pytest.param(seen("pay", "error", kind="log"), (), id="log text is no measurement"),
        pytest.param(seen("pay", "errors", kind="alert"), (), id="an alert is no measurement"),
    ],
)
def test_who_feels_it_is_who_was_measured(item: Evidence, names: tuple[str, ...]) -> None:
    assert affected([item], KINDS, ()) == names


def test_the_services_of_the_incident_come_first_and_each_once() -> None:
    found = [seen("pay", "errors"), seen("shop", "errors"), seen("shop", "latency")]
    assert affected(found, KINDS, ("shop",)) == ("shop", "pay")


def test_a_conclusion_says_who_feels_it() -> None:
    told = with_affected(Conclusion(result=result(), evidence=(seen("pay", "errors"),)), KINDS, ())
    assert told.result.affected == ("pay",)


def test_an_incident_is_told_once_what_it_is_and_that_many_feel_it() -> None:
    story = Story()
    story.open()

    for _ in range(2):
        story.conclude(affected=("a", "b", "c"))
        story.ask("investigate")

    assert story.types.count("incident.classified") == 1
    assert story.types.count("incident.severity_raised") == 1
    raised = story.body("incident.severity_raised")
    assert (raised["previous"], raised["severity"]) == ("sev3", "sev2")
    assert raised["reason"] == "3 services feel it: a, b, c"
    assert story.state["severity"] == "sev2"
