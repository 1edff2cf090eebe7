"""A second fault is told beside the first where neither can have brought the other, and nowhere else."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.domain.recommending import Place, recommend
from services.diagnoser.engines.offline.engine import diagnose
from shared.incident.diagnosis import DiagnosticResult
from shared.runbooks.model import Runbook
from simulation.suite.dev import dev_suite
from tests.support.cases import NOW, Curve, case, ramp, series
from tests.support.catalogue import load_catalogue
from tests.unit.diagnoser.test_recommending import runbook

CATALOGUE = load_catalogue()
LEAK = {"web-a/mem.used_pct": ramp(40.0, -60)}
FULL = ramp(39.5, -200)
APART = ({"id": "mailer", "kind": "service"}, {"id": "mail-1", "kind": "host"})
NEEDS = {"src": "mailer", "dst": "mail-1", "kind": "runs_on"}


def beside(curve: Curve | None = FULL, *edges: dict[str, str], knows_map: bool = True, **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- parts of a case
    """Return a case in which the memory of `web-a` leaks, and a disk elsewhere fills as told."""
    alerts = [{"id": "a1", "entity": "web-a", "metric": "mem.used_pct", "at": NOW - 300, "title": "memory is high"}]
    found = case(more.pop("curves", LEAK), alerts=alerts)
    found["topology"]["entities"] += APART
    found["topology"]["edges"] += [NEEDS, *edges]
    if not knows_map:
        found["topology"] = {}
    if curve is not None:
        found["metrics"].append(series("mail-1", "disk_used_pct", 60.0, unit="%", noise=0.002, curve=curve))
    return found | more


def concluded(value: dict[str, Any]) -> DiagnosticResult:
    return diagnose(read_case(value), CATALOGUE).result


def told(result: DiagnosticResult) -> list[tuple[str, str]]:
    return [(one.cause, one.entity) for one in result.also]


@pytest.mark.parametrize(
    "value, is_told",
    [
        pytest.param(beside(), True, id="a disk that nothing of the first can reach"),
        pytest.param(beside(None), False, id="nothing else is the matter"),
        pytest.param(beside(lambda _: 0.0), False, id="it is calm"),
        pytest.param(beside(FULL, {"src": "shop", "dst": "mailer", "kind": "calls"}), False, id="the first needs it"),
        pytest.param(
            beside(FULL, {"src": "mailer", "dst": "shop", "kind": "calls"}), False, id="who runs there needs the first"
        ),
        pytest.param(
            beside(FULL, {"src": "mailer", "dst": "web-a", "kind": "runs_on"}), False, id="they share a machine"
        ),
        pytest.param(beside(FULL, knows_map=False), False, id="nobody knows who needs whom"),
        pytest.param(beside(FULL, curves={}), False, id="there is no first"),
    ],
)
def test_a_second_fault_is_told(value: dict[str, Any], *, is_told: bool) -> None:
    result = concluded(value)
    assert told(result) == ([("saturation.disk_full", "mail-1")] if is_told else [])
    assert ("Also, and apart from it: The disk of mail-1 is full" in result.statement) is is_told


def test_it_cites_what_shows_it_and_takes_nothing_from_the_first() -> None:
    found = diagnose(read_case(beside()), CATALOGUE)
    alone = concluded(beside(None))
    [also] = found.result.also

    assert set(also.cites) <= {item.id for item in found.evidence}
    assert 0.45 <= also.confidence <= 0.97
    assert (found.result.causes[0].cause, found.result.confidence) == (alone.causes[0].cause, alone.confidence)


def test_nothing_is_proposed_for_it_and_what_it_forbids_is_not_done() -> None:
    result = concluded(beside())
    result = result.model_copy(update={"causes": result.causes[:1]})
    places = {"mail-1": Place("host"), "web-a": Place("host", ("shop",))}

    def answering(name: str, verb: str, cause: str) -> Runbook:
        book = runbook(name, verb)
        return book.model_copy(update={"match": book.match.model_copy(update={"causes": (cause,)})})

    assert recommend(result, [answering("grow", "host/grow", result.also[0].cause)], places, ["shop"]).items == ()
    assert all(one.steps == () for one in result.also)

    [forbidden] = [verb for rule in result.also[0].never for verb in rule.verbs][:1]
    leak = answering("restart", forbidden.replace("*", ""), result.causes[0].cause)
    alone = result.model_copy(update={"also": ()})
    assert [item.runbook_id for item in recommend(alone, [leak], places, ["shop"]).items] == ["restart"]
    assert recommend(result, [leak], places, ["shop"]).items == ()


@pytest.mark.slow
def test_of_all_made_up_incidents_only_those_with_two_faults_have_one() -> None:
    found: Counter[tuple[str, bool]] = Counter()
    for value, truth in dev_suite(1):
        is_two, also = truth["family"] == "two faults", concluded(value).also
        found["two" if is_two else "others", bool(also)] += 1
        assert is_two or not also, value["case_id"]
    assert found["two", True] >= 1
    assert found["others", False] > 100
