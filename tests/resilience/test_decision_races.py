"""Two things happen to one question at the same moment: exactly one wins, and the other is told why.

Both pass through the real path and meet in the inbox of one incident. What won is read from what was said; the ledger
of the world must agree with it, and so must the pages.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from shared.events.incidents import IncidentSourceRecovered
from tests.resilience.house import LIMIT, RUNBOOK, House
from tests.resilience.matter import Matter, asked
from tests.support.kinds import eventually

AT_ONCE = 5
"""Rounds side by side, each with an incident and a run of its own."""
MANY = 200
"""Rounds of which each possible winner has won some."""
ROUNDS = [
    pytest.param(10, id="short", marks=pytest.mark.timeout(100)),
    pytest.param(MANY, id="long", marks=[pytest.mark.nightly, pytest.mark.timeout(1800)]),
]
pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

ENDS: Mapping[str, str] = {
    "execution.started": "runs",
    "approval.rejected": "rejected",
    "approval.expired": "expired",
    "approval.withdrawn": "withdrawn",
    "approval.superseded": "superseded",
    "execution.cancelled": "cancelled",
}
"""The event that ends a question, and what won then."""
BEFORE = (1.2, 0.15, 0.4, 0.1, 0.25, 0.06, 0.03, 0.01, -0.01, 0.02)
"""Seconds before its end at which a question is answered."""
ABOUT_QUESTION = ("approve", "reject", "withdraw")


@dataclass(frozen=True)
class Said:
    """What somebody did in a race, and the answer that came at once, if one came."""

    what: str
    decision_id: str = ""
    answer: str = ""


Act = Callable[[Matter], Awaitable[Said]]


def decision(verb: str, person: str) -> Act:
    """Return the act of deciding by the command, as a person does who has just looked."""

    async def act(matter: Matter) -> Said:
        subject = matter.approval if verb in ABOUT_QUESTION else matter.execution
        body = {"subject": subject, "plan_sha256": matter.question["plan_sha256"]}
        return _said(verb, await matter.command(verb, person, **body))

    return act


def _said(verb: str, answer: httpx.Response) -> Said:
    found = answer.json()
    return Said(verb, str(found.get("decision_id", "")), str(found.get("error", "")))


async def click(matter: Matter) -> Said:
    """Press Approve on the page."""
    answer = await matter.press("approve", "ann")
    return Said("click", answer="" if answer.status_code == 303 else answer.text)


async def recover(matter: Matter) -> Said:
    await matter.tell(IncidentSourceRecovered(recovered_at=datetime.now(UTC)))
    return Said("recover")


async def supersede(matter: Matter) -> Said:
    matter.recommendations += 1
    await matter.tell(matter.recommendation("restart-with-two"))
    return Said("supersede")


async def freeze(matter: Matter) -> Said:
    reply = await matter.freeze_here()
    return Said("freeze", answer=",".join(permit["execution"] for permit in reply["permits_out"]))


def just_before_the_end(number: int) -> Act:
    """Return the act of approving around the expiry: so close that either may win, also on a busy machine."""

    async def act(matter: Matter) -> Said:
        ends = datetime.fromisoformat(matter.question["expires_at"])
        left = (ends - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(left - BEFORE[number % len(BEFORE)])
        return Said("approve", decision_id=await matter.submit(matter.decision("approve", "ann")))

    return act


def following(event: str, does: Act) -> Act:
    """Return the act as soon as something was said: right between a grant and its claim, or right after the claim."""

    async def act(matter: Matter) -> Said:
        await matter.until(event)
        return await does(matter)

    return act


@dataclass
class Round:
    """One race that is over."""

    matter: Matter
    said: tuple[Said, ...]
    won: str

    def refusals(self) -> list[str]:
        """Return why decisions were refused by the executor."""
        return [one.body["why"] for one in self.matter.heard() if one.type == "approval.decision_refused"]

    def count(self, event_type: str) -> int:
        """Return how often something was said."""
        return sum(one.type == event_type for one in self.matter.heard())


async def run(matter: Matter, *acts: Act) -> Round:
    """Let acts begin at the same moment; return how it ended, once everything was ruled on and nothing is under way."""
    barrier = asyncio.Barrier(len(acts))

    async def act(does: Act) -> Said:
        async with barrier:
            pass
        return await does(matter)

    said = tuple(await asyncio.gather(*(act(does) for does in acts)))
    for one in said:
        if one.decision_id:
            await matter.ruled(one.decision_id)
    if said[0].what == "click":  # A form is answered without the number of its decision; one of two is refused.
        await matter.until("approval.decision_refused")
    await eventually(matter.is_settled, LIMIT)
    await matter.house.journaled(matter.incident)
    state = await matter.first()
    ends = [ENDS[one.type] for one in matter.heard() if one.type in ENDS and _is_about(one.body, matter)]
    assert len(ends) <= 1, ends
    won = ends[0] if ends else str(state["state"])
    assert len(matter.calls) == (won == "runs"), (won, matter.calls)
    for one in said:
        # Whoever was refused at once was told why by the answer.
        assert one.decision_id or one.what not in ABOUT_QUESTION or one.answer, one
    await matter.pages_agree()
    refused = [one.body for one in matter.heard() if one.type == "approval.decision_refused"]
    assert all(body["detail"] for body in refused), refused
    if won == "granted":  # It waits for the end of the freeze, and would look again and again.
        await matter.command("cancel", "eve", subject=matter.execution)
        await matter.until("execution.cancelled")
        await eventually(matter.is_settled, LIMIT)
        assert matter.calls == []
    return Round(matter, said, won)


def _is_about(body: Mapping[str, Any], matter: Matter) -> bool:
    return body.get("approval_id") == matter.approval


async def races(
    house: House,
    rounds: int,
    acts: Callable[[int], tuple[Act, ...]],
    runbook: str = RUNBOOK,
    *,
    at_once: int = AT_ONCE,
    follow: tuple[str, ...] = ("approval.granted", "execution.started"),
) -> list[Round]:
    """Run many rounds, a few side by side, each order of the acts in half of them.

    In each of a few of ten rounds the second act follows one of the events that the first one causes.
    """
    room = asyncio.Semaphore(at_once)
    followed = dict(zip((7, 9), follow, strict=False))

    def order(number: int) -> tuple[Act, ...]:
        given = acts(number)
        if number % 10 in followed and len(given) > 1:
            first, second = given
            return first, following(followed[number % 10], second)
        return given if number % 2 else given[::-1]

    async def one(number: int) -> Round:
        async with room:
            return await run(await asked(house, runbook), *order(number))

    return list(await asyncio.gather(*(one(number) for number in range(rounds))))


def tally(found: list[Round], *expected: str) -> None:
    """Assert that each ending is one of those expected and that, where there are many rounds, each of those came."""
    counted = Counter(one.won for one in found)
    print(dict(counted))  # noqa: T201 -- who won how often; a race that one always wins shows nothing of the other
    assert set(counted) <= set(expected), counted
    assert len(found) < MANY or set(counted) == set(expected), counted


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_approve_and_expire(house: House, rounds: int) -> None:
    acts = [(just_before_the_end(number),) for number in range(rounds)]
    found = await races(house, rounds, acts.__getitem__, "restart-in-two-seconds", at_once=2 * AT_ONCE)
    tally(found, "runs", "expired")
    for one in found:
        assert one.count("approval.granted") + len(one.refusals()) == 1
        assert one.won != "runs" or one.refusals() == []
        assert set(one.refusals()) <= {"expired", "already_decided"}


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_approve_and_reject(house: House, rounds: int) -> None:
    found = await races(house, rounds, lambda _: (decision("approve", "ann"), decision("reject", "ben")))
    tally(found, "runs", "rejected")
    for one in found:
        assert one.count("approval.granted") == (one.won == "runs")
        assert one.refusals() == ["already_decided"]


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_approve_and_withdraw(house: House, rounds: int) -> None:
    found = await races(house, rounds, lambda _: (decision("approve", "ann"), decision("withdraw", "eve")))
    tally(found, "runs", "withdrawn")
    for one in found:
        # A question that was granted a moment before is taken back too, until the claim.
        assert one.count("approval.granted") + len(one.refusals()) == (2 if one.won == "runs" else 1)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_approve_and_cancel(house: House, rounds: int) -> None:
    found = await races(house, rounds, lambda _: (decision("approve", "ann"), decision("cancel", "eve")))
    tally(found, "runs", "cancelled")
    for one in found:
        assert one.count("approval.granted") == 1
        assert one.won == "runs" or one.refusals() == []
        assert set(one.refusals()) <= {"not_started", "nothing_left"}
        assert one.won != "runs" or one.refusals() or one.count("execution.paused")


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_approve_and_recover(house: House, rounds: int) -> None:
    found = await races(house, rounds, lambda _: (decision("approve", "ann"), recover))
    tally(found, "runs", "withdrawn")
    for one in found:
        assert one.count("approval.granted") + len(one.refusals()) == 1
        assert one.won != "runs" or one.refusals() == []


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_two_approvers_where_one_is_needed(house: House, rounds: int) -> None:
    found = await races(house, rounds, lambda _: (decision("approve", "ann"), decision("approve", "ben")))
    tally(found, "runs")
    for one in found:
        assert one.count("approval.granted") == 1
        assert one.refusals() == ["already_decided"]


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_two_approvers_where_two_are_needed(house: House, rounds: int) -> None:
    acts = (decision("approve", "ann"), decision("approve", "ben"))
    found = await races(house, rounds, lambda _: acts, "restart-with-two", follow=("approval.vote_recorded",))
    tally(found, "runs")
    for one in found:
        assert (one.count("approval.vote_recorded"), one.count("approval.granted")) == (1, 1)
        assert one.refusals() == []


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_approve_and_a_plan_that_supersedes_it(house: House, rounds: int) -> None:
    found = await races(house, rounds, lambda _: (decision("approve", "ann"), supersede))
    tally(found, "runs", "superseded")
    for one in found:
        assert one.count("approval.granted") + len(one.refusals()) == 1
        if one.won == "runs":
            refused = await one.matter.until("plan.refused")
            assert (refused.body["why"], refused.body["detail"]) == ("busy", "an execution is under way")
        else:
            await one.matter.until("approval.requested", count=2)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_approve_and_freeze(house: House, rounds: int) -> None:
    found = await races(house, rounds, lambda _: (decision("approve", "ann"), freeze))
    tally(found, "runs", "granted")
    answers = set()
    for one in found:
        assert one.count("approval.granted") == 1
        (answer,) = (said.answer for said in one.said if said.what == "freeze")
        # Who freezes is told of the permit that is out already, unless its step is over by then.
        assert answer in ({one.matter.execution, ""} if one.won == "runs" else {""})
        answers.add(bool(answer))
        assert one.won == "runs" or one.count("execution.paused") == 1
    assert len(found) < MANY or True in answers


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_a_double_click(house: House, rounds: int) -> None:
    found = await races(house, rounds, lambda _: (click, click))
    tally(found, "runs")
    for one in found:
        assert one.count("approval.granted") == 1
        assert one.refusals() == ["already_decided"]


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_a_double_click_where_two_are_needed(house: House, rounds: int) -> None:
    found = await races(house, rounds, lambda _: (click, click), "restart-with-two", follow=("approval.vote_recorded",))
    tally(found, "pending")
    for one in found:
        assert one.count("approval.vote_recorded") == 1
        assert one.refusals() == ["same_person"]
