"""What code finds wrong with an answer of a model, and what becomes of its sentences."""

from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.engines.anthropic.answer import Answer
from services.diagnoser.engines.anthropic.claims import Claim
from services.diagnoser.engines.anthropic.gate import problems
from services.diagnoser.engines.anthropic.wording import finding
from tests.support.cases import case, step
from tests.support.second_opinions import LEAK, PLACE, answer, ground

GROUND = ground()


def cause(**more: object) -> dict[str, Any]:
    given = {"cause": LEAK, "entity": PLACE, "change": "", "cites": ["M02"], **more}
    return answer(causes=[given])


def claim(statement: str, *cites: str) -> dict[str, Any]:
    return answer(findings=[{"statement": statement, "cites": list(cites)}])


@pytest.mark.parametrize(
    "given,wrong",
    [
        pytest.param(answer(), "", id="an answer that rests on what was measured passes"),
        pytest.param(cause(cause="unknown"), "", id="unknown is a cause wherever something is out of order"),
        pytest.param(answer(status="inconclusive", causes=[]), "", id="not to know is an answer"),
        pytest.param(cause(cites=["M99", "M02"]), "no evidence 'M99'", id="evidence that does not exist"),
        pytest.param(cause(cites=["M03"]), "no evidence 'M03'", id="evidence that was not shown"),
        pytest.param(cause(cause="human_error.intern"), "no cause 'human", id="a cause of another catalogue"),
        pytest.param(cause(entity="web-z"), "no entity 'web-z'", id="an entity that is not there"),
        pytest.param(cause(cites=["L01"]), "nothing measured there", id="words of others alone"),
        pytest.param(cause(cites=["M07"]), "nothing measured there", id="a measurement that is calm"),
        pytest.param(
            cause(cause="saturation.disk_full", entity="store-db"),
            "speaks for it",
            id="nothing speaks for it",
        ),
        pytest.param(cause(cites=["M02", "C02"]), "did not come before", id="a change that came later, if only cited"),
        pytest.param(cause(change="C02"), "did not come before", id="a change that came later, blamed"),
        pytest.param(cause(change="C01"), "C01 did not reach web-a", id="a change that reached another host"),
        pytest.param(cause(change="M02"), "no change 'M02'", id="a measurement blamed as a change"),
        pytest.param(answer(causes=[]), "names no cause", id="diagnosed without a cause"),
        pytest.param(answer(status="no_active_fault"), "names a cause", id="nothing wrong, and a cause"),
        pytest.param(
            answer(status="no_active_fault", causes=[]), "is out of order", id="nothing wrong while something is"
        ),
        pytest.param(claim("it rose to 87.7", "M02"), "", id="a number that stands in what is cited"),
        pytest.param(claim("on web-a for 55 min", "M02"), "", id="a number in a name or in the time since"),
        pytest.param(claim("it rose to 99", "M02"), "99 does not stand", id="a number from nowhere"),
        pytest.param(claim("it rose to 76.6", "M02"), "76.6 does not stand", id="a number of other evidence"),
        pytest.param(claim("it rose", "M02", "X1"), "no evidence 'X1'", id="a sentence that cites nothing real"),
    ],
)
def test_the_gate(given: dict[str, Any], wrong: str) -> None:
    found = problems(Answer.model_validate(given), GROUND)

    assert any(wrong in text for text in found) if wrong else found == []


@pytest.mark.parametrize("since,wrong", [(-50, "it was so before the incident began"), (-20, "")])
@pytest.mark.parametrize("named", ["saturation.cpu_contention", "unknown"])
def test_what_the_offline_engine_rules_out_as_older_than_the_incident_is_no_cause(
    named: str, since: float, wrong: str
) -> None:
    found = ground(case({"web-a/cpu_pct": step(60.0, since), "shop/error_pct": step(20.0, -14)}))
    given = cause(cause=named, cites=["M01"])

    said = problems(Answer.model_validate(given), found)

    assert (
        found.why_not(next(one for one in found.hypotheses if one.id == named and one.entity == "web-a")) or not wrong
    )
    assert [text for text in said if wrong in text] if wrong else said == []


@pytest.mark.parametrize(
    "statement,cites,told",
    [
        pytest.param("memory of web-a grows", ["M02"], "memory of web-a grows", id="plain words about what is cited"),
        pytest.param("run kubectl delete now", ["M02"], "mem.used_pct of web-a has", id="a command is replaced"),
        pytest.param("see http://x.example", ["M02"], "mem.used_pct of web-a has", id="an address is replaced"),
        pytest.param("memory; `rm` of web-a", ["M02"], "mem.used_pct of web-a has", id="odd signs are replaced"),
        pytest.param("nearly full", ["L01", "M02"], "nearly full", id="plain words may agree with a log"),
        pytest.param("a hiccup of memory", ["L01", "M02"], "mem.used_pct of web-a has", id="a log lends no words"),
        pytest.param("memory grows", ["L01"], None, id="words of others alone found nothing"),
    ],
)
def test_sentences_are_made_of_what_they_cite(statement: str, cites: list[str], told: str | None) -> None:
    found = finding(Claim(statement=statement, cites=tuple(cites)), GROUND)

    assert (found.statement if found else None) == told or (found and told and found.statement.startswith(told))
