from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

import orjson
import pytest

from cli.diagnosis import conclude_case
from cli.rerunning import as_it_was, differences, is_same, rerun
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gaps import gaps_of, with_gaps
from services.diagnoser.domain.opinion import Opinion
from services.diagnoser.domain.transcript import TURN_BYTES, Transcript
from services.diagnoser.engines.anthropic import pack, prompts
from services.diagnoser.engines.anthropic.client import BusyError, Client, GivenUpError, Reply, Request
from services.diagnoser.engines.anthropic.consulting import consult_again
from shared.errors import RefusedError
from shared.events.investigations import CollectorOutcome
from shared.telemetry.redacting import Redactor
from tests.support.cases import case, step
from tests.support.second_opinions import (
    ALLOWANCE,
    CATALOGUE,
    TERMS,
    Scripted,
    answer,
    called,
    consulted,
    leaking,
    said,
)

SAW = case({"shop/error_pct": step(20.0, -14)})
LOOKED = {"collector": "metrics", "outcome": "ok"}
FAILED = {"collector": "logs", "outcome": "timeout", "detail": "took too long"}


def kept(*collectors: dict[str, Any]) -> dict[str, Any]:
    """Return what the archive keeps of an investigation, as it comes over the wire."""
    gaps = gaps_of([CollectorOutcome.model_validate(one) for one in collectors])
    concluded = with_gaps(conclude_case(SAW), gaps).model_dump(mode="json")
    stored = {"id": "INC-1-i1", "case": SAW, "conclusion": concluded, "collectors": [*collectors]}
    return dict(orjson.loads(orjson.dumps(stored)))


def nobody(*_: object) -> NoReturn:
    """Is asked by no test that passes."""
    raise AssertionError


def test_the_same_evidence_gives_the_same_bytes_gaps_included() -> None:
    stored = kept(LOOKED, FAILED)
    now = rerun(stored, conclude_case, nobody, nobody)
    assert is_same(stored["conclusion"], now)
    assert differences(stored["conclusion"], now) == []
    assert any(item["id"] == "gap-logs" for item in now["evidence"])


def test_what_another_catalogue_changes_is_told_with_the_catalogue_first() -> None:
    stored = kept(LOOKED)

    def otherwise(value: object) -> Conclusion:
        found = conclude_case(dict(SAW) if value else {})
        changed = {"catalogue_sha256": "other", "status": "inconclusive", "confidence": 0.2}
        return found.model_copy(update={"result": found.result.model_copy(update=changed)})

    now = rerun(stored, otherwise, nobody, nobody)
    assert not is_same(stored["conclusion"], now)
    told = differences(stored["conclusion"], now)
    assert told[0].startswith("result.catalogue_sha256: ")
    assert told[0].endswith(" -> other")
    assert any(line.startswith("result.confidence: ") and line.endswith("-> 0.2") for line in told)


def test_where_nobody_could_look_no_engine_is_asked_again() -> None:
    now = rerun(kept(FAILED), nobody, nobody, nobody)
    assert now["result"]["status"] == "inconclusive"


def test_what_a_model_said_before_it_was_kept_is_not_made_up() -> None:
    stored = kept(LOOKED)
    stored["conclusion"]["result"]["engine"] = "anthropic"
    with pytest.raises(RefusedError, match="replies of its model were not kept"):
        rerun(stored, conclude_case, nobody, nobody)
    with pytest.raises(RefusedError, match="replies of its model were not kept"):
        rerun({**stored, "replies": None}, conclude_case, nobody, nobody)


def of_a_model(client: Client, **less: float) -> dict[str, Any]:
    """Return what the archive keeps of an investigation in which a model was asked."""
    terms = TERMS.model_copy(update={"allowance": ALLOWANCE.model_copy(update=less)})
    seen = Redactor().value(leaking())
    found = consulted(client, seen, terms)
    gaps = gaps_of([CollectorOutcome.model_validate(FAILED)])
    stored = {
        "id": "INC-1-i1",
        "case": seen,
        "conclusion": with_gaps(found.conclusion, gaps).model_dump(mode="json"),
        "collectors": [LOOKED, FAILED],
        "replies": found.replies.model_dump(mode="json"),
    }
    return dict(orjson.loads(orjson.dumps(stored)))


def ask_again(value: Mapping[str, Any], transcript: Transcript) -> Opinion:
    return consult_again(value, CATALOGUE, transcript)


class Failing:
    """Says or fails as told, then says nothing in time."""

    def __init__(self, *said: Reply | Exception) -> None:
        self._said = [*said]

    async def ask(self, _: Request) -> Reply:
        if not self._said:
            await asyncio.Event().wait()
        if isinstance(said := self._said.pop(0), Exception):
            raise said
        return said


OTHER = {"cause": "saturation.cpu_contention", "entity": "web-a", "change": "", "cites": ["M01"]}
LOOK = called("metric_detail", entity="web-a", channel="mem.used_pct")
LOST = BusyError("unavailable", 0.0, may_be_billed=True)


@pytest.mark.parametrize(
    "client,less,outcome",
    [
        pytest.param(Scripted([said(answer(causes=[OTHER]))]), {}, None, id="an answer that disagrees"),
        pytest.param(Scripted([LOOK, said(answer())]), {}, None, id="a look at something, then an answer"),
        pytest.param(Scripted([said("hm"), said(answer())]), {}, None, id="an answer that was repaired"),
        pytest.param(Scripted([said("hm")]), {}, "gate: the answer", id="no answer that passes"),
        pytest.param(Scripted([LOOK]), {"turns": 2}, "budget: ", id="a budget that is used up"),
        pytest.param(Failing(LOST, said(answer())), {}, None, id="a service that was busy, then answered"),
        pytest.param(Failing(LOST, LOST, LOST), {}, "unavailable: tried 3 times", id="a service that stayed busy"),
        pytest.param(
            Failing(BusyError("rate_limited", 60.0)), {}, "rate_limited: tried 1 times", id="busy for too long"
        ),
        pytest.param(Failing(LOOK, GivenUpError("timeout", "late")), {}, "timeout: late", id="a reply that failed"),
        pytest.param(Failing(LOOK), {"seconds": 0.3}, "timeout: no answer within 0.3 s", id="no reply in time"),
        pytest.param(
            Scripted([said(answer(status="inconclusive", causes=[]))]), {}, None, id="a model that sees no cause"
        ),
    ],
)
def test_the_same_replies_give_the_same_bytes(client: Client, less: dict[str, float], outcome: str | None) -> None:
    stored = of_a_model(client, **less)
    degraded = stored["conclusion"]["result"]["degraded"]
    assert degraded is None if outcome is None else degraded.startswith(outcome)

    now = rerun(stored, nobody, ask_again, nobody)

    assert differences(as_it_was(stored), now) == []
    assert is_same(as_it_was(stored), now)
    assert len(now["asked"]) == len(stored["replies"]["turns"]) > 0


def test_another_prompt_is_a_difference_that_is_named_and_the_rest_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = of_a_model(Scripted([said(answer())]))
    monkeypatch.setattr(prompts, "system", lambda _: "another")

    now = rerun(stored, nobody, ask_again, nobody)

    [told] = differences(as_it_was(stored), now)
    assert told.startswith("asked.1.prompt_sha256: ")
    assert not is_same(as_it_was(stored), now)


def test_another_pack_is_named_and_an_answer_that_rests_on_nothing_shown_does_not_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = of_a_model(Scripted([said(answer(causes=[OTHER]))]))
    monkeypatch.setattr(pack, "ITEMS_MAX", 0)

    now = rerun(stored, nobody, ask_again, nobody)

    told = differences(as_it_was(stored), now)
    assert told[0].startswith("asked.1.pack_sha256: ")
    assert any(line.startswith("asked.2: null -> ") for line in told)
    assert now["result"]["degraded"] == "not_recorded: the model is asked more often than it was"


def test_where_the_model_was_not_asked_the_offline_conclusion_is_made_again_with_the_reason() -> None:
    stored = kept(LOOKED)
    why = "budget: used up for this day"
    stored["conclusion"]["result"] |= {"engine": "anthropic", "degraded": why}
    terms = Transcript(kind="anthropic", model="some-model", allowance=ALLOWANCE, unasked=why)
    stored["replies"] = terms.model_dump(mode="json")

    assert is_same(as_it_was(stored), rerun(stored, conclude_case, nobody, nobody))


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param("the key is AKIAABCDEFGHIJKLMNOP", id="a secret"),
        pytest.param("x" * TURN_BYTES, id="too large"),
    ],
)
def test_a_reply_that_could_not_be_kept_whole_is_kept_without_it_and_refused(reply: str) -> None:
    stored = of_a_model(Scripted([replace(said(reply), stop="refusal")]))

    assert reply.encode() not in orjson.dumps(stored)
    with pytest.raises(RefusedError, match="reply 1 of the model is not kept whole"):
        rerun(stored, nobody, ask_again, nobody)
