"""What people ask about an incident and say of its diagnosis: passed on, answered, shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.events.incidents import IncidentNoted, IncidentRequestRefused
from shared.events.investigations import EvidenceGathered, QuestionAnswered, SummarySentence
from shared.incident.actor import Actor
from shared.incident.diagnosis import RankedCause
from shared.incident.evidence import Evidence
from tests.contract.notifier.conftest import Running, csrf_of
from tests.support.kinds import eventually
from tests.support.seeded import seeds
from tests.unit.notifier.story import INCIDENT, RUN, concluded, until_asked

pytestmark = pytest.mark.slow

PAT = Actor(kind="person", id="pat", name="Pat")
PEOPLE = """
people:
  - {id: vera, name: Vera Viewer, roles: [viewer]}
  - {id: sample-approver, name: SAMPLE approver, roles: [viewer, responder, approver], sample: true}
"""


async def told(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)


async def post(running: Running, path: str, body: Any) -> httpx.Response:  # noqa: ANN401 -- any JSON
    async with running.operator() as operator:
        return await operator.post(f"/api/incidents/{INCIDENT}/{path}", json=body)


async def page(running: Running, word: str) -> str:
    """Return the page of the incident once it holds a word."""
    browser = await running.browser()

    async def there() -> str:
        text = (await browser.get(f"/i/{INCIDENT}")).text
        return text if word in text else ""

    found = await eventually(there)
    await browser.aclose()
    return found


def answered(question_id: str, **more: Any) -> QuestionAnswered:  # noqa: ANN401 -- fields of the answer
    sentences = (
        SummarySentence(text="shop v2 was deployed.", cites=("e2",)),
        SummarySentence(text="It waits for an answer.", cites=("diagnoser/x:1",)),
    )
    given = {"question_id": question_id, "text": "shop v2 was deployed.", "sentences": sentences}
    return QuestionAnswered.model_validate({**given, "investigation_id": "inv-1", **more})


async def test_a_question_reaches_the_diagnoser_with_its_actor_and_without_secrets(running: Running) -> None:
    await told(running)

    answer = await post(running, "questions", {"text": "  why? password=hunter2-hunter2  "})

    assert answer.status_code == 202
    envelope, sent = (await running.requests())[0]
    assert (envelope.type, envelope.subject, envelope.environment) == ("question.asked", INCIDENT, RUN)
    assert sent["request_id"] == answer.json()["question_id"]
    assert sent["actor"]["id"] == "sample-approver"
    assert sent["text"].startswith("why?")
    assert "hunter2" not in str(sent)


async def test_no_secret_that_a_person_pastes_reaches_the_topic_or_the_page(running: Running) -> None:
    await told(running)
    planted = [seed for seed in seeds() if len(seed.text) <= 400]
    for seed in planted:
        assert (await post(running, "questions", {"text": f"why {seed.text}"})).status_code == 202
        assert (await post(running, "verdicts", {"verdict": "wrong", "cause": seed.text})).status_code == 202

    sent = str(await running.requests(2 * len(planted)))
    shown = await page(running, "why")

    assert [seed.text for seed in planted if seed.core in sent or seed.core in shown] == []


@pytest.mark.parametrize("text", [pytest.param("  ", id="nothing"), pytest.param("w" * 501, id="more than it may")])
async def test_a_question_is_refused_that_asks(running: Running, text: str) -> None:
    await told(running)

    answer = await post(running, "questions", {"text": text})

    assert answer.status_code == 409
    assert answer.json()["error"] == "a question has 1 to 500 characters"


async def test_question_and_answer_are_on_the_page_and_in_the_timeline_with_citations(running: Running) -> None:
    await told(running)
    asked = (await post(running, "questions", {"text": "what <b>changed</b>?"})).json()["question_id"]
    assert "Waits for the answer" in await page(running, "what &lt;b&gt;changed&lt;/b&gt;?")

    await running.tell(answered(asked, not_checked=["logs: no answer within 20 s"]))

    shown = await page(running, "shop v2 was deployed.")
    assert 'href="#ev-e2"' in shown
    assert 'href="#tl-diagnoser/x:1"' in shown
    assert "Not checked: logs: no answer within 20 s" in shown
    assert re.search(r"<li id=\"tl-notifier/request/req-\w+\">.*Question: what &lt;b&gt;changed&lt;/b&gt;\?", shown)
    assert "Answer: shop v2 was deployed." in shown


async def test_an_answer_that_rests_on_another_investigation_is_not_linked_to_this_ones_evidence(
    running: Running,
) -> None:
    await told(running)
    asked = (await post(running, "questions", {"text": "what changed?"})).json()["question_id"]

    await running.tell(answered(asked, investigation_id="inv-7"))

    shown = await page(running, "shop v2 was deployed.")
    assert "[e2 of inv-7]" in shown


async def test_who_asks_what_nobody_understands_is_told_what_can_be_asked(running: Running) -> None:
    await told(running)
    asked = (await post(running, "questions", {"text": "bake a cake"})).json()["question_id"]

    await running.tell(answered(asked, sentences=(), text="I do not know.", can_ask=["What changed?", "Is it over?"]))

    assert "What can be asked: What changed? Is it over?" in await page(running, "I do not know.")


async def test_a_refused_question_says_why(running: Running) -> None:
    await told(running)
    asked = (await post(running, "questions", {"text": "why?"})).json()["question_id"]

    await running.tell(IncidentRequestRefused(request_id=asked, verb="ask", why="ask again", actor=PAT))

    assert "Not answered: ask again" in await page(running, "Not answered")


async def test_the_form_asks_once_and_only_from_a_page_of_the_session(running: Running) -> None:
    await told(running)
    browser = await running.browser()
    csrf = csrf_of((await browser.get(f"/i/{INCIDENT}")).text)

    forged = await browser.post(f"/i/{INCIDENT}/questions", data={"text": "why?", "csrf": "0" * 64})
    asked = await browser.post(f"/i/{INCIDENT}/questions", data={"text": "why?", "csrf": csrf})
    await browser.aclose()

    assert forged.status_code == 409
    assert (asked.status_code, asked.headers["location"]) == (303, f"/i/{INCIDENT}")
    assert [body["text"] for _, body in await running.requests()] == ["why?"]


async def test_a_verdict_reaches_the_diagnoser(running: Running) -> None:
    await told(running)

    answer = await post(running, "verdicts", {"verdict": "wrong", "cause": "db.pool"})

    envelope, sent = (await running.requests())[0]
    assert (envelope.type, envelope.subject) == ("feedback.given", INCIDENT)
    assert (sent["verdict"], sent["cause"], sent["request_id"]) == ("wrong", "db.pool", answer.json()["request_id"])


async def test_a_verdict_that_is_neither_right_nor_wrong_is_refused(running: Running) -> None:
    await told(running)

    answer = await post(running, "verdicts", {"verdict": "maybe"})

    assert answer.status_code == 409
    assert answer.json()["error"] == "a verdict is right or wrong, not 'maybe'"


async def test_the_newest_word_of_each_person_is_on_the_page(running: Running) -> None:
    await told(running)
    await running.tell(IncidentNoted(actor=PAT, text="Verdict: right", verdict="right"))
    await running.tell(IncidentNoted(actor=PAT, text="Verdict: wrong; it was db.pool", verdict="wrong"))

    shown = await page(running, "wrong; it was db.pool")

    async with running.operator() as operator:
        detail = (await operator.get(f"/api/incidents/{INCIDENT}")).json()
    assert [(one["by"], one["verdict"]) for one in detail["verdicts"]] == [("Pat", "wrong")]
    assert "Pat says: Verdict: wrong; it was db.pool" in shown


def offered(shown: str) -> list[str]:
    """Return the headings and the causes that a page offers for a verdict, in order."""
    [select] = re.findall(r'<select id="cause".*?</select>', shown, re.DOTALL)
    found = re.findall(r'<optgroup label="([^"]+)"|<option value="([^"]+)"', select)
    return [heading or cause for heading, cause in found]


async def test_a_verdict_may_name_every_cause_of_the_catalogue_what_was_diagnosed_first(running: Running) -> None:
    await told(running)

    shown = await page(running, "The diagnosis was right")

    groups = [
        *("Diagnosed", "resource_leak.memory_after_deploy"),
        *("Db", "db.pool", "db.slow_query"),
        *("Saturation", "saturation.cpu_by_traffic"),
        *("None of these", "unknown"),
    ]
    assert offered(shown) == groups
    await page(running, "The diagnosis was right")
    assert [name for name, _ in running.others.asked].count("causes") == 1


async def test_without_the_diagnoser_a_verdict_may_name_what_was_diagnosed(running: Running) -> None:
    running.others.is_silent = True
    await told(running)

    shown = await page(running, "The diagnosis was right")

    assert offered(shown) == ["Diagnosed", "resource_leak.memory_after_deploy", "None of these", "unknown"]


async def test_the_page_tells_a_fault_beside_the_first_and_what_a_recorded_model_did(running: Running) -> None:
    beside = RankedCause(
        entity="mail-1", cause="saturation.disk_full", title="The disk of mail-1 is full", confidence=0.7, cites=("e2",)
    )
    update = {"also": (beside,), "engine": "recorded", "model_steps": ("classify: it agrees with code",)}
    first = concluded()
    await told(running)
    await running.tell(first.model_copy(update={"result": first.result.model_copy(update=update)}))

    shown = " ".join(re.sub(r"<[^>]+>", " ", await page(running, "mail-1")).split())

    assert "Also, and apart from it (70 %): The disk of mail-1 is full [e2]" in shown
    assert "RECORDED, classify: it agrees with code" in shown


async def test_the_page_explains_a_diagnosis_under_five_headings_and_shows_what_looked_alike(running: Running) -> None:
    await told(running)

    shown = " ".join(re.sub(r"<[^>]+>", " ", await page(running, "Looked alike before")).split())

    assert "Speaks against it: GC pauses are short [e1]" in shown
    assert "Not explained by it: The queue grows [e2]" in shown
    assert "Missing: swap of web-3" in shown
    assert "How the confidence came about 87" in shown
    assert "two channels agree capped at 87 %" in shown
    assert "Memory of web-3 rose from 40 % to 89 % [e1]" in shown, "what speaks for it"
    assert "INC-BBBBBBBBBB Memory of web-1 was high: 72 % alike, it was resource_leak.memory, judged right." in shown
    assert "Only now: change: deploy. Only then: log: out of memory." in shown
    assert "Changed since the look before: confidence 60 % → 87 %" in shown


async def test_the_page_shows_what_is_written_about_it_as_text(running: Running) -> None:
    written = Evidence(id="w1", kind="article", summary="Pools <b>(pools.md)</b>: how to raise one")
    await running.tell(*until_asked(), EvidenceGathered(investigation_id="inv-1", evidence=(written,)))

    shown = " ".join(re.sub(r"<[^>]+>", " ", await page(running, "Written about it (1)")).split())

    assert "Written about it (1) Pools &lt;b&gt;(pools.md)&lt;/b&gt;: how to raise one" in shown


async def test_the_page_says_what_a_person_may_do_what_nobody_must_and_why_a_runbook_is_not_first(
    running: Running,
) -> None:
    await told(running)

    shown = " ".join(re.sub(r"<[^>]+>", " ", await page(running, "What a person may do")).split())

    assert "What a person may do Signoff does not run these. Take shop v2 back" in shown
    assert "It helped when memory of web-3 stays level" in shown
    assert "✕ Never host/add-swap* If the cause is Memory of web-3 leaks since shop v2: what leaks fills that" in shown
    assert "Acts on host Verified by: memory of web-3 falls Roll shop back" in shown, "the first one says no more"
    assert "Not first: its risk is high, that of restart is medium" in shown


class TestViewer:
    @pytest.fixture
    def changes(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "people.yaml").write_text(PEOPLE)
        return {"people_file": tmp_path / "people.yaml"}

    async def test_who_may_only_look_may_ask_and_may_not_judge(self, running: Running) -> None:
        await told(running)
        async with running.operator() as operator:
            token = (await operator.post("/api/sessions", json={"person": "vera"})).json()["token"]
        async with running.client(token) as vera:
            asked = await vera.post(f"/api/incidents/{INCIDENT}/questions", json={"text": "why?"})
            judged = await vera.post(f"/api/incidents/{INCIDENT}/verdicts", json={"verdict": "right"})
            again = await vera.post(
                f"/api/incidents/{INCIDENT}/requests", json={"verb": "investigate", "arguments": {}}
            )
        assert asked.status_code == 202
        assert (judged.status_code, judged.json()["error"]) == (409, "vera is no responder or approver")
        assert (again.status_code, again.json()["error"]) == (409, "vera is no responder")


async def test_the_page_says_that_a_models_part_is_replayed_and_why_it_has_no_word(running: Running) -> None:
    await told(running)
    asked = (await post(running, "questions", {"text": "why?"})).json()["question_id"]
    await running.tell(answered(asked, engine="recorded", degraded="refusal: it does not want to"))

    text = await page(running, "Degraded: refusal: it does not want to. The model counts nothing here")

    assert "<b>RECORDED</b>" in text
