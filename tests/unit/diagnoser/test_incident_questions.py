"""Questions to one incident, through its transitions."""

from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.config import Config
from shared.errors import NotFoundError
from shared.events.people import QuestionAsked
from tests.unit.diagnoser.story import INCIDENT, PERSON, Story, runbook


@pytest.fixture
def story() -> Story:
    return Story()


def ask(story: Story, text: str) -> Any:  # noqa: ANN401 -- JSON
    question = QuestionAsked(request_id="req-1", actor=PERSON, incident_id=INCIDENT, text=text)
    story.tell(QuestionAsked.type, question.model_dump(mode="json"), "notifier/request/req-1")
    return story.body(story.types[-1])


def test_a_question_before_the_first_conclusion_is_answered_with_what_is_under_way(story: Story) -> None:
    story.open()

    answered = ask(story, "why?")

    assert answered["text"] == "No investigation has brought anything yet."
    assert answered["cites"] == ["diagnoser/2"]
    assert answered["not_checked"] == ["everything: no investigation has ended yet"]


def test_a_question_is_answered_from_the_newest_investigation_and_names_it(story: Story) -> None:
    story.open()
    story.conclude()

    answered = ask(story, "what is the cause?")

    assert answered["text"] == "Likely, at 90 %: memory leaks."
    assert answered["question_id"] == "req-1"
    assert answered["investigation_id"] == f"{INCIDENT}-i1"
    assert story.types[-1] == "question.answered"


def test_who_asks_what_to_do_learns_why_the_next_runbook_is_not_the_first() -> None:
    books = {name: runbook(name, digit * 64) for name, digit in (("restart", "1"), ("rotate", "2"))}
    story = Story(config=Config(runbooks=books))
    story.open()
    story.conclude()

    answered = ask(story, "what can I do?")

    made = next(event_id for event_id, event in story.events if event.type == "recommendation.made")
    [behind] = [sentence for sentence in answered["sentences"] if sentence["text"].startswith("Behind it")]
    assert behind["text"] == "Behind it, Restart it: as likely and as risky as restart; put in order by name."
    assert behind["cites"] == [made]


def test_a_closed_incident_still_answers(story: Story) -> None:
    story.open()
    story.conclude("inconclusive")
    story.ask("close")

    assert ask(story, "is it over?")["text"].startswith("Yes: the incident is closed")


def test_a_question_changes_nothing_else(story: Story) -> None:
    story.open()
    story.conclude()
    before = story.state | {"story": []}

    ask(story, "restart everything; why?")

    assert story.state | {"story": []} == before


def test_a_question_from_another_environment_is_refused(story: Story) -> None:
    story.open()
    story.environment = "live"

    assert ask(story, "why?")["why"] == "the incident belongs to sim:t"


def test_a_question_about_an_incident_that_was_never_opened_becomes_a_dead_letter(story: Story) -> None:
    with pytest.raises(NotFoundError, match="no such incident"):
        ask(story, "why?")
