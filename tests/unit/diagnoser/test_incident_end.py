"""One incident, from recovery to summary; and what people ask of it."""

from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.last_word import owed
from shared.events.investigations import EvidenceGathered, SummaryWritten
from shared.incident.diagnosis import DiagnosticResult, RankedCause
from shared.incident.enums import Severity
from shared.store.model import ACTIVITY_DONE
from tests.unit.diagnoser.aggregates import message
from tests.unit.diagnoser.alerts import alert, time
from tests.unit.diagnoser.story import CAUSE, Story, executed, recommended


@pytest.fixture
def story() -> Story:
    return Story()


def test_the_last_recovery_is_told_once(story: Story) -> None:
    story.open()
    story.attach(alert("mem"))

    story.recover()
    assert "incident.source_recovered" not in story.types
    story.recover(alert("mem"))
    story.recover(alert("mem"))

    assert story.types.count("incident.source_recovered") == 1


def test_an_incident_closes_when_resolved_and_investigated(story: Story) -> None:
    story.open()
    story.recover()
    story.wait(1)
    assert "incident.closed" not in story.types

    story.conclude("no_active_fault")
    decision = story.wait(0)

    assert "incident.closed" in story.types
    assert [(local.aggregate, local.type) for local in decision.messages] == [("scope/sim:t", "closed")]


def test_a_live_incident_stays_resolved_for_close_after() -> None:
    story = Story("live")
    story.open()
    story.conclude("inconclusive")
    story.recover()

    story.wait(899)
    assert "incident.closed" not in story.types
    story.wait(2)

    assert story.types[-2:] == ["incident.closed", "summary.written"]


ENDS = [
    pytest.param([("plan.refused", {"recommendation_id": "R", "why": "no_actuator"})], id="a refused plan"),
    pytest.param([("approval.rejected", {"approval_id": "a1"})], id="a rejection"),
    pytest.param([("approval.expired", {"approval_id": "a1"})], id="an expiry"),
    pytest.param([("approval.withdrawn", {"approval_id": "a1", "reason": "recovered"})], id="a withdrawal"),
    pytest.param([("approval.superseded", {"approval_id": "a1", "reason": "new"})], id="a supersede"),
    pytest.param(
        [
            ("execution.started", {"approval_id": "a1", "execution_id": "e1", "steps": []}),
            ("execution.cancelled", {"execution_id": "e1", "reason": "person"}),
        ],
        id="a cancelled execution",
    ),
    pytest.param(
        [
            ("approval.granted", {"approval_id": "a1", "actors": []}),
            ("execution.cancelled", {"execution_id": "e1", "reason": "recheck"}),
        ],
        id="an execution cancelled before its claim",
    ),
    pytest.param(
        [
            ("execution.started", {"approval_id": "a1", "execution_id": "e1", "steps": []}),
            ("execution.finished", {"execution_id": "e1", "outcome": "succeeded"}),
            ("verification.passed", {"execution_id": "e1", "result": {"condition": "ok"}}),
        ],
        id="a passed verification",
    ),
    pytest.param(
        [
            ("execution.started", {"approval_id": "a1", "execution_id": "e1", "steps": []}),
            ("execution.finished", {"execution_id": "e1", "outcome": "failed"}),
            ("rollback.started", {"execution_id": "e1", "reason": "failed"}),
            ("rollback.finished", {"execution_id": "e1", "outcome": "succeeded"}),
        ],
        id="a finished rollback",
    ),
    pytest.param([("handoff.requested", {"approval_id": "a1", "why": "nobody told"})], id="a handoff"),
]


@pytest.mark.parametrize("ends", ENDS)
def test_an_incident_closes_only_after_the_executors_last_word(story: Story, ends: list[tuple[str, Any]]) -> None:
    recommendation = recommended(story)
    if ends[0][0] != "plan.refused":
        story.executor("approval.requested", approval_id="a1", recommendation_id=recommendation)
    story.recover()

    for type_, body in ends:
        story.wait(5)
        assert "incident.closed" not in story.types
        story.executor(type_, **{k: recommendation if v == "R" else v for k, v in body.items()})
    story.wait(0)

    assert "incident.closed" in story.types


def test_a_copy_of_an_earlier_question_does_not_reopen_an_answered_one(story: Story) -> None:
    recommendation = recommended(story)
    story.executor("approval.requested", approval_id="a1", recommendation_id=recommendation)
    story.executor("approval.rejected", approval_id="a1")
    story.executor("approval.requested", approval_id="a1", recommendation_id=recommendation)
    story.recover()
    story.wait(0)

    assert "incident.closed" in story.types


def test_a_person_cannot_close_what_is_running(story: Story) -> None:
    executed(story)

    story.ask("close")

    assert story.body("incident.request_refused")["why"] == "running"
    assert "incident.closed" not in story.types


def test_a_person_closes_what_still_fires(story: Story) -> None:
    story.open()
    story.conclude("inconclusive")

    story.ask("close")

    assert story.body("incident.closed")["actor"]["id"] == "pat"


@pytest.mark.parametrize(
    "verb, arguments, event",
    [
        ("acknowledge", {}, "incident.acknowledged"),
        ("assign", {"assignee": "kim"}, "incident.assigned"),
        ("note", {"text": "looking"}, "incident.noted"),
        ("severity", {"severity": "sev1"}, "incident.severity_raised"),
    ],
)
def test_what_people_do_is_told_with_their_name(story: Story, verb: str, arguments: dict[str, str], event: str) -> None:
    story.open()

    decision = story.ask(verb, **arguments)

    assert story.body(event)["actor"]["id"] == "pat"
    assert decision.audit[-1]["actor"] == "pat"


@pytest.mark.parametrize(
    "verb, arguments, why",
    [
        ("assign", {}, "no assignee"),
        ("note", {"text": " "}, "no text"),
        ("severity", {"severity": "sev4"}, "never lowered"),
        ("severity", {"severity": "awful"}, "unknown severity"),
        ("reopen", {}, "open already"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    story: Story, verb: str, arguments: dict[str, str], why: str
) -> None:
    story.open()

    story.ask(verb, **arguments)

    assert why in story.body("incident.request_refused")["why"]


def test_a_person_reopens_a_closed_incident_and_it_is_looked_at_again(story: Story) -> None:
    story.open()
    story.conclude("inconclusive")
    story.ask("close")
    story.aggregate.now += 100

    decision = story.ask("reopen", reason="not over")

    assert story.types[-2:] == ["incident.reopened", "investigation.started"]
    assert [local.type for local in decision.messages] == ["reopened"]


def test_an_alert_that_crosses_the_close_reopens(story: Story) -> None:
    story.open()
    story.conclude("inconclusive")
    story.recover()
    story.wait(0)

    decision = story.attach(alert(at=200, cycle="c2"), "it fires again")

    assert [e.type for e in decision.events][:2] == ["incident.reopened", "incident.alerts_attached"]
    assert story.state["closed_at"] is None


def test_a_reopened_incident_recommends_again(story: Story) -> None:
    recommendation = recommended(story)
    story.executor("plan.refused", recommendation_id=recommendation, why="x")
    story.recover()
    story.wait(0)
    story.aggregate.now += 100

    story.attach(alert(at=200, cycle="c2"))
    story.conclude()

    assert story.types.count("recommendation.made") == 2


def test_a_worse_alert_raises_the_severity_and_a_milder_one_does_not_lower_it(story: Story) -> None:
    story.open()
    story.attach(alert("mem", severity=Severity.SEV1))
    story.attach(alert("disk", severity=Severity.SEV4))

    assert story.types.count("incident.severity_raised") == 1
    assert story.state["severity"] == "sev1"


def test_an_unanswered_recommendation_goes_out_again_three_times_then_the_executor_is_silent(story: Story) -> None:
    recommended(story)
    [event_id] = [event_id for event_id, event in story.events if event.type == "recommendation.made"]

    for _ in range(3):
        story.wait(60)
    copies = [(i, event.resend) for i, event in story.events if event.type == "recommendation.made"]
    assert copies == [(event_id, 0), (event_id, 1), (event_id, 2), (event_id, 3)]
    assert "incident.service_silent" not in story.types
    story.wait(60)

    assert story.body("incident.service_silent")["event_id"] == event_id


def test_an_answered_recommendation_does_not_go_out_again(story: Story) -> None:
    recommendation = recommended(story)
    story.executor("approval.requested", approval_id="a1", recommendation_id=recommendation)

    story.wait(300)

    assert [event.type for _, event in story.events].count("recommendation.made") == 1


def test_an_answer_that_came_only_when_it_was_sent_again_counts_and_once_more_changes_nothing(story: Story) -> None:
    recommendation = recommended(story)
    story.wait(60)
    answer = {"approval_id": "a1", "recommendation_id": recommendation}

    story.tell("approval.requested", answer, "executor/a1", time=time(500).isoformat(), resend="1")
    heard = story.state["debts"], story.state["stage"]
    story.executor("approval.rejected", approval_id="a1")
    story.tell("approval.requested", answer, "executor/a1", time=time(500).isoformat(), resend="2")

    assert heard == ({f"recommendation:{recommendation}": "ended", "approval:a1": "open"}, "awaiting_approval")
    assert story.state["stage"] == "rejected"


def test_a_copy_of_a_ruling_that_resumed_an_execution_begins_no_debt_that_has_ended(story: Story) -> None:
    executed(story)
    resumed = {"execution_id": "e1", "reason": "skip by Pat"}
    told = {"source": "signoff/executor", "time": time(500).isoformat()}
    story.tell("handoff.requested", {"why": "step_in_doubt", "execution_id": "e1"}, **told)
    story.tell("execution.resumed", resumed, "executor/ruling/1", **told)
    story.tell("handoff.requested", {"why": "deadline"}, **told)

    story.tell("execution.resumed", resumed, "executor/ruling/1", **told, resend="1")

    assert owed(story.state["debts"]) == []
    assert story.state["stage"] == "needs_human"


def test_what_has_not_come_back_from_the_bus_is_not_sent_again() -> None:
    story = Story()
    story.open()
    investigation = story.state["investigating"]
    found = {
        "result": DiagnosticResult(
            status="diagnosed",
            confidence=0.9,
            causes=(RankedCause(entity="h", cause=CAUSE, confidence=0.9, cites=("M01",)),),
        ).model_dump(mode="json"),
        "gathered": EvidenceGathered(investigation_id=investigation).model_dump(mode="json"),
    }
    done = message("d", ACTIVITY_DONE, {"id": investigation, "name": "investigate", "result": found})
    story.aggregate.give(done)

    for _ in range(5):
        assert story.aggregate.wait(60).events == []


def test_every_sentence_of_the_summary_cites_entries_of_the_timeline(story: Story) -> None:
    executed(story)
    story.executor(
        "verification.passed", execution_id="e1", result={"condition": "memory < 80 %", "observed": ["51 %"]}
    )
    story.recover()
    story.wait(0)

    assert story.types[-2:] == ["incident.closed", "summary.written"]
    summary = SummaryWritten.read(story.body("summary.written"))
    known = {entry["id"] for entry in story.state["story"]}
    assert all(set(sentence.cites) <= known for sentence in summary.sentences)
    text = " ".join(sentence.text for sentence in summary.sentences)
    for words in ("memory leaks", "Restart it", "Pat", "Step Restart done", "memory < 80 %", "closed"):
        assert words in text


def test_another_environment_changes_nothing(story: Story) -> None:
    recommendation = recommended(story)
    forged = message("f", "plan.refused", {"recommendation_id": recommendation, "why": "x"}, environment="sim:other")

    story.aggregate.give(forged)

    assert story.state["debts"] == {f"recommendation:{recommendation}": "open"}
