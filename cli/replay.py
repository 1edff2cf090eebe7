"""Replay a scenario through the front door and tell what happens, as it happens."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cli.client import Client, as_person, command, login_link, server, world
from cli.errors import Exit, HintedError
from cli.explaining import explained, line
from cli.output import Entries, Format, say, write
from shared.errors import RefusedError
from shared.incident.enums import Stage

Approve = Literal["ask", "auto", "never"]

POLL = 0.3
INDENT = " " * 11 + "· "
APPROVERS = ("sample-approver", "sample-second-approver")
HALTED = frozenset({Stage.NEEDS_HUMAN, Stage.REJECTED, Stage.EXPIRED, Stage.FAILED, Stage.ROLLED_BACK, Stage.CANCELLED})
HALTED_FOR = 5.0
"""Seconds an incident may stand still, halted or closed without a summary, before the replay ends."""
REFUSED_FOR, UNTAKEN_FOR = 5.0, 60.0
"""Seconds for which ingest may refuse webhooks, and not take them without any incident, before the replay ends."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What to replay, and how."""

    scenario: str
    data: Path
    approve: Approve = "ask"
    speed: float = 10.0
    wait: bool = False
    via: Literal["webhook", "topic"] = "webhook"
    output: Format = "table"
    patience: float = 1800.0
    """Seconds after which it is given up as waiting."""


@dataclass(slots=True)
class Follower:
    """What was told so far."""

    replay: Replay
    environment: str
    client: Client
    entries: Entries = field(init=False)
    told: set[str] = field(default_factory=set)
    halted_since: float | None = None
    untaken_since: float | None = None

    def __post_init__(self) -> None:
        self.entries = Entries(self.replay.output, line)

    def look(self) -> list[dict[str, Any]]:
        """Tell what is new and return all incidents of the run with their details."""
        details = []
        for incident in self.client.get("/api/incidents", environment=self.environment):
            detail = self.client.get(f"/api/incidents/{incident['id']}")
            details.append(detail)
            self._tell(detail)
        return details

    def _tell(self, detail: dict[str, Any]) -> None:
        for entry in detail["timeline"]:
            for alert in detail["alerts"]:
                if alert["event_id"] == entry["id"]:
                    self._once(_arrival(alert))
            if self._once({"incident": detail["incident"]["id"], **entry}):
                self._explain(entry["type"], detail)
                if entry["type"] == "approval.requested":
                    self._asked(detail)

    def _explain(self, entry_type: str, detail: dict[str, Any]) -> None:
        if self.replay.output == "table":
            for text in explained(entry_type, detail):
                write(f"{INDENT}{text}")

    def _once(self, entry: dict[str, Any]) -> bool:
        if entry["id"] in self.told:
            return False
        self.told.add(entry["id"])
        self.entries.tell(entry)
        return True

    def _asked(self, detail: dict[str, Any]) -> None:
        pending = [approval for approval in detail["approvals"] if approval["state"] == "pending"]
        for approval in pending:
            if self.replay.approve == "auto":
                self._approve(detail["incident"]["id"], approval)
            else:
                link = login_link(self.replay.data, "", f"/a/{approval['approval_id']}")
                by_command = command(f"approve {detail['incident']['id']}", self.replay.data)
                tell = write if self.replay.output == "table" else say
                tell("", f"  APPROVAL LINK  {link}", f"  or             {by_command}", "")

    def _approve(self, incident: str, approval: dict[str, Any]) -> None:
        submitted = False
        for person in APPROVERS[: approval["needed"]]:
            about = {"subject": approval["approval_id"], "plan_sha256": approval["plan_sha256"]}
            body = {"verb": "approve", "reason": "approved by the replay", **about}
            try:
                as_person(self.replay.data, person).post(f"/api/incidents/{incident}/decisions", body)
            except RefusedError as error:
                say(f"not approved as {person}: {error}")
            else:
                submitted = True
        if submitted and not self.replay.wait:
            on = command(f"incidents watch {incident}", self.replay.data)
            say(f"the approval is submitted; see what comes of it: {on}")

    def mind(self, run: Mapping[str, Any], *, begun: bool) -> None:
        """Tell once what the world could not deliver. Raises HintedError when that has lasted too long."""
        problems = run["problems"]
        for problem in (one for one in problems if one not in self.told):
            self.told.add(problem)
            say(f"{problem}; the world sends it again")
        if not problems:
            self.untaken_since = None
            return
        self.untaken_since = self.untaken_since or time.monotonic()
        lasted = time.monotonic() - self.untaken_since
        what = f"ingest has not taken what the replay sent: {'; '.join(problems)}"
        if run["refused"] and lasted >= REFUSED_FOR:
            hint = "see its secrets and the world's", command("config show --reveal", self.replay.data)
            raise HintedError(what, Exit.REFUSED, hint)
        if not begun and lasted >= UNTAKEN_FOR:
            raise HintedError(what, Exit.UNREACHABLE)

    def verdict(self, details: list[dict[str, Any]]) -> Exit | None:
        """Return how the replay ended, None while it goes on."""
        stages = {Stage(detail["incident"]["stage"]) for detail in details}
        if not stages:
            return None
        if stages == {Stage.CLOSED}:
            # The summary is written after closing, by the diagnoser alone.
            if not all(detail["summary"] for detail in details) and self._still_for() < HALTED_FOR:
                return None
            return _outcome(details, {"passed": Exit.DONE, "failed": Exit.FAILED})
        if Stage.AWAITING_APPROVAL in stages and self.replay.approve == "never":
            return Exit.WAITING
        if not self.replay.wait and Stage.AWAITING_APPROVAL in stages:
            return Exit.DONE
        return self._standing_still(stages, details)

    def _standing_still(self, stages: set[Stage], details: list[dict[str, Any]]) -> Exit | None:
        if not stages <= HALTED | {Stage.CLOSED}:
            self.halted_since = None
            return None
        if self._still_for() < HALTED_FOR:
            return None
        return _outcome(details, {"failed": Exit.FAILED})

    def _still_for(self) -> float:
        """Return the seconds since this was first asked in a row."""
        self.halted_since = self.halted_since or time.monotonic()
        return time.monotonic() - self.halted_since


def _arrival(alert: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alert as an entry, at the wall time at which it was told."""
    received = {"id": f"alert:{alert['message_id']}", "type": "alert.received", "text": alert["alert"]["title"]}
    return {**received, "at": alert["at"]}


def _outcome(details: Sequence[dict[str, Any]], codes: Mapping[str, Exit]) -> Exit:
    """Return what the last verification of each incident means, the worst of them; without any, a person looks."""
    last = [detail["verifications"][-1]["outcome"] for detail in details if detail["verifications"]]
    found = [codes.get(outcome, Exit.WAITING) for outcome in last] or [Exit.WAITING]
    return next(code for code in (Exit.FAILED, Exit.WAITING, Exit.DONE) if code in found)


def begin(replay: Replay) -> str:
    """Begin the run in the world; return its environment."""
    body = {"scenario": replay.scenario, "speed": replay.speed, "via": replay.via}
    return str(world(replay.data).post("/runs", body)["environment"])


def follow(replay: Replay) -> int:
    """Replay and tell until it is over; return the exit code."""
    code, _ = until_over(replay)
    return code


def until_over(replay: Replay) -> tuple[Exit, list[dict[str, Any]]]:
    """Replay and tell until it is over; return the exit code and the incidents with their details."""
    follower = Follower(replay, begin(replay), server(replay.data))
    say(f"replaying {replay.scenario} as {follower.environment} (SIMULATED), {replay.speed:g} times as fast as life")
    end = time.monotonic() + replay.patience
    driver, run = world(replay.data), follower.environment.partition(":")[2]
    try:
        while True:
            details = follower.look()
            follower.mind(driver.get(f"/runs/{run}"), begun=bool(details))
            verdict = follower.verdict(details)
            if verdict is not None or time.monotonic() > end:
                return Exit.WAITING if verdict is None else verdict, details
            time.sleep(POLL)
    finally:
        follower.entries.end()
