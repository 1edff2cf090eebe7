from __future__ import annotations

import pytest

from services.diagnoser.domain.summary import CITES_MAX, JOINED, durations, keep, span, summarize
from shared.incident.actor import Actor, automation
from shared.incident.incident import TimelineEntry
from shared.store.model import JSON
from tests.unit.diagnoser.alerts import time


def entry(second: int, type_: str) -> TimelineEntry:
    return TimelineEntry(id=f"{type_}@{second}", type=type_, at=time(second), actor=automation("x"), text="")


OPENED = entry(0, "incident.opened")
DIAGNOSED = entry(4, "diagnosis.concluded")
ASKED, APPROVED = entry(6, "approval.requested"), entry(66, "approval.granted")
FIXED, CLOSED = entry(300, "verification.passed"), entry(4000, "incident.closed")


@pytest.mark.parametrize(
    "story, detected, told",
    [
        pytest.param([], None, [], id="nothing without an opening"),
        pytest.param([OPENED], None, [], id="nothing when only the opening has happened"),
        pytest.param([OPENED, DIAGNOSED], None, ["From the opening to the diagnosis 4 s."], id="a diagnosis"),
        pytest.param(
            [OPENED, DIAGNOSED, ASKED, APPROVED, FIXED, CLOSED],
            None,
            [
                (
                    "From the opening to the diagnosis 4 s, from the question to the approval 1 min 0 s, "
                    "from the opening to the approval 1 min 6 s, from the opening to the verified fix 5 min 0 s, "
                    "from the opening to the end 1 h 6 min."
                )
            ],
            id="to approve and to fix",
        ),
        pytest.param(
            [OPENED],
            125.0,
            ["The first alert came 2 min 5 s after the first symptom that the diagnosis cites (data time)."],
            id="to detect, on the clock of the measurements",
        ),
    ],
)
def test_it_took(story: list[TimelineEntry], detected: float | None, told: list[str]) -> None:
    found = durations(story, detected=detected)

    assert [sentence.text for sentence in found] == told
    assert {cite for sentence in found for cite in sentence.cites} <= {line.id for line in story}


@pytest.mark.parametrize(
    "seconds, text",
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3600, "1 h 0 min"), (86_400, "1 d 0 h"), (-3, "0 s")],
)
def test_a_length_of_time_is_said(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    "text, told",
    [
        pytest.param("Approved by Pat", "Approved by Pat.", id="not again when the entry names them"),
        pytest.param("Rejected: too late", "Rejected: too late (Pat).", id="when the entry does not"),
    ],
)
def test_who_decided_is_said_once(text: str, told: str) -> None:
    pat = Actor(kind="person", id="pat", name="Pat")
    decided = APPROVED.model_copy(update={"text": text, "actor": pat})

    assert [sentence.text for sentence in summarize([decided])] == [told]


@pytest.mark.parametrize("joined", [0, 1, CITES_MAX, CITES_MAX + 3, 90])
def test_a_summary_is_the_same_when_most_of_what_says_that_alerts_joined_is_not_kept(joined: int) -> None:
    told = [entry(5 + number, JOINED).model_copy(update={"text": f"{number} joined"}) for number in range(joined)]
    whole = [OPENED, *told[: joined // 2], DIAGNOSED, *told[joined // 2 :], CLOSED]

    kept: list[JSON] = []
    for one in whole:
        kept = keep(kept, one.model_dump(mode="json"))

    story = [TimelineEntry.model_validate(one) for one in kept]
    assert summarize(story) == summarize(whole)
    assert [one for one in story if one.type == JOINED][-2:] == told[-2:]
    assert len(story) <= CITES_MAX + 5
