"""Records that nobody can handle, on every topic: they are put aside and named, and what comes behind them goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.diagnoser import app as diagnoser
from services.diagnoser.settings import Settings as DiagnoserSettings
from services.executor import app as executor
from services.executor.settings import Settings as ExecutorSettings
from services.ingest import app as ingest
from services.ingest.settings import Settings as IngestSettings
from services.notifier import app as notifier
from services.notifier.settings import Settings as NotifierSettings
from shared.bus.port import WireRecord
from shared.events.envelope import Outgoing, headers_of
from shared.events.payload import ALERTS, DECISIONS, INCIDENTS, REQUESTS
from shared.runbooks.load import load_runbooks
from shared.runtime.secrets import private_key, public_text
from tests.contract.ingest.conftest import alert
from tests.resilience.await_house import PROJECT, House, house_in
from tests.resilience.await_stories import RUNBOOK, recommendation
from tests.resilience.checker import SERVICES, file_of
from tests.resilience.conftest import Enter
from tests.resilience.report import Line
from tests.support.kinds import eventually
from tests.unit.notifier import story as words

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]

SECRET, RECEIPT_KEY, INCIDENT = "sender-secret", "receipt-key", "INC-PPPPPPPPPP"
LIMIT = 30.0
TYPES = {
    ALERTS: ("delivery.received", "delivery.unreadable"),
    INCIDENTS: ("incident.opened", "recommendation.made", "approval.requested", "step.succeeded"),
    DECISIONS: ("decision.submitted", "notice.posted"),
    REQUESTS: ("incident.requested", "silence.requested", "question.asked"),
}
BODIES = {
    "no JSON": b"{",
    "no UTF-8": b'{"title": "\xff\xfe"}',
    "nothing": b"",
    "a number": b"7",
    "a list": b"[]",
    "another schema": b'{"title": 7, "alert": [], "plan": null, "decision": {}}',
    "a number too large": b'{"n": 1' + b"0" * 5000 + b"}",
    "too deep": b"[" * 5000 + b"]" * 5000,
    "a null byte": b'{"title": "a\\u0000b"}',
}


def poisons() -> Iterator[WireRecord]:
    """Yield each broken body as each type of each topic, what no version knows, and headers that make no sense."""
    for topic, types in TYPES.items():
        for type_ in (*types, "thing.of_tomorrow.v9"):
            for name, body in BODIES.items():
                event = Outgoing(topic, INCIDENT, type_, {}, "live")
                event_id = f"poison/{topic}/{type_}/{name.replace(' ', '-')}"
                headers = headers_of(event, event_id=event_id, source="signoff/poison", now=time.time())
                yield WireRecord(topic, INCIDENT, headers, body)
        yield WireRecord(topic, INCIDENT, {}, b"{}")
        yield WireRecord(topic, "", {"ce_id": "", "ce_time": "yesterday", "ce_resend": "-1", "ce_type": "\x00"}, b"{}")


async def everything_in(house: House) -> httpx.AsyncClient:
    """Start all four services; return a sender."""
    world = {"signing_key": words.PEM, "kid": "test", "terminal": False}
    trusted = {"trusted_keys": {"test": public_text(private_key(words.PEM))}}
    given = {"receipt_key": RECEIPT_KEY, "datadog": {"secrets": [SECRET]}}
    taking = await house.add("ingest", ingest, IngestSettings.model_validate(given))
    await house.add("diagnoser", diagnoser, DiagnoserSettings.model_validate({"receipt_key": RECEIPT_KEY}))
    await house.add("executor", executor, ExecutorSettings.model_validate(trusted))
    await house.add("notifier", notifier, NotifierSettings.model_validate(world))
    await house.start()
    return httpx.AsyncClient(transport=httpx.ASGITransport(taking.asgi), base_url="http://in")


async def eventually_dead(house: House) -> None:
    """Return when all that was said has been read and nothing is left to do."""

    async def is_over() -> bool:
        if any(lag.records for lag in await house.bus.lags()):
            return False
        found = [await asyncio.to_thread(file_of, house.folder, name) for name in SERVICES]
        return all(head["tail"] == head["done"] for tables in found for head in tables["key_head"])

    await eventually(is_over, LIMIT)


async def test_records_that_nobody_can_handle_are_put_aside_and_what_is_behind_them_goes_on(
    tmp_path: Path, enter: Enter
) -> None:
    async with house_in(tmp_path) as house, await everything_in(house) as sender:
        broken = list(poisons())
        for at in range(0, len(broken), 40):
            await house.bus.append(broken[at : at + 40])
        huge = WireRecord(INCIDENTS, INCIDENT, broken[0].headers, b'"' + b"x" * 10_000_000 + b'"')
        assert [refused.index for refused in await house.bus.append([huge, broken[0]])][:1] == [0]
        answer = await sender.post("/webhooks/datadog", content=alert(), headers={"X-Signoff-Token": SECRET})
        assert answer.status_code == httpx.codes.ACCEPTED
        await house.until("investigation.started", source="diagnoser")
        runbook = load_runbooks(PROJECT / "runbooks")[RUNBOOK]
        await house.tell("live", words.opened(), recommendation(runbook.sha256))
        await house.until("plan.refused", source="executor")
        await eventually_dead(house)
    tables = {name: file_of(tmp_path, name) for name in SERVICES}
    decided = [row["disposition"] for row in tables["diagnoser"]["disposition"]]
    assert decided.count("new_incident") == 1
    dead = [row for name in SERVICES for row in tables[name]["dead"]]
    assert dead
    assert {row["id"].partition("/")[0] for row in dead} <= {"poison", "alerts.v1", "incidents.v1"}
    assert all(row["reason"] for row in dead)
    parked = {head["agg"] for name in SERVICES for head in tables[name]["key_head"] if head["parked"]}
    assert parked == set()
    enter(Line("F12", "records that nobody can handle, on every topic", "all services, sqlite, embedded", "0", 0, 0))
