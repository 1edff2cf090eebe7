"""The transition of an incident, called as the store calls it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from services.notifier.domain.config import Config
from services.notifier.domain.notice import Notice
from services.notifier.handlers.incident import REFOLDED, Incident
from services.notifier.handlers.posting import Posting
from services.notifier.handlers.telling import ROW
from shared.errors import UnavailableError
from shared.events.approvals import ApprovalGranted
from shared.events.incidents import IncidentNoted
from shared.events.payload import Payload
from shared.runtime.secrets import private_key
from shared.store.model import ACTIVITY_DONE, Decision, Message
from shared.store.port import Claimed
from tests.unit.notifier.story import APPROVAL, APPROVER, INCIDENT, PEM, RUN, executed, granted, opened, until_asked

CONFIG = Config("http://127.0.0.1:8700", simulated=("terminal", "slack"), keys={"test": private_key(PEM).public_key()})
NOW = 1_790_000_000.0


def event(payload: Payload, number: int, **meta: str) -> Message:
    """Return a consumed event."""
    given = {
        "environment": RUN,
        "subject": INCIDENT,
        "time": "2026-11-03T03:00:00Z",
        "source": f"signoff/{payload.owner}",
        **meta,
    }
    return Message(number, f"e{number}", payload.type, payload.model_dump(mode="json"), given)


def decide(state: Any, *messages: Message, config: Config = CONFIG) -> Decision:  # noqa: ANN401 -- any JSON value
    """Decide a batch; the state goes through JSON, as in the store."""
    return Incident().decide(config, orjson.loads(orjson.dumps(state)), {}, messages, NOW)


def story() -> list[Message]:
    """Return the story up to the question."""
    return [event(payload, number) for number, payload in enumerate(until_asked(), start=1)]


def done(decision: Decision, channel: str, **result: Any) -> Message:  # noqa: ANN401 -- any JSON value
    """Return the end of the post that a decision started on a channel."""
    activity = next(one for one in decision.activities if one.args["channel"] == channel)
    return Message(90, f"{activity.id}:done", ACTIVITY_DONE, {"id": activity.id, "name": "post", "result": result})


def test_a_batch_makes_one_version_and_one_post_a_channel() -> None:
    decision = decide(None, *story())
    assert decision.state["version"] == 1
    assert [activity.args["channel"] for activity in decision.activities] == ["terminal", "slack"]
    assert [record.feed for record in decision.records if record.feed] == [INCIDENT]


def test_what_is_under_way_is_followed_by_the_newest_version_only() -> None:
    first = decide(None, event(opened(), 1))
    second = decide(first.state, *story()[1:])
    assert second.activities == []
    third = decide(second.state, done(first, "slack", version=1, stage="open", approval=""))
    (follow,) = third.activities
    assert follow.args == {"incident": INCIDENT, "environment": RUN, "channel": "slack", "stage": "open"}
    assert second.rows[ROW].value["version"] == 2


def test_a_post_that_read_the_newest_version_needs_no_other() -> None:
    first = decide(None, event(opened(), 1))
    second = decide(first.state, *story()[1:])
    third = decide(second.state, done(first, "slack", version=2, stage="awaiting_approval", approval=APPROVAL))
    assert third.activities == []
    assert [sent.type for sent in third.events] == ["notice.posted"]


def test_a_channel_that_refuses_a_post_tells_nobody_of_the_question_and_is_in_the_audit() -> None:
    first = decide(None, *story())
    second = decide(first.state, done(first, "slack", error={"reason": "refused", "detail": "no such channel"}))
    assert second.events == []
    assert second.activities == []
    assert second.audit == [
        {"what": "post_failed", "channel": "slack", "reason": "refused", "detail": "no such channel"}
    ]


def test_the_end_of_a_post_that_nobody_waits_for_changes_nothing() -> None:
    first = decide(None, *story())
    end = done(first, "slack", version=1, stage="awaiting_approval", approval=APPROVAL)
    second = decide(first.state, end)
    assert decide(second.state, end).events == []


def test_an_event_that_changes_nothing_told_makes_no_new_version() -> None:
    first = decide(None, *story())
    note = IncidentNoted(actor=APPROVER, text="looking")
    assert decide(first.state, event(note, 20)).state["version"] == 1


@pytest.mark.parametrize("place,cause", [(6, "folded anew"), (5, "Memory leak after the deploy of shop v2")])
def test_an_overview_folded_anew_counts_only_if_nothing_happened_meanwhile(place: int, cause: str) -> None:
    first = decide(None, *story())
    overview = {**first.state["overview"], "cause": "folded anew"}
    message = Message(30, "refold", REFOLDED, {"n": place, "overview": overview})
    assert decide(first.state, message).state["overview"]["cause"] == cause


def test_nothing_is_told_of_production_where_no_channel_serves_it() -> None:
    events = [event(payload, number, environment="live") for number, payload in enumerate(until_asked(), start=1)]
    assert decide(None, *events).activities == []


def test_a_command_for_an_incident_that_never_was_is_answered() -> None:
    decision = decide(None, Message(1, "c1", "decide", {}))
    assert decision.replies == {"c1": {"error": "not_found"}}
    assert decision.state is None


def test_a_body_that_is_no_object_is_a_dead_letter_and_the_incident_goes_on() -> None:
    first = decide(None, *story())
    odd = Message(40, "odd", ApprovalGranted.type, ["not", "an", "object"], {"environment": RUN})
    with pytest.raises(ValueError, match="not an object"):
        decide(first.state, odd)
    assert Incident().on_dead(first.state, odd, "why").state == first.state
    assert decide(first.state, event(granted(), 41)).state["overview"]["approval"] is None


def test_a_forged_execution_that_has_no_name_leaves_an_incident_that_goes_on() -> None:
    approved = decide(decide(None, *story()).state, event(granted(), 20))
    forged = event(executed()[0], 21)
    forged.body["execution_id"] = [None]
    after = decide(approved.state, forged)
    assert decide(after.state, event(executed()[0], 22)).state["overview"]["incident"]["stage"] == "executing"


async def test_a_post_whose_lease_is_gone_posts_nothing() -> None:
    posts: list[Notice] = []

    class Kept:
        async def post(self, environment: str, marker: str, notice: Notice) -> None:
            del environment, marker
            posts.append(notice)

    class Rows:
        async def rows(self, aggregate: str, prefix: str) -> dict[str, Any]:
            del aggregate
            return {prefix: {"version": 3, "notice": decide(None, *story()).rows[ROW].value["notice"]}}

    async def gone() -> bool:
        return False

    async def held() -> bool:
        return True

    args = {"incident": INCIDENT, "environment": RUN, "channel": "slack", "stage": "awaiting_approval"}
    claimed = Claimed("a", "incident/x", "repeatable", "post", args, 1, 60.0)
    posting = Posting(Rows(), {"slack": Kept()})  # type: ignore[arg-type]  # reads one row of a store
    with pytest.raises(UnavailableError):
        await posting.post(claimed, gone)
    assert posts == []
    assert await posting.post(claimed, held) == {
        "version": 3,
        "stage": "awaiting_approval",
        "approval": APPROVAL,
    }
    assert posts[0].line == ""
