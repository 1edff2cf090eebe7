"""Verdicts on one incident, through its transitions."""

from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.adapters.cause_files import cause_names
from services.diagnoser.domain.cause_names import near
from services.diagnoser.domain.config import Config
from services.diagnoser.engines.offline.catalogue import load_catalogue
from shared.errors import NotFoundError
from shared.events.people import FeedbackGiven
from shared.incident.actor import Actor
from shared.store.model import Decision, Record
from tests.unit.diagnoser.story import CAUSE, INCIDENT, PERSON, Story


@pytest.fixture
def story() -> Story:
    found = Story()
    found.open()
    return found


def judge(story: Story, verdict: str, cause: str | None = None, actor: Actor = PERSON) -> Decision:
    given = FeedbackGiven.model_validate(
        {"request_id": "req-1", "actor": actor, "incident_id": INCIDENT, "verdict": verdict, "cause": cause}
    )
    return story.tell(FeedbackGiven.type, given.model_dump(mode="json"))


def kept(decision: Decision, table: str = "verdict") -> list[dict[str, Any]]:
    return [dict(record.values) for record in decision.records if record.table == table]


def test_a_verdict_is_kept_with_what_was_named_and_how_sure_it_was(story: Story) -> None:
    story.conclude(confidence=0.8)

    [values] = kept(judge(story, "wrong", "db.pool"))

    assert values == {
        "incident_id": INCIDENT,
        "person": "pat",
        "environment": "sim:t",
        "cause": CAUSE,
        "confidence": 0.8,
        "verdict": "wrong",
        "actual": "db.pool",
        "at": story.aggregate.now,
    }
    noted = story.body("incident.noted")
    assert (noted["verdict"], noted["request_id"]) == ("wrong", "req-1")
    assert noted["text"] == f"The diagnosis was wrong: not {CAUSE}; it was db.pool"


def test_right_says_that_the_cause_was_the_named_one(story: Story) -> None:
    story.conclude()

    [values] = kept(judge(story, "right"))

    assert values["actual"] == CAUSE
    assert story.body("incident.noted")["text"] == f"The diagnosis was right: {CAUSE}"


def test_a_closed_incident_can_still_be_judged(story: Story) -> None:
    story.conclude()
    story.executor("plan.refused", recommendation_id=f"{INCIDENT}-r1", runbook_id="restart", why="no_actuator")
    story.ask("close")

    assert kept(judge(story, "right"))


def test_without_a_named_cause_a_person_can_say_which_it_was(story: Story) -> None:
    story.conclude("inconclusive")

    [values] = kept(judge(story, "wrong", "db.pool"))

    assert (values["cause"], values["actual"]) == ("", "db.pool")


NOTHING = "no cause was named; say `wrong` with the cause that it was"


@pytest.mark.parametrize(
    "status, verdict, cause, why",
    [
        pytest.param("", "right", None, "nothing has been concluded yet", id="before the first conclusion"),
        pytest.param("inconclusive", "right", None, NOTHING, id="right about nothing"),
        pytest.param("inconclusive", "wrong", None, NOTHING, id="wrong about nothing"),
        pytest.param(
            "diagnosed",
            "wrong",
            CAUSE,
            f"{CAUSE} is what the diagnosis says; say `right`, or name another cause",
            id="wrong with the cause that was named",
        ),
        pytest.param(
            "diagnosed",
            "right",
            "db.pool",
            f"the diagnosis says {CAUSE}, not db.pool; say `wrong`",
            id="right with another cause",
        ),
    ],
)
def test_a_verdict_is_refused(story: Story, status: str, verdict: str, cause: str | None, why: str) -> None:
    if status:
        story.conclude(status)

    assert kept(judge(story, verdict, cause)) == []

    assert story.body("incident.request_refused")["why"] == why


KNOWN = frozenset({CAUSE, "saturation.memory", "saturation.disk_full", "data.slow_query"})
ONLY_KNOWN = Config(causes=KNOWN)


@pytest.mark.parametrize(
    "cause, why",
    [
        pytest.param("saturation.memory", "", id="a cause of the catalogue"),
        pytest.param("unknown", "", id="nobody knows which"),
        pytest.param(None, "", id="none is named"),
        pytest.param(
            "saturation.memroy",
            "no cause 'saturation.memroy'; did you mean 'saturation.memory'",
            id="a slip of the pen",
        ),
        pytest.param("disk", "no cause 'disk'; did you mean 'saturation.disk_full'?", id="only a part of a name"),
        pytest.param("zzz", "no cause 'zzz'; say `unknown`", id="nothing like it"),
    ],
)
def test_which_cause_it_was_is_one_of_the_catalogue(cause: str | None, why: str) -> None:
    story = Story(config=ONLY_KNOWN)
    story.open()
    story.conclude()

    found = kept(judge(story, "wrong", cause))

    assert bool(found) is not bool(why)
    if why:
        assert story.body("incident.request_refused")["why"].startswith(why)


def test_the_names_that_a_verdict_may_use_are_those_of_the_catalogue() -> None:
    assert cause_names() == {cause.id for cause in load_catalogue().causes}


def test_a_family_alone_is_answered_with_its_causes() -> None:
    assert near("saturation", KNOWN) == ["saturation.disk_full", "saturation.memory"]
    assert near("", KNOWN) == []


def test_a_verdict_from_another_environment_counts_for_nothing(story: Story) -> None:
    story.conclude()
    story.environment = "live"

    assert kept(judge(story, "right")) == []


def test_a_verdict_on_an_incident_that_was_never_opened_becomes_a_dead_letter() -> None:
    with pytest.raises(NotFoundError, match="no such incident"):
        judge(Story(), "right")


def test_an_incident_is_remembered_by_what_it_showed_and_looked_at_once_it_is_closed(story: Story) -> None:
    [remembered] = kept(story.conclude("inconclusive"), "past_incident")
    assert (remembered["cause"], remembered["closed_at"]) == ("", None)

    [closed] = kept(story.ask("close"), "past_incident")

    assert closed["closed_at"] == story.aggregate.now
    assert "signs" not in closed, "what it showed stays"
    assert Record("past_incident", closed).values["environment"] == "sim:t"
