from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.domain.recommending import Place, forbidden, recommend
from services.diagnoser.engines.offline.engine import diagnose
from shared.incident.diagnosis import Contraindication, DiagnosticResult, RankedCause
from shared.incident.enums import RiskLevel
from shared.runbooks.model import Runbook
from tests.support.cases import case, step
from tests.support.catalogue import load_catalogue

NO_FAILOVER = Contraindication(verbs=("database/failover*",), why="the replica has not caught up")
PLACES = {"ledger": Place(kind="database", services=("shop",))}


def runbook(name: str, *uses: str, risk: str = "medium", rollback: str = "") -> Runbook:
    undo = {"name": "undo", "uses": rollback, "target": "x"} if rollback else None
    actions = [
        {
            "id": f"a{n}",
            "name": verb,
            "uses": verb,
            "target": "x",
            "risk": risk,
            "reversible": True,
            "impact": "",
            "rollback": undo,
        }
        for n, verb in enumerate(uses)
    ]
    value: dict[str, Any] = {
        "id": name,
        "title": name,
        "description": "",
        "owner": "",
        "match": {"causes": ["data.replica_lag"]},
        "inputs": {"database": {"type": "string", "from": "cause.entity"}},
        "actions": actions,
        "verify": {"name": "${{ inputs.database }} keeps up", "metric": "m", "entity": "e", "condition": "value < 1.0"},
        "expected_effect": "the lag falls",
    }
    return Runbook.model_validate(value)


def result(*never: Contraindication, second: float = 0.1) -> DiagnosticResult:
    causes = (
        RankedCause(entity="ledger", cause="data.replica_lag", confidence=0.9, cites=("M01",), never=never),
        RankedCause(entity="ledger", cause="data.slow_query", confidence=second, cites=("M01",)),
    )
    return DiagnosticResult(status="diagnosed", confidence=0.9, causes=causes)


@pytest.mark.parametrize(
    "uses, rollback, is_forbidden",
    [
        pytest.param(("database/failover@v1",), "", True, id="a verb that the cause forbids"),
        pytest.param(("host/tag@v1", "database/failover-to@v2"), "", True, id="one among several, in another version"),
        pytest.param(("host/tag@v1",), "database/failover@v1", True, id="undoing is doing"),
        pytest.param(("database/throttle@v1",), "", False, id="another verb"),
    ],
)
def test_what_the_cause_forbids_is_never_proposed(uses: tuple[str, ...], rollback: str, *, is_forbidden: bool) -> None:
    one = runbook("mend", *uses, rollback=rollback)
    assert bool(forbidden(one, result(NO_FAILOVER).causes)) == is_forbidden
    assert bool(recommend(result(NO_FAILOVER), [one], PLACES, ["shop"]).items) != is_forbidden


def test_a_runbook_for_a_less_likely_cause_is_held_against_the_first_cause_too() -> None:
    one = runbook("mend", "database/failover@v1").model_copy(update={"match": _answers("data.slow_query")})
    assert recommend(result(second=0.6), [one], PLACES, []).items
    assert not recommend(result(NO_FAILOVER, second=0.6), [one], PLACES, []).items


def _answers(cause: str) -> Any:  # noqa: ANN401 -- the model of a runbook's field
    return runbook("x", "a/b@v1").match.model_copy(update={"causes": (cause,)})


def test_a_recommendation_says_what_is_verified_what_it_acts_on_and_why_another_goes_first() -> None:
    made = recommend(
        result(), [runbook("bold", "database/throttle@v1", risk="high"), runbook("mild", "queue/slow@v1")], PLACES, []
    )
    mild, bold = made.items
    assert (mild.runbook_id, mild.behind, mild.integrations) == ("mild", "", ("queue",))
    assert mild.verification == "ledger keeps up"
    assert (bold.runbook_id, bold.behind) == ("bold", "its risk is high, that of mild is medium")


def test_where_no_runbook_helps_a_person_is_told_what_to_do() -> None:
    expired = {"at": 1_800_000_000, "entity": "till", "kind": "tls", "leaf_not_after": 1_799_990_000}
    found = diagnose(read_case({"raw": {"state": [expired]}}), load_catalogue()).result
    first, *others = found.causes
    assert (found.status, first.cause) == ("diagnosed", "configuration.certificate_expired")
    assert [one.risk for one in first.steps] == [RiskLevel.MEDIUM]
    assert "till" in first.steps[0].do
    assert any("service/disable-tls*" in never.verbs for never in first.never)
    assert not any(one.steps for one in others)


def test_nobody_is_told_what_to_do_about_what_is_not_known() -> None:
    found = diagnose(read_case(case({"shop/latency_p95": step(300.0, -20)})), load_catalogue()).result
    assert found.status == "inconclusive"
    assert not any(one.steps for one in found.causes)


def test_each_cause_says_what_may_be_done_about_it() -> None:
    assert [cause.id for cause in load_catalogue().causes if not cause.actions] == []
