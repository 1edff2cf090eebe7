"""The stories whose processes are stopped wherever they wait, each with an oracle outside; a program runs them.

`python -m tests.resilience.await_stories FOLDER STORY --count 3 --seed 1` prints what it found as JSON.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import cyclopts
import httpx
import orjson

from services.diagnoser import app as diagnoser
from services.diagnoser.settings import Settings as DiagnoserSettings
from services.executor import app as executor
from services.executor.settings import Settings as ExecutorSettings
from services.ingest import app as ingest
from services.ingest.settings import Settings as IngestSettings
from services.notifier import app as notifier
from services.notifier.settings import Settings as NotifierSettings
from shared.bus.embedded import EmbeddedBus
from shared.events.investigations import RecommendationMade
from shared.events.payload import DECISIONS, INCIDENTS
from shared.events.people import DecisionSubmitted
from shared.incident.diagnosis import ActionRecommendation, RecommendationSet
from shared.incident.enums import RiskLevel
from shared.runbooks.decision import SignedDecision, sign
from shared.runbooks.load import load_runbooks
from shared.runtime.secrets import private_key, public_text
from tests.resilience.account import left_behind, verify
from tests.resilience.await_house import INCIDENT, PROJECT, InWorld, check_files, house_in, said_in
from tests.resilience.await_points import LATER, LIFE_LIMIT, Sample, Story, explore, explore_failpoints, explore_pauses
from tests.resilience.checker import file_of
from tests.support import echo_main
from tests.support.world import append_line, lines
from tests.unit.notifier import story as words

PATIENCE = LIFE_LIMIT + LATER
"""Seconds, by a clock that may jump, until a life is stuck for sure."""
SECRET, RECEIPT_KEY = "sender-secret", "receipt-key"
RUNBOOK, HOST = "restart-leaking-service", "prod-web-03"
QUICKER = {"timeout_seconds: 60": "timeout_seconds: 5", "settle_seconds: 5": "settle_seconds: 0"}
ENDS = {
    "verification.passed",
    "verification.failed",
    "verification.unknown",
    "handoff.requested",
    "execution.cancelled",
}


class Webhooks(Story):
    """Deliveries that a sender sends until each is acknowledged, and what became of them."""

    name = "webhooks"
    heart = ("services/ingest/entrypoints/webhooks.py", "shared/bus/intake.py", "shared/bus/relay.py")
    bodies = tuple(
        {"id": f"event-{monitor}-{number}", "alert_id": monitor, "title": f"[{how} on {{host:a}}] CPU is high"}
        for monitor, number, how in (("1", 1, "Triggered"), ("2", 2, "Triggered"), ("1", 3, "Recovered"))
    )

    async def live(self, folder: Path) -> None:
        """Send what is not acknowledged, one after the other, until nothing waits any more."""
        async with house_in(folder, PATIENCE) as house:
            given = {"receipt_key": RECEIPT_KEY, "datadog": {"secrets": [SECRET]}}
            taking = await house.add("ingest", ingest, IngestSettings.model_validate(given))
            settings = DiagnoserSettings.model_validate({"receipt_key": RECEIPT_KEY, "close_after": 3600})
            await house.add("diagnoser", diagnoser, settings)
            await house.start()
            acked = folder / "acked"
            async with httpx.AsyncClient(transport=httpx.ASGITransport(taking.asgi), base_url="http://in") as sender:
                for body in self.bodies[len(lines(acked)) :]:
                    answer = await sender.post("/webhooks/datadog", json=body, headers={"X-Signoff-Token": SECRET})
                    assert answer.status_code == 202, answer.text
                    append_line(acked, answer.json()["receipt"])
            await house.until("investigation.started", source="diagnoser")
            await house.rest("ingest", "diagnoser")

    def judge(self, folder: Path) -> None:
        """Each receipt that was given out has one disposition."""
        check_files(folder, "ingest", "diagnoser")
        rows = file_of(folder, "diagnoser")["disposition"]
        decided = Counter(row["message_id"] for row in rows)
        acked = lines(folder / "acked")
        assert len(acked) == len(self.bodies)
        assert [decided[receipt] for receipt in acked] == [1] * len(acked), (acked, decided)
        assert max(decided.values()) == 1
        opened = [row for row in rows if row["disposition"] == "new_incident"]
        assert len(opened) == len({row["incident_id"] for row in opened}) <= 2


class Work(Story):
    """Intake, transitions, relay and activities of a service that uses all a service has."""

    def __init__(self, url: str = "") -> None:
        self.name = "work-postgres" if url else "work"
        self.heart = ("shared/bus/intake.py", "shared/bus/relay.py", "shared/store/worker.py")
        if url:
            self.heart = ("shared/store/postgres/runner.py", *self.heart)
        self.clock_may_run_ahead = not url
        self._url = url

    def prepare(self) -> None:
        """Forget what another life left in the server."""
        if self._url:
            child = os.fork()
            if not child:
                asyncio.run(self._forget())
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0

    async def _forget(self) -> None:
        connection = await asyncpg.connect(self._url)
        await connection.execute("drop schema if exists echo cascade")
        await connection.close()

    def _where(self, folder: Path) -> str:
        return self._url or str(folder / "echo.db")

    async def live(self, folder: Path) -> None:
        """Run a round to its end."""
        await echo_main.main(self._where(folder), folder, pace=0.0, settle=True)

    def judge(self, folder: Path) -> None:
        """Check what every crash story checks."""
        verify(asyncio.run(left_behind(echo_main.Place(self._where(folder), folder), 1, quiet=0.05)))


class Calls(InWorld):
    """A plan that a person approves, one call, and the look whether it helped."""

    name = "calls"
    heart = ("services/executor/actions/calling.py", "services/executor/handlers/reading.py")

    async def live(self, folder: Path) -> None:
        """Go on until the executor has had its last word."""
        environment = f"sim:{await self.run_of(folder)}"
        runbooks = self._runbooks(folder)
        async with house_in(folder, PATIENCE) as house:
            given = {"trusted_keys": {"test": public_text(private_key(words.PEM))}, "runbooks": runbooks}
            settings = ExecutorSettings.model_validate({**given, "world": self.settings()})
            await house.add("executor", executor, settings)
            await house.start()
            await house.tell(environment, recommendation(load_runbooks(runbooks)[RUNBOOK].sha256))
            question = await house.until("approval.requested", "plan.refused")
            await house.tell(environment, self._approval(folder, environment, question))
            await house.until(*ENDS)
            await house.rest("executor")

    def _runbooks(self, folder: Path) -> Path:
        """Return runbooks whose doubts are settled soon."""
        written = folder / "runbooks" / RUNBOOK / "runbook.yaml"
        if not written.exists():
            text = (PROJECT / "runbooks" / RUNBOOK / "runbook.yaml").read_text()
            for old, new in QUICKER.items():
                assert old in text
                text = text.replace(old, new)
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_text(text)
        return folder / "runbooks"

    def _approval(self, folder: Path, environment: str, question: dict[str, Any]) -> DecisionSubmitted:
        """Return the one decision of the person, the same in every life."""
        kept, now = folder / "decision", datetime.now(UTC)
        if not kept.exists():
            decision = {
                "kid": "test",
                "environment": environment,
                "incident_id": INCIDENT,
                "subject": question["approval_id"],
                "plan_sha256": question["plan_sha256"],
                "verb": "approve",
                "person": "sample-approver",
                "via": "cli:local",
                "authenticated_at": now,
                "nonce": secrets.token_hex(16),
                "time": now,
            }
            text, signature = sign(SignedDecision.model_validate(decision), private_key(words.PEM))
            kept.write_bytes(orjson.dumps({"decision": text, "signature": signature}))
        return DecisionSubmitted.model_validate_json(kept.read_bytes())

    def judge(self, folder: Path) -> None:
        """At most one call had an effect, and what was said of it is so."""
        check_files(folder, "executor")
        calls = self.ledger(folder, "call")
        assert len(calls) <= 1, calls
        bus = EmbeddedBus(folder / "bus.db")
        bus._file.open()
        events = said_in(bus, INCIDENTS, "executor")
        bus._file.close()
        types = [type_ for type_, _ in events]
        tokens = {body["token"] for type_, body in events if type_ == "step.started"}
        assert len(tokens) <= 1
        assert {call["done"]["token"] for call in calls} <= tokens
        assert types.count("approval.granted") == 1
        assert sum(type_ in ENDS for type_ in types) == 1, types
        if "verification.passed" in types:
            assert [call["done"]["applied"] for call in calls] == [True]
            proved = [body["outcome"] for type_, body in events if type_ == "step.reconciled"]
            assert types.count("step.succeeded") + proved.count("succeeded") == 1, events


def recommendation(runbook_sha256: str) -> RecommendationMade:
    """Return what helps, as the diagnoser would say it."""
    item = ActionRecommendation(
        runbook_id=RUNBOOK,
        runbook_sha256=runbook_sha256,
        title="Restart",
        cause="resource_leak.memory",
        entity=HOST,
        parameters={"host": HOST},
        risk=RiskLevel.MEDIUM,
        confidence=0.8,
        rationale="memory grows since the deploy",
    )
    return RecommendationMade(
        recommendation_id="rec-1", investigation_id="inv-1", recommendations=RecommendationSet(items=(item,))
    )


class Posts(InWorld):
    """An incident up to its question, told in the channel of its run."""

    name = "posts"
    heart = ("services/notifier/handlers/posting.py", "services/notifier/channels/slack.py")

    async def live(self, folder: Path) -> None:
        """Go on until the channel has the newest version and the executor was told so."""
        environment = f"sim:{await self.run_of(folder)}"
        given = {"signing_key": words.PEM, "kid": "test", "terminal": False, "world": self.settings()}
        async with house_in(folder, PATIENCE) as house:
            await house.add("notifier", notifier, NotifierSettings.model_validate(given))
            await house.start()
            await house.tell(environment, *words.until_asked()[:-1], words.asked(environment=environment))
            await house.until("notice.posted", topic=DECISIONS, source="notifier")
            await house.rest("notifier")

    def judge(self, folder: Path) -> None:
        """One message, with its newest version at last and a repeat for each death; its channel was told once."""
        check_files(folder, "notifier")
        posts = self.ledger(folder, "slack")
        assert {post["marker"] for post in posts} == {INCIDENT}
        newest = posts[-1]["post"]
        assert newest["fields"], newest
        assert "Restart shop on web-3" in orjson.dumps(newest).decode()
        versions = Counter(orjson.dumps(post["post"] | {"thread": []}) for post in posts)
        assert max(versions.values()) <= 1 + self.deaths, versions
        assert len(newest["thread"]) == len(set(newest["thread"])), newest["thread"]


class Careless(Work):
    """As if work that may be repeated were a call that may not: the harness has to find that."""

    name = "careless"

    def judge(self, folder: Path) -> None:
        """Demand more than is promised."""
        super().judge(folder)
        looks = lines(folder / "looks")
        assert len(looks) == len(set(looks)), "done twice"


def story_of(name: str, folder: Path, url: str) -> Story:
    """Return a story by its name."""
    if name in ("work", "work-postgres"):
        return Work(url)
    if name == "careless":
        return Careless()
    in_world = {"calls": Calls, "posts": Posts}
    return in_world[name](folder) if name in in_world else Webhooks()


def main(
    folder: Path,
    name: str,
    *,
    count: int = 0,
    again: int = 0,
    seed: int = 0,
    url: str = "",
    failpoints: tuple[str, ...] = (),
    pause: bool = False,
) -> None:
    """Explore a story and print what was found.

    It ends at so many of its points (0: all), after each of which the next life ends at so many of its own; or at
    failpoints; or it only stands still at its points.
    """
    folder.mkdir(parents=True)
    story = story_of(name, folder, url)
    try:
        if failpoints:
            found = explore_failpoints(story, folder, failpoints, seed)
        elif pause:
            found = explore_pauses(story, folder, Sample(count, seed))
        else:
            found = explore(story, folder, *(Sample(size, seed) for size in ((count, again) if again else (count,))))
    finally:
        if isinstance(story, InWorld):
            story.end()
    sys.stdout.buffer.write(orjson.dumps(asdict(found)))


if __name__ == "__main__":
    cyclopts.run(main)
