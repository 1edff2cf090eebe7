"""Too much, too often, and in the middle of a restart: what senders do while things go wrong, and because they do."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import httpx
import pytest

from services.diagnoser import app as diagnoser
from services.diagnoser.settings import Settings as DiagnoserSettings
from services.ingest import app as ingest
from services.ingest.settings import Settings as IngestSettings
from services.notifier import app as notifier
from services.notifier.settings import Settings as NotifierSettings
from tests.contract.ingest.conftest import alert
from tests.resilience.await_house import House, check_files, house_in, said_in
from tests.resilience.checker import file_of
from tests.resilience.conftest import Enter
from tests.resilience.report import Line
from tests.support.provider import free_port
from tests.support.signoff import Signoff, until
from tests.unit.notifier import story as words

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

SECRET, RECEIPT_KEY = "sender-secret", "receipt-key"
CAUSES, EACH, AT_ONCE = 40, 25, 64
WORDS_MOST = 3
"""Stages that the terminal may tell of one incident of a storm."""
FLAPS, FLAP_SECONDS = 720, 5
FLAPS_BEFORE_HOLD = 3
"""Times that an alert comes back before it is held: six changes."""
WHERE = "ingest, diagnoser and notifier, sqlite, embedded"


@asynccontextmanager
async def told_house(folder: Path) -> AsyncIterator[tuple[House, httpx.AsyncClient]]:
    """Take webhooks, correlate and tell people on a terminal."""
    async with house_in(folder) as house:
        given = {"receipt_key": RECEIPT_KEY, "datadog": {"secrets": [SECRET]}}
        taking = await house.add("ingest", ingest, IngestSettings.model_validate(given))
        await house.add("diagnoser", diagnoser, DiagnoserSettings.model_validate({"receipt_key": RECEIPT_KEY}))
        await house.add("notifier", notifier, NotifierSettings.model_validate({"signing_key": words.PEM}))
        await house.start()
        headers = {"X-Signoff-Token": SECRET}
        transport = httpx.ASGITransport(taking.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://in", headers=headers) as sender:
            yield house, sender


async def all_taken(sender: httpx.AsyncClient, bodies: Sequence[bytes]) -> list[str]:
    """Send many at once and return the receipts; nobody is refused."""
    room = asyncio.Semaphore(AT_ONCE)

    async def send(body: bytes) -> str:
        async with room:
            answer = await sender.post("/webhooks/datadog", content=body)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.json()["receipt"])

    return await asyncio.gather(*map(send, bodies))


def judge(folder: Path, receipts: Sequence[str]) -> Counter[str]:
    """Assert that each receipt has one disposition; return how many there are of each."""
    check_files(folder, "ingest", "diagnoser", "notifier")
    rows = file_of(folder, "diagnoser")["disposition"]
    decided = Counter(row["message_id"] for row in rows)
    assert [decided[receipt] for receipt in receipts] == [1] * len(receipts)
    return Counter(row["disposition"] for row in rows)


def notices(said: str) -> Counter[str]:
    """Return how often each incident was written to the terminal."""
    return Counter(word for line in said.splitlines() for word in line.split() if word.startswith("INC-"))


async def test_a_storm_of_few_causes_is_few_incidents_few_investigations_and_few_words(
    tmp_path: Path, enter: Enter, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = [
        alert(
            EACH * cause + n,
            monitor=f"{cause}-{n}",
            title=f"[Triggered on {{host:web-{cause}}}] CPU is high",
            tags=f"service:shop-{cause}",
        )
        for n in range(EACH)
        for cause in range(CAUSES)
    ]
    async with told_house(tmp_path) as (house, sender):
        receipts = await all_taken(sender, bodies)
        await house.rest("ingest", "diagnoser", "notifier")
        events = Counter(type_ for type_, _ in said_in(house.bus, "incidents.v1", "diagnoser", most=100_000))
    decided = judge(tmp_path, receipts)
    assert (decided["new_incident"], decided["attached"]) == (CAUSES, len(bodies) - CAUSES)
    assert events["incident.opened"] == CAUSES
    assert events["investigation.started"] <= 2 * CAUSES
    told = notices(capsys.readouterr().err)
    assert len(told) == CAUSES
    assert max(told.values()) <= WORDS_MOST
    fault = f"{len(bodies)} webhooks of {CAUSES} causes at once"
    enter(Line("F27", fault, WHERE, "0", 0, 0, within="40 s"))


async def test_an_alert_that_flaps_for_an_hour_is_one_incident_and_few_words(
    tmp_path: Path, enter: Enter, capsys: pytest.CaptureFixture[str]
) -> None:
    hour_ago = time.time() - FLAPS * FLAP_SECONDS
    async with told_house(tmp_path) as (house, sender):
        receipts = []
        for n in range(FLAPS):
            title = f"[{'Recovered' if n % 2 else 'Triggered'} on {{host:a}}] CPU is high"
            date = str(int((hour_ago + n * FLAP_SECONDS) * 1000))
            receipts += await all_taken(sender, [alert(n, title=title, date=date, tags="service:shop")])
        await house.rest("ingest", "diagnoser", "notifier")
        events = Counter(type_ for type_, _ in said_in(house.bus, "incidents.v1", "diagnoser", most=100_000))
    decided = judge(tmp_path, receipts)
    [words_said] = notices(capsys.readouterr().err).values()
    assert (decided["new_incident"], events["incident.opened"]) == (1, 1)
    assert decided["held"] > FLAPS // 3
    assert events["incident.reopened"] <= FLAPS_BEFORE_HOLD
    assert events["investigation.started"] <= FLAPS_BEFORE_HOLD
    opened, looks = events["incident.opened"] + events["incident.reopened"], events["investigation.started"]
    assert words_said <= 2 * (opened + looks), "that it opens and is over, that a look begins and ends"
    enter(Line("F28", "an alert that flaps every 5 s for an hour", WHERE, "0", 0, 0, within="40 s"))


class Sending:
    """A sender in a thread of its own: sends each delivery until it is acknowledged, and keeps what it hears."""

    def __init__(self, signoff: Signoff) -> None:
        self._signoff = signoff
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.receipts: list[str] = []
        self.answers: Counter[int] = Counter()
        self.unheard = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        secret = (self._signoff.data / "secrets" / "datadog_webhook").read_text().strip()
        url = f"{self._signoff.address('webhook_url')}/webhooks/datadog"
        number = 0
        with httpx.Client(headers={"X-Signoff-Token": secret}, timeout=5.0) as client:
            while not self._over.is_set():
                try:
                    answer = client.post(url, content=alert(number, monitor=str(number % 20)))
                except httpx.TransportError:
                    self.unheard += 1
                    time.sleep(0.02)
                    continue
                self.answers[answer.status_code] += 1
                if answer.status_code == httpx.codes.ACCEPTED:
                    self.receipts.append(answer.json()["receipt"])
                    number += 1

    def go_on(self, count: int) -> None:
        """Return when so many more were acknowledged."""
        wanted = len(self.receipts) + count
        until(lambda: len(self.receipts) >= wanted or None, limit=60, what=f"{count} more acknowledged")


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.nightly)])
def test_a_server_restarted_under_load_answers_no_error_and_loses_nothing(
    times: int, signoff: Signoff, enter: Enter
) -> None:
    ports = ("--port", str(free_port()), "--webhook-port", str(free_port()))
    signoff.start("up", "up", *ports)
    signoff.wait_for("up", "signoff is ready")
    with Sending(signoff) as sending:
        sending.go_on(30)
        for _ in range(times):
            process = signoff.started["up"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            signoff.said_in("up").unlink()
            signoff.start("up", "up", *ports)
            sending.go_on(30)

    def decided() -> Counter[str]:
        return Counter(row["message_id"] for row in file_of(signoff.data, "diagnoser")["disposition"])

    until(lambda: decided().keys() >= set(sending.receipts) or None, limit=30, what="a disposition of each")
    signoff.stop()
    assert set(sending.answers) == {202}, sending.answers
    assert sending.unheard
    found = decided()
    assert [found[receipt] for receipt in sending.receipts] == [1] * len(sending.receipts)
    fault = "SIGTERM under load" if times == 1 else f"SIGTERM under load {times} times"
    enter(Line("F5", fault, "`signoff up`", "0", 0, 0, within="30 s"))
