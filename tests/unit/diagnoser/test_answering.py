from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diagnoser.domain.answering import SENTENCES_MAX, answer
from services.diagnoser.domain.asking import EXAMPLES, KINDS
from services.diagnoser.domain.knowing import HEARD, Known, Seen
from services.diagnoser.domain.replies import REPLIES
from shared.events.investigations import CollectorOutcome, QuestionAnswered
from shared.incident.actor import Actor, automation
from shared.incident.diagnosis import (
    ActionRecommendation,
    Contraindication,
    DiagnosticResult,
    ManualStep,
    RankedCause,
)
from shared.incident.enums import RiskLevel, Stage
from shared.incident.evidence import Evidence, Finding, LogTemplate, LookAlike
from shared.incident.incident import TimelineEntry
from tests.unit.diagnoser.alerts import time

ASKED = "notifier/request/req-1"
PAT = Actor(kind="person", id="pat", name="Pat")


def entry(number: int, type_: str, text: str, actor: Actor | None = None) -> TimelineEntry:
    return TimelineEntry(
        id=f"e{number}", type=type_, at=time(number * 10), actor=actor or automation("diagnoser"), text=text
    )


OPENED = entry(1, "incident.opened", "Incident opened: checkout is slow")
STORY = (
    OPENED,
    entry(2, "investigation.started", "Investigation started: incident opened"),
    entry(3, "evidence.gathered", "6 pieces of evidence gathered; no answer from processes"),
    entry(4, "diagnosis.concluded", "Diagnosis: the pool is exhausted (confidence 80 %)"),
    entry(5, "recommendation.made", "Proposed runbook: Recycle"),
    entry(6, "approval.requested", "Approval requested: Recycle"),
)
EVIDENCE = (
    Evidence(id="M01", kind="metric", entity="checkout", channel="latency", summary="latency went from 1 to 9"),
    Evidence(id="M02", kind="metric", entity="orders-db", channel="cpu", active_now=False, summary="cpu is as ever"),
    Evidence(id="L01", kind="log", entity="checkout", channel="errors", summary="12 lines: pool timeout"),
    Evidence(id="C01", kind="change", entity="checkout", channel="deploy", summary="deploy 7 came 40 s before"),
    Evidence(id="A01", kind="alert", entity="checkout", channel="latency", summary="checkout is slow"),
    Evidence(id="gap-processes", kind="gap", channel="processes", summary="No processes: no answer within 20 s"),
    Evidence(id="H-1", kind="history", summary="INC-B looked alike"),
    Evidence(id="W-1", kind="article", summary="Pools (pools.md): how to raise one"),
)
SEEN = Seen(
    investigation_id="INC-A-i1",
    result=DiagnosticResult(
        status="diagnosed",
        statement="the pool is exhausted",
        confidence=0.8,
        causes=(
            RankedCause(
                entity="checkout",
                cause="db.pool",
                title="Pool",
                confidence=0.8,
                cites=("M01", "L01"),
                steps=(
                    ManualStep(
                        do="Raise the limit of the pool", risk=RiskLevel.LOW, reversible=True, verify="nobody waits"
                    ),
                ),
                never=(Contraindication(verbs=("database/restart-*", "host/restart-*"), why="all lose their place"),),
            ),
            RankedCause(entity="orders-db", cause="db.slow", title="Slow", confidence=0.1, cites=("M02",)),
        ),
        findings=(Finding(statement="latency rose", cites=("M01",)),),
        ruled_out=(Finding(statement="Slow queries at orders-db: cpu is as ever", cites=("M02",)),),
        contradictions=(Finding(statement="traffic fell too", cites=("M01",)),),
        missing=("processes", "queue length"),
        next_checks=("count the connections",),
        confidence_from=("two channels agree", "capped at 80 %"),
    ),
    evidence=EVIDENCE,
    logs=(LogTemplate(template="pool timeout after <n>", entity="checkout", count=12, baseline_count=0),),
    collectors=tuple(
        CollectorOutcome(collector=name, outcome=outcome, detail=detail)
        for name, outcome, detail in (
            ("metrics", "ok", ""),
            ("logs", "ok", ""),
            ("changes", "ok", ""),
            ("history", "ok", ""),
            ("processes", "timeout", "no answer within 20 s"),
        )
    ),
    look_alikes=(
        LookAlike(
            id="H-1",
            incident_id="INC-B",
            title="checkout was slow",
            cause="db.pool",
            verdict="right",
            closed_at=time(0),
            likeness=0.72,
            only_now=("deploy",),
        ),
    ),
)
RECYCLE = ActionRecommendation(
    runbook_id="recycle", runbook_sha256="0" * 64, title="Recycle", cause="db.pool", entity="checkout"
)
WIDEN = RECYCLE.model_copy(
    update={"runbook_id": "widen", "title": "Widen", "behind": "its risk is high, that of recycle is low"}
)
KNOWN = Known(
    STORY,
    Stage.AWAITING_APPROVAL,
    ["checkout"],
    ["web-3"],
    alerts=2,
    firing=1,
    seen=SEEN,
    proposed=(RECYCLE, WIDEN),
    proposed_by="e5",
    detected=95.0,
)
NEW = Known(STORY[:2], Stage.INVESTIGATING, ["checkout"], [], alerts=1, firing=1)
CALM = replace(KNOWN, seen=SEEN.model_copy(update={"evidence": (), "logs": (), "look_alikes": ()}))
BLIND = replace(CALM, seen=CALM.seen.model_copy(update={"collectors": ()}) if CALM.seen else None)
DONE = replace(
    KNOWN,
    story=(
        *STORY,
        entry(7, "approval.granted", "Approved by Pat", PAT),
        entry(8, "step.succeeded", "Step recycle done"),
        entry(9, "verification.passed", "Verification passed: latency < 2"),
        entry(10, "incident.source_recovered", "All alerts have recovered"),
        entry(11, "incident.acknowledged", "Acknowledged", PAT),
        entry(12, "incident.closed", "Incident closed"),
    ),
    stage=Stage.CLOSED,
    firing=0,
)


def ask(text: str, known: Known = KNOWN) -> QuestionAnswered:
    return answer("req-1", text, known, asked_by=ASKED)


@pytest.mark.parametrize(
    "text, known, said, cites",
    [
        pytest.param("why?", KNOWN, "Likely, at 80 %: the pool is exhausted.", {"e4", "M01", "L01"}, id="the cause"),
        pytest.param("why?", KNOWN, "Against it: traffic fell too.", {"M01"}, id="what speaks against the cause"),
        pytest.param("why?", NEW, "No investigation has brought anything yet.", {"e2"}, id="no cause yet"),
        pytest.param("what changed?", KNOWN, "deploy 7 came 40 s before.", {"C01"}, id="the changes"),
        pytest.param(
            "what changed at orders-db?",
            KNOWN,
            "No change at orders-db stands out in what was gathered.",
            {"e3"},
            id="no change at a place",
        ),
        pytest.param("what changed?", BLIND, "Changes could not be looked at.", {"e3"}, id="changes nobody looked for"),
        pytest.param(
            "which alerts fired?", KNOWN, "2 alerts in all, 1 of them still firing.", {"e6"}, id="how many alerts"
        ),
        pytest.param("which alerts fired?", KNOWN, "checkout is slow.", {"A01"}, id="the alerts themselves"),
        pytest.param(
            "what about orders-db?", KNOWN, "cpu is as ever.", {"M02"}, id="the evidence about a place it names"
        ),
        pytest.param(
            "what about web-3?",
            KNOWN,
            "Nothing stands out at web-3 in what was gathered.",
            {"e3"},
            id="no evidence about a place that is known",
        ),
        pytest.param(
            "what about cart-9?", KNOWN, "Nothing that was gathered names cart-9.", {"e6"}, id="a place nobody knows"
        ),
        pytest.param("what is affected?", KNOWN, "Evidence of trouble at checkout.", {"M01", "L01"}, id="what suffers"),
        pytest.param("what is affected?", KNOWN, "The alerts name checkout, web-3.", {"e1"}, id="what alerts name"),
        pytest.param("status?", KNOWN, "The incident is awaiting approval.", {"e6"}, id="where it stands"),
        pytest.param("what was done?", DONE, "Step recycle done.", {"e8"}, id="what ran"),
        pytest.param(
            "who approved?",
            KNOWN,
            "It waits for an answer: Approval requested: Recycle.",
            {"e6"},
            id="nobody, it waits",
        ),
        pytest.param("who approved?", DONE, "Approved by Pat, at 14:14:30 UTC.", {"e7"}, id="who approved"),
        pytest.param(
            "who approved?",
            NEW,
            "Nobody was asked for an approval so far, and nothing ran.",
            {"e2"},
            id="nobody was asked",
        ),
        pytest.param("who is on it?", DONE, "Acknowledged (Pat), at 14:15:10 UTC.", {"e11"}, id="who took it"),
        pytest.param(
            "what happens next?",
            KNOWN,
            "A person approves or rejects what is proposed; nothing runs before.",
            {"e6"},
            id="what comes next",
        ),
        pytest.param("what next steps?", KNOWN, "To look at: count the connections.", {"e4"}, id="what to look at"),
        pytest.param(
            "what can I do?",
            KNOWN,
            "A person may, and Signoff does not: Raise the limit of the pool (risk low, reversible); "
            "it helped when nobody waits.",
            {"e4"},
            id="what a person may do",
        ),
        pytest.param(
            "what must never be done?",
            KNOWN,
            "Never database/restart-*, host/restart-*, if the cause is Pool: all lose their place.",
            {"e4"},
            id="what nobody must do",
        ),
        pytest.param(
            "what is recommended?",
            KNOWN,
            "Behind it, Widen: its risk is high, that of recycle is low.",
            {"e5"},
            id="why the next runbook is not the first",
        ),
        pytest.param(
            "is it over?",
            KNOWN,
            "No: the incident is awaiting approval and 1 of 2 alerts still fire.",
            {"e6"},
            id="not over",
        ),
        pytest.param("is it over?", DONE, "Yes: the incident is closed and no alert fires.", {"e12"}, id="over"),
        pytest.param("how sure?", KNOWN, "capped at 80 %.", {"e4"}, id="how the confidence came about"),
        pytest.param("how sure?", KNOWN, "Next likely: Slow at orders-db, 10 %.", {"M02"}, id="the next likely cause"),
        pytest.param(
            "seen before?",
            KNOWN,
            "INC-B (checkout was slow) was 72 % alike; it was db.pool, which a person confirmed. "
            "It differs: only now deploy.",
            {"H-1"},
            id="a look-alike with what differs",
        ),
        pytest.param(
            "seen before?",
            CALM,
            "No closed incident that is remembered here looked like it.",
            {"e3"},
            id="nothing alike in the history",
        ),
        pytest.param(
            "is anything written about it?",
            KNOWN,
            "Pools (pools.md): how to raise one.",
            {"W-1"},
            id="what is written about it",
        ),
        pytest.param(
            "is anything written about it?",
            CALM,
            "Written knowledge could not be looked at.",
            {"e3"},
            id="nobody to ask what is written",
        ),
        pytest.param("which logs?", KNOWN, "12 lines: pool timeout.", {"L01"}, id="the log lines"),
        pytest.param("which logs?", CALM, "No log line stands out in what was gathered.", {"e3"}, id="no log lines"),
        pytest.param(
            "how long did it take?",
            DONE,
            "The first alert came 1 min 35 s after the first symptom that the diagnosis cites (data time).",
            {"e1", "e4"},
            id="how long until it was noticed",
        ),
        pytest.param(
            "what was ruled out?", KNOWN, "Slow queries at orders-db: cpu is as ever.", {"M02"}, id="ruled out"
        ),
        pytest.param(
            "what was not checked?", KNOWN, "No processes: no answer within 20 s.", {"gap-processes"}, id="the gaps"
        ),
    ],
)
def test_an_answer_says_and_cites(text: str, known: Known, said: str, cites: set[str]) -> None:
    found = {sentence.text: set(sentence.cites) for sentence in ask(text, known).sentences}

    assert said in found, "\n".join(found)
    assert found[said] == cites


def test_nothing_more_is_to_be_done_about_a_closed_incident() -> None:
    assert "A person may" in ask("what can I do?").text
    assert "A person may" not in ask("what can I do?", DONE).text


def test_an_answer_says_what_was_not_checked() -> None:
    assert ask("why?").not_checked == ("processes: no answer within 20 s", "queue length")
    assert ask("why?", NEW).not_checked == ("everything: no investigation has ended yet",)


def test_a_question_that_is_not_understood_is_answered_with_what_can_be_asked() -> None:
    found = ask("tell my fortune")

    assert found.text == "This is not a question that can be answered from what was gathered."
    assert found.cites == (ASKED,)
    assert found.can_ask == EXAMPLES


def test_every_kind_of_question_has_its_reply() -> None:
    assert set(REPLIES) == set(KINDS)


def test_what_it_cites_of_the_story_is_kept() -> None:
    assert {line.type for line in DONE.story} <= HEARD


WORDS = [example.strip("?") for example in EXAMPLES] + [
    "checkout",
    "web-9",
    "ignore",
    "{{7*7}}",
    "rm -rf /",
    "\u202e",
    "0",
]


@given(
    st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join) | st.text(max_size=80),
    st.sampled_from([KNOWN, NEW, CALM, BLIND, DONE]),
)
def test_whatever_is_asked_every_sentence_cites_what_is_there(text: str, known: Known) -> None:
    found = ask(text, known)

    there = {line.id for line in known.story} | {item.id for item in (known.seen.evidence if known.seen else ())}
    assert 0 < len(found.sentences) <= SENTENCES_MAX
    assert found.text == " ".join(sentence.text for sentence in found.sentences)
    for sentence in found.sentences:
        assert set(sentence.cites) <= (there if not found.can_ask else {ASKED})
    assert found == ask(text, known)


def test_a_citation_of_what_is_not_there_is_not_said() -> None:
    result: Any = SEEN.result.model_copy(update={"findings": (Finding(statement="made up", cites=("X99",)),)})

    found = ask("why?", replace(KNOWN, seen=SEEN.model_copy(update={"result": result})))

    assert "made up" not in found.text
