"""What an opinion that passed changes in the offline conclusion, and what it never changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.diagnoser.domain.model_use import Reach
from services.diagnoser.domain.opinion import Opinion
from services.diagnoser.engines.anthropic.asking import Terms
from services.diagnoser.engines.anthropic.consulting import consult
from services.diagnoser.engines.offline.engine import diagnose
from shared.incident.diagnosis import DiagnosticResult
from tests.support.cases import case, ramp
from tests.support.second_opinions import ALLOWANCE, CATALOGUE, TERMS, Scripted, answer, consulted, leaking, read, said

REPLIES = Path(__file__).parents[3] / "fixtures/replies"
OTHER = {"cause": "saturation.cpu_contention", "entity": "web-a", "change": "", "cites": ["M01"]}


def offline(value: dict[str, Any] | None = None) -> DiagnosticResult:
    return diagnose(read(value), CATALOGUE).result


def result_of(given: object, value: dict[str, Any] | None = None) -> DiagnosticResult:
    found = consulted(Scripted([said(given)]), value)
    assert found.outcome == "passed", found.conclusion.result.degraded
    return found.conclusion.result


def test_a_model_that_agrees_adds_its_sentences_and_changes_no_number() -> None:
    found = result_of(answer(findings=[{"statement": "memory of web-a only grows", "cites": ["M02"]}]))

    assert found.findings[0].statement == "memory of web-a only grows"
    assert (found.causes, found.confidence, found.status) == (offline().causes, offline().confidence, "diagnosed")
    assert (found.engine, found.degraded) == ("anthropic", None)


def test_a_model_that_disagrees_is_shown_beside_what_was_concluded_and_capped() -> None:
    found = result_of(answer(causes=[OTHER]))

    assert (found.causes, found.confidence, found.status) == (offline().causes, offline().confidence, "diagnosed")
    said_so = found.findings[0].statement
    assert said_so.startswith("The model sees it differently: Something takes the processor of web-a")
    assert 0 < int(said_so.rpartition("(")[2].removesuffix("%)")) <= 60


def test_a_model_that_sees_no_cause_takes_none_away() -> None:
    found = result_of(answer(status="inconclusive", causes=[]))

    assert found.causes == offline().causes
    assert found.findings[0].statement == "The model does not name a cause."


def unsure() -> dict[str, Any]:
    """Return a case in which too little was measured to name a cause."""
    return case({"web-a/cpu_pct": ramp(50.0, -40)}, without=("mem.used_pct", "requests_per_s"))


def test_what_the_offline_engine_cannot_decide_may_be_ranked_and_stays_undecided() -> None:
    before = offline(unsure())
    assert before.status == "inconclusive"
    second = before.causes[1]
    named = {"cause": second.cause, "entity": second.entity, "change": "", "cites": ["M01"]}

    found = result_of(answer(causes=[named]), unsure())

    assert found.status == "inconclusive"
    [chosen] = [one for one in found.causes if (one.cause, one.entity) == (second.cause, second.entity)]
    assert second.confidence < chosen.confidence <= 0.60
    assert list(found.causes) == sorted(found.causes, key=lambda one: -one.confidence)


def test_every_citation_of_the_result_is_in_its_evidence() -> None:
    found = consulted(Scripted([said(answer(causes=[OTHER], ruled_out=[{"statement": "calm", "cites": ["M07"]}]))]))

    known = {item.id for item in found.conclusion.evidence}
    result = found.conclusion.result
    cites = [*(c.cites for c in result.causes), *(f.cites for f in (*result.findings, *result.ruled_out))]
    assert {name for some in cites for name in some} <= known


def test_the_same_replies_give_the_same_bytes() -> None:
    first, second = (consulted(Scripted([said(answer(causes=[OTHER]))])) for _ in range(2))
    assert first.conclusion.model_dump_json() == second.conclusion.model_dump_json()


def replayed(place: Path, **less: float) -> Opinion:
    reach = Reach(kind="recorded", model="claude-sonnet-5-5", replies=str(place))
    return consult(leaking(), CATALOGUE, Terms(reach=reach, allowance=ALLOWANCE.model_copy(update=less)))


@pytest.mark.parametrize(
    "name,less,outcome",
    [
        pytest.param("malformed", {}, "gate", id="malformed"),
        pytest.param("hostile", {}, "gate", id="hostile"),
        pytest.param("refusing", {}, "refusal", id="refusing"),
        pytest.param("slow", {"seconds": 0.1}, "timeout", id="slow"),
        pytest.param("over_budget", {}, "budget", id="over budget"),
    ],
)
def test_a_recorded_model_of_every_kind_leaves_the_offline_answer(
    name: str, less: dict[str, float], outcome: str
) -> None:
    found = replayed(REPLIES / f"broken/{name}.json", **less)

    assert found.outcome == outcome
    assert found.conclusion.result.engine == "recorded"
    assert found.conclusion.result.model_copy(update={"engine": "offline", "degraded": None}) == offline()


def test_a_file_that_is_no_recording_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reply.json"
    path.write_text('{"turn": []}')
    assert replayed(path).conclusion.result.degraded == "garbage: reply.json is no recording: missing"


def test_the_stored_replies_are_found_by_what_is_asked_and_there_is_one_for_all_others() -> None:
    reach = Reach(kind="recorded", model="claude-sonnet-5-5", replies=str(REPLIES))

    found = consult(leaking(), CATALOGUE, TERMS.model_copy(update={"reach": reach}))

    assert found.outcome == "passed"
    assert found.conclusion.result.causes == offline().causes


def test_a_model_whose_price_nobody_knows_is_not_asked() -> None:
    reach = Reach(kind="recorded", model="some-model", replies=str(REPLIES))

    found = consult(leaking(), CATALOGUE, TERMS.model_copy(update={"reach": reach}))

    assert (found.outcome, found.used.turns) == ("no_price", 0)
    assert "set diagnoser.model.input_usd" in (found.conclusion.result.degraded or "")


def test_the_offline_case_is_the_one_the_tests_mean() -> None:
    assert offline(leaking()).causes[0].cause == "resource_leak.memory"
