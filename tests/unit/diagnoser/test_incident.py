"""One incident, from opening to recommendation."""

from __future__ import annotations

import zlib
from typing import Any

import orjson
import pytest

from services.diagnoser.domain.finding_out import packed
from shared.errors import NotFoundError
from shared.events.investigations import CollectorOutcome
from shared.store.model import ACTIVITY_DONE, STATE_MAX
from tests.unit.diagnoser.aggregates import message
from tests.unit.diagnoser.alerts import alert
from tests.unit.diagnoser.story import INCIDENT, Story, recommended


@pytest.fixture
def story() -> Story:
    return Story()


def test_the_first_event_is_incident_opened_and_an_investigation_starts(story: Story) -> None:
    decision = story.open()

    assert story.types == ["incident.opened", "investigation.started"]
    [activity] = decision.activities
    assert (activity.name, activity.kind) == ("investigate", "repeatable")
    assert activity.args["services"] == ["shop"]


def test_nothing_happens_for_an_incident_that_was_never_opened() -> None:
    story = Story()

    story.executor("approval.requested", approval_id="a", recommendation_id="r")

    assert story.state is None
    assert story.types == []


def test_a_request_about_an_incident_that_was_never_opened_becomes_a_dead_letter() -> None:
    story = Story()

    with pytest.raises(NotFoundError, match="no such incident"):
        story.ask("close")


def test_a_request_from_another_environment_is_refused(story: Story) -> None:
    story.open()
    story.environment = "live"

    story.ask("close")

    assert story.body("incident.request_refused")["why"] == "the incident belongs to sim:t"


def test_a_diagnosis_leads_to_a_ranked_recommendation_by_id_and_digest(story: Story) -> None:
    recommended(story)

    assert story.types[2:] == [
        "evidence.gathered",
        "incident.classified",
        "diagnosis.concluded",
        "recommendation.made",
    ]
    [item] = story.body("recommendation.made")["recommendations"]["items"]
    assert (item["runbook_id"], item["runbook_sha256"]) == ("restart", "1" * 64)
    assert item["parameters"] == {"host": "host-1"}


@pytest.mark.parametrize("status", ["inconclusive", "no_active_fault"])
def test_without_a_diagnosis_nothing_is_recommended(story: Story, status: str) -> None:
    story.open()

    story.conclude(status)

    assert story.types[-1] == f"diagnosis.{status}"
    assert "recommendation.made" not in story.types


def test_a_runbook_is_not_recommended_below_its_confidence(story: Story) -> None:
    story.open()

    story.conclude(confidence=0.4)

    assert story.body("recommendation.made")["recommendations"]["items"] == []


def test_at_most_one_investigation_runs_and_news_start_one_more_after_a_minute(story: Story) -> None:
    story.open()
    assert story.attach(alert("mem", metric="mem.used")).activities == []
    assert story.conclude().activities == []

    assert story.wait(59).activities == []
    assert len(story.wait(1.1).activities) == 1


def test_several_alerts_that_join_at_once_are_one_event(story: Story) -> None:
    story.open()
    joining = [
        {"message_id": f"r{name}", "alert": alert(name).model_dump(mode="json"), "reason": "same_service: shop"}
        for name in ("mem", "disk")
    ]

    decision = story.tell("attach", {"alerts": joining})

    [event] = decision.events
    assert event.type == "incident.alerts_attached"
    assert [one["message_id"] for one in event.body["alerts"]] == ["rmem", "rdisk"]
    assert (event.body["total"], story.state["firing"]) == (3, 3)


def test_an_alert_that_was_sent_by_an_earlier_version_still_joins(story: Story) -> None:
    story.open()

    earlier = {"message_id": "r2", "alert": alert("mem").model_dump(mode="json"), "reason": "same_service: shop"}
    decision = story.tell("attach", earlier)

    assert [event.body["total"] for event in decision.events] == [2]


def test_very_many_alerts_with_long_titles_in_any_script_do_not_fill_the_state(story: Story) -> None:
    story.open()
    services = tuple("\u30b5" * 98 + f"{number:02}" for number in range(20))
    for number in range(120):
        story.attach(alert(f"m{number}", title=f"{number:03}" + "\u9ad8" * 497, services=services))

    assert len(orjson.dumps(story.state)) < STATE_MAX * 0.6


def test_the_same_symptoms_again_start_no_investigation(story: Story) -> None:
    story.open()
    story.conclude()

    story.attach(alert())

    assert story.wait(120).activities == []


def test_a_result_of_an_investigation_that_is_not_waited_for_counts_no_more(story: Story) -> None:
    story.open()
    before = list(story.types)

    story.tell(ACTIVITY_DONE, {"id": f"{INCIDENT}-i9", "name": "investigate", "result": {}})

    assert story.types == before


@pytest.mark.parametrize("number", [1, 9], ids=["waited for", "not waited for any more"])
def test_all_that_an_investigation_saw_is_kept_with_what_is_said_of_it(story: Story, number: int) -> None:
    story.open()
    kept = {"fence": 2, "data": packed({"case": {"alerts": []}})}

    result = {"error": {"reason": "bug"}, "kept": kept}
    decision = story.tell(ACTIVITY_DONE, {"id": f"{INCIDENT}-i{number}", "name": "investigate", "result": result})

    [record] = decision.records
    named = {name: record.values[name] for name in ("id", "fence", "incident_id")}
    assert named == {"id": f"{INCIDENT}-i{number}", "fence": 2, "incident_id": INCIDENT}
    assert orjson.loads(zlib.decompress(record.values["data"])) == {"case": {"alerts": []}}


def test_an_investigation_that_breaks_is_inconclusive_and_says_so(story: Story) -> None:
    story.open()
    investigation = story.state["investigating"]

    story.tell(ACTIVITY_DONE, {"id": investigation, "name": "investigate", "result": {"error": {"reason": "bug"}}})

    assert story.types[-1] == "diagnosis.inconclusive"
    assert story.body("diagnosis.inconclusive")["result"]["degraded"].startswith("bug")
    assert story.state["investigating"] == ""


def test_a_result_that_cannot_be_taken_leaves_the_incident_alive(story: Story) -> None:
    story.open()
    broken = message("x", ACTIVITY_DONE, {"id": story.state["investigating"], "name": "investigate", "result": {}})

    decision = story.aggregate.bury(broken)

    assert [event.type for event in decision.events] == ["diagnosis.inconclusive"]
    assert story.state["investigating"] == ""


def second_look(story: Story, **more: Any) -> None:  # noqa: ANN401 -- as Story.conclude
    story.attach(alert("mem", metric="mem.used"))
    story.wait(61)
    story.conclude(**more)


LATE = CollectorOutcome(collector="metrics", outcome="timeout")


@pytest.mark.parametrize(
    "status,outcome,again",
    [
        pytest.param("inconclusive", "timeout", True, id="who was late"),
        pytest.param("inconclusive", "failed", True, id="who failed"),
        pytest.param("no_active_fault", "failed", True, id="though all that was read is well"),
        pytest.param("inconclusive", "gap", False, id="not who is not connected"),
        pytest.param("inconclusive", "empty", False, id="not who found nothing"),
        pytest.param("diagnosed", "timeout", False, id="not where a cause is known all the same"),
    ],
)
def test_it_is_looked_at_again_for(story: Story, status: str, outcome: str, *, again: bool) -> None:
    story.open()
    story.conclude(status, collectors=(LATE.model_copy(update={"outcome": outcome}),))
    assert story.types.count("investigation.started") == 1

    story.wait(61)

    assert story.types.count("investigation.started") == 1 + again
    if again:
        assert story.body("investigation.started")["reason"] == "what could not be read may have come"


def test_what_is_never_read_is_looked_for_four_times(story: Story) -> None:
    story.open()
    for _ in range(6):
        if story.state["investigating"]:
            story.conclude("inconclusive", collectors=(LATE,))
        story.wait(61)

    assert story.types.count("investigation.started") == 4


def test_what_has_recovered_is_not_looked_at_for_what_could_not_be_read(story: Story) -> None:
    story.open()
    story.conclude("inconclusive", collectors=(LATE,))
    story.recover()

    story.wait(61)

    assert story.types.count("investigation.started") == 1


def test_the_same_recommendation_is_not_made_twice(story: Story) -> None:
    recommended(story)

    second_look(story)

    assert story.types.count("recommendation.made") == 1


def test_another_target_supersedes_the_recommendation(story: Story) -> None:
    first = recommended(story)

    second_look(story, entity="host-2")

    assert story.types[-2:] == ["recommendation.superseded", "recommendation.made"]
    assert story.body("recommendation.superseded")["recommendation_id"] == first


def test_nothing_is_superseded_after_the_claim(story: Story) -> None:
    recommendation = recommended(story)
    story.attach(alert("mem", metric="mem.used"))
    story.wait(61)
    story.executor("approval.requested", approval_id="a1", recommendation_id=recommendation)
    story.executor("execution.started", approval_id="a1", execution_id="e1", steps=[])

    story.conclude(entity="host-2")

    assert "recommendation.superseded" not in story.types
    assert story.types.count("recommendation.made") == 1


def test_an_inconclusive_fresh_look_takes_nothing_back(story: Story) -> None:
    recommended(story)

    second_look(story, status="inconclusive")

    assert "recommendation.superseded" not in story.types


def test_a_person_has_it_looked_at_again_though_nothing_changed(story: Story) -> None:
    story.open()
    story.conclude()
    story.wait(61)

    decision = story.ask("investigate")

    started = story.body("investigation.started")
    assert len(decision.activities) == 1
    assert (started["reason"], started["request_id"], started["actor"]["id"]) == ("Pat asked", "q", "pat")


def test_a_person_who_asks_too_soon_waits_for_the_interval_and_for_the_one_that_runs(story: Story) -> None:
    story.open()
    assert story.ask("investigate").activities == []
    assert story.conclude().activities == []
    assert story.wait(59).activities == []

    assert len(story.wait(1.1).activities) == 1
    story.conclude()
    assert story.wait(120).activities == [], "one request is one look"


def test_a_second_person_is_told_that_it_begins_soon(story: Story) -> None:
    story.open()
    story.ask("investigate")

    story.ask("investigate")

    assert story.body("incident.request_refused")["why"] == "Pat has asked already, and it begins soon"


def test_a_closed_incident_is_not_investigated(story: Story) -> None:
    story.open()
    story.conclude("inconclusive")
    story.ask("close")

    story.ask("investigate")

    assert story.body("incident.request_refused")["why"] == "closed; reopen it and it is investigated again"


def test_who_waits_for_a_look_is_told_when_the_incident_is_closed_first(story: Story) -> None:
    story.open()
    story.ask("investigate")

    story.ask("close")

    refused = story.body("incident.request_refused")
    assert (refused["verb"], refused["why"]) == ("investigate", "the incident was closed before it could begin")


def test_an_incident_that_has_recovered_stays_open_until_a_person_got_the_look_they_asked_for(story: Story) -> None:
    story.open()
    story.ask("investigate")
    story.conclude("inconclusive")

    story.recover()

    assert story.state["closed_at"] is None
    assert len(story.wait(61).activities) == 1
    story.conclude("no_active_fault")
    story.wait(0)
    assert story.types[-2:] == ["incident.closed", "summary.written"]


def test_a_changed_answer_supersedes_and_says_what_changed(story: Story) -> None:
    story.open()
    story.conclude(confidence=0.9)
    assert story.body("diagnosis.concluded")["changed"] == []
    story.wait(61)
    story.ask("investigate")

    story.conclude(entity="host-2", confidence=0.7)

    changed = ["place host-1 → host-2", "confidence 90 % → 70 %"]
    assert story.body("diagnosis.concluded")["changed"] == changed
    superseded = story.body("recommendation.superseded")
    assert superseded["reason"] == "place host-1 → host-2, host host-1 → host-2, confidence 90 % → 70 %"
    assert superseded["superseded_by"] == story.body("recommendation.made")["recommendation_id"]
