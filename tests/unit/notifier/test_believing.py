"""What a page repeats of what the log says, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from services.notifier.domain.believing import disbelieved, doubt
from shared.events.approvals import ApprovalGranted
from shared.events.executions import HandoffRequested
from shared.events.payload import Payload
from shared.events.people import DecisionSubmitted
from shared.lifecycle.timeline import Told, entry
from shared.runtime.secrets import new_key, private_key
from tests.unit.notifier.story import APPROVAL, EXECUTION, PEM, executed, granted, signed, until_asked

KEYS = {"test": private_key(PEM).public_key()}


def told(payload: Payload, source: str = "", **body: Any) -> Told:  # noqa: ANN401 -- fields of a body
    given = {**payload.model_dump(mode="json"), **body}
    return Told("e1", payload.type, "2026-11-03T03:00:00Z", source or f"signoff/{payload.owner}", given)


def why(event: Told, *, granted: tuple[str, ...] = (), met: tuple[str, ...] = ()) -> str:
    return doubt(event, keys=KEYS, granted=granted, met=met)


def test_a_whole_story_is_believed_step_by_step() -> None:
    approvals: tuple[str, ...] = ()
    executions: tuple[str, ...] = ()
    for payload in (*until_asked(), granted(), *executed()):
        assert why(told(payload), granted=approvals, met=executions) == "", payload.type
        approvals = (APPROVAL,) if isinstance(payload, ApprovalGranted) else approvals
        executions = (EXECUTION,) if payload.type == "execution.started" else executions


@pytest.mark.parametrize(
    "changes, reason",
    [
        pytest.param({"signed": []}, "nobody signed this", id="nothing signed"),
        pytest.param({"approval_id": "apr-2"}, "nobody signed this", id="about another question"),
        pytest.param({"actors": [{"kind": "person", "id": "eve"}]}, "nobody signed this", id="by another person"),
        pytest.param({"actors": []}, "it cannot be read", id="by nobody"),
        pytest.param({"signed": [3]}, "it cannot be read", id="a number for signed words"),
        pytest.param({"signed": 3}, "it cannot be read", id="a number for a list"),
    ],
)
def test_an_approval_is_believed_only_with_the_words_of_all_it_names(changes: dict[str, Any], reason: str) -> None:
    assert why(told(granted(), **changes)) == reason


def test_words_that_a_stranger_signed_are_nobodys() -> None:
    stranger = {"test": private_key(new_key()).public_key()}
    event = told(granted())
    assert doubt(event, keys=stranger, granted=(), met=()).startswith("nobody signed this: the signature does not fit")
    assert doubt(event, keys={}, granted=(), met=()) == "nobody signed this: key 'test' is not trusted"


def test_a_rejection_approves_nothing() -> None:
    rejection = [one.model_dump() for one in signed("reject")]
    assert why(told(granted(), signed=rejection)) == "nobody signed this"


def test_nothing_runs_on_the_page_that_nobody_approved() -> None:
    started, *others = executed()[:4]
    assert why(told(started)) == "nobody approved what it rests on"
    assert {why(told(other)) for other in others} == {"no such execution has begun"}


@pytest.mark.parametrize("name", [-1, [None], {"id": EXECUTION}], ids=["a number", "a list", "an object"])
def test_an_execution_whose_name_is_no_text_is_none(name: object) -> None:
    assert why(told(executed()[0], execution_id=name), granted=(APPROVAL,)) == "it cannot be read"


def test_a_person_may_be_asked_to_take_over_whatever_was_heard_before() -> None:
    assert why(told(HandoffRequested(why="parked", execution_id=EXECUTION))) == ""


def test_a_service_says_only_what_is_its_own() -> None:
    assert why(told(granted(), "signoff/diagnoser")) == "signoff/diagnoser has no say in this"
    assert why(told(granted(), "")) == ""
    submitted = DecisionSubmitted(decision="{}", signature="")
    assert why(told(submitted)) == "signoff/notifier has no say in this"


def test_an_event_of_a_newer_version_is_kept_as_it_is() -> None:
    assert why(Told("e1", "approval.levitated", "2026-11-03T03:00:00Z", "anybody", {})) == ""


def test_what_is_not_believed_is_kept_and_told_under_a_name_of_its_own() -> None:
    kept = disbelieved(told(granted()), "nobody signed this")
    assert kept.id == "e1/disbelieved"
    assert kept.body["record"]["approval_id"] == APPROVAL
    line = entry(kept)
    assert line is not None
    assert line.text == "A record that says approval.granted was not believed: nobody signed this"
