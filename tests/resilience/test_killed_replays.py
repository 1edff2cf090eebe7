"""Replays with an approver, and everything killed at one failpoint after the other; then the checker reads it all."""

from __future__ import annotations

import copy
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.resilience.checker import Remains, Verdict, at_rest, check, of_folder, told
from tests.resilience.cluster import DONE
from tests.resilience.conftest import Enter
from tests.resilience.report import Line
from tests.resilience.test_crash import ACKNOWLEDGED, POINTS
from tests.support.signoff import Signoff, until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]

HITS = {
    "bus.before_append": 9,
    "bus.after_append": 14,
    "intake.before_take": 11,
    "intake.after_take": 16,
    "store.before_commit": 25,
    "store.after_commit": 40,
    "store.before_reply": 30,
    "activity.after_claim": 4,
    "activity.after_call": 3,
    "activity.before_finish": 2,
    "activity.after_finish": 5,
    "relay.before_send": 6,
    "relay.after_send": 8,
    "relay.before_delete": 5,
    "relay.after_delete": 7,
}
"""Failpoint -> at which visit everything ends, in the middle of a replay."""
SHORT = ("store.after_commit", "relay.after_send", "activity.after_finish", "intake.after_take")
DEATH_LIMIT, END_LIMIT = 60.0, 240.0


def test_every_failpoint_of_the_embedded_form_ends_replays_in_this_suite() -> None:
    assert set(HITS) == set(POINTS) - ACKNOWLEDGED


@dataclass(frozen=True, slots=True)
class Survived:
    """What is left after all kills, and how many there were."""

    kills: int
    remains: Remains


def live_and_die(signoff: Signoff, number: int, failpoint: str) -> None:
    """Start everything, begin one more replay, and go on until the failpoint ends it."""
    signoff.env = {"SIGNOFF_TEST_BUILD": "1", "SIGNOFF_FAILPOINT": failpoint}
    signoff.said_in("up").unlink(missing_ok=True)
    process = signoff.start("up", "up", "--any-port")

    def ready_or_dead() -> bool | None:
        return "signoff is ready" in signoff.said("up") or process.poll() is not None or None

    until(ready_or_dead, limit=DEATH_LIMIT, what="a start")
    signoff.env = {}
    client = signoff.start(f"replay-{number}", "replay", "high_cpu", "--approve", "auto", "--speed", "60", "--wait")
    try:
        code = process.wait(DEATH_LIMIT)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{failpoint} was not reached: {signoff.said('up')[-2000:]}") from None
    assert code == -signal.SIGKILL, f"{failpoint}: exit {code}: {signoff.said('up')[-3000:]}"
    client.terminate()
    client.wait()


def end_all(signoff: Signoff) -> None:
    """Start everything once more, approve what waits, and stop when every incident has ended."""
    signoff.said_in("up").unlink(missing_ok=True)
    signoff.up()

    def all_over() -> bool | None:
        incidents = signoff.json("incidents", "list")
        for incident in incidents:
            if incident["stage"] == "awaiting_approval":
                signoff.run("approve", incident["id"], "--yes")
        return all(incident["stage"] in DONE for incident in incidents) or None

    until(all_over, limit=END_LIMIT, what="the end of all incidents")
    until(lambda: at_rest(signoff.data) or None, limit=60.0, what="rest")


@pytest.fixture(scope="module", params=["short", pytest.param("long", marks=pytest.mark.nightly)], ids=str)
def survived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survived]:
    """Kill everything again and again, let it end, and read what is left."""
    data = tmp_path_factory.mktemp("killed") / "data"
    points = [name for _ in range(1 if request.param == "short" else 3) for name in HITS]
    points = [name for name in points if request.param == "long" or name in SHORT]
    signoff = Signoff(data)
    try:
        for number, name in enumerate(points):
            live_and_die(signoff, number, f"{name}:{HITS[name]}")
        try:
            end_all(signoff)
        except AssertionError as error:
            remains = of_folder(data)
            error.add_note(told(remains, check(remains).findings))
            raise
        signoff.stop()
        yield Survived(len(points), of_folder(data))
    finally:
        signoff.stop()


def test_nothing_acknowledged_is_lost_nothing_is_done_twice_and_nothing_is_stuck(
    survived: Survived, enter: Enter
) -> None:
    remains = survived.remains
    verdict = check(remains)
    assert verdict.findings == [], told(remains, verdict.findings)
    assert (verdict.lost, verdict.doubled, verdict.stuck) == (0, 0, 0)
    assert verdict.runs >= 2
    assert verdict.acked >= verdict.runs
    assert 1 <= verdict.effects <= verdict.steps
    where = "`signoff up` with replays and an approver, sqlite, embedded"
    fault, within = "everything killed at failpoints, one after the other", f"{END_LIMIT:g} s"
    kills, costs = str(survived.kills), (verdict.lost, verdict.doubled)
    enter(Line("F2, F3", fault, where, kills, *costs, stuck=verdict.stuck, within=within))


def lose_a_disposition(remains: Remains) -> None:
    remains.tables["diagnoser"]["disposition"].pop()


def apply_a_call_twice(remains: Remains) -> None:
    remains.world.append(next(entry for entry in remains.world if entry["kind"] == "call"))


def call_without_a_step(remains: Remains) -> None:
    entry = copy.deepcopy(next(entry for entry in remains.world if entry["kind"] == "call"))
    entry["done"]["token"] = "nobody's"
    remains.world.append(entry)


def forget_the_approval(remains: Remains) -> None:
    _without(remains, "approval.granted")


def owe_an_end(remains: Remains) -> None:
    _without(remains, "verification.passed")


def change_the_audit(remains: Remains) -> None:
    row = dict(remains.tables["executor"]["audit"][0])
    remains.tables["executor"]["audit"][0] = row | {"entry": bytes(row["entry"]).replace(b"{", b"{ ", 1)}


def leave_a_message(remains: Remains) -> None:
    row = remains.tables["executor"]["key_head"][0]
    remains.tables["executor"]["key_head"][0] = {**row, "tail": row["tail"] + 1}


def leave_an_event(remains: Remains) -> None:
    remains.tables["notifier"]["outbox"].append({"id": "notifier/x:1", "topic": "decisions.v1", "key": "x"})


def _without(remains: Remains, type_: str) -> None:
    rows: list[Any] = remains.tables["notifier"]["journal"]
    rows[:] = [row for row in rows if row["type"] != type_]


PLANTS: tuple[Callable[[Remains], None], ...] = (
    lose_a_disposition,
    apply_a_call_twice,
    call_without_a_step,
    forget_the_approval,
    owe_an_end,
    change_the_audit,
    leave_a_message,
    leave_an_event,
)


@pytest.mark.parametrize("plant", [pytest.param(plant, id=plant.__name__) for plant in PLANTS])
def test_the_checker_finds(plant: Callable[[Remains], None], survived: Survived) -> None:
    remains = copy.deepcopy(survived.remains)
    plant(remains)
    verdict: Verdict = check(remains)
    assert verdict.findings
    assert told(remains, verdict.findings)
