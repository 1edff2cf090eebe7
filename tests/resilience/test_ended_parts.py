"""A part of a service that ends for a reason nobody foresaw is named by its health, which asks for a new start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.up import Ports, Up, running
from shared.bus.kafka import KafkaBus
from shared.bus.settings import KafkaSettings
from shared.errors import UnavailableError
from shared.store.factory import open_store
from shared.store.sqlite.store import SQLiteStore
from tests.support.kinds import KINDS, eventually
from tests.support.logs import logging_as_before

pytestmark = pytest.mark.slow

OK, UNAVAILABLE = 200, 503
__all__ = ["logging_as_before"]

ALL = ("ingest", "diagnoser", "executor", "notifier")
PARTS = {
    "Relay._relay": ("relay", ALL),
    "ActivityWorker._claim_for_ever": ("worker", ("diagnoser", "notifier")),
    "EmbeddedBus._read": ("bus", ALL),
    "keep_small": ("store", ALL),
}
"""Which work ends, what its services call it, and who they are."""


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    """Everything in this process."""
    async with running(tmp_path, Ports(0, 0, any_port=True)) as found:
        yield found


async def asked(up: Up, name: str, path: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return what a service answers about its health: status, and what it names."""
    transport = httpx.ASGITransport(up.composed.service(name).asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as prober:
        answer = await prober.get(path)
    return answer.status_code, answer.json() if answer.status_code == UNAVAILABLE else {}


async def end(work: str) -> None:
    """End all that runs of some work, as a library might that cancels whoever waits for it."""
    ended = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == work]
    for task in ended:
        task.cancel()
    await asyncio.wait(ended)


@pytest.mark.parametrize("work", list(PARTS))
async def test_whatever_ends_by_itself_is_named_and_a_new_start_is_asked_for(work: str, up: Up) -> None:
    part, services = PARTS[work]
    for name in services:
        assert [(await asked(up, name, path))[0] for path in ("/livez", "/readyz")] == [OK, OK]

    await end(work)

    for name in services:
        alive, ready = [await asked(up, name, path) for path in ("/livez", "/readyz")]
        assert (alive[0], ready[0]) == (UNAVAILABLE, UNAVAILABLE)
        assert "has ended (cancelled)" in alive[1]["ended"][part]
        assert "has ended (cancelled)" in ready[1]["problems"][part]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_writer_that_meets_what_nobody_foresaw_is_named_by_its_own_service_alone(up: Up) -> None:
    diagnoser = up.composed.parts[ALL.index("diagnoser")].store
    assert isinstance(diagnoser, SQLiteStore)

    def fails(_: object) -> None:
        raise KeyError("token=hunter2")

    with pytest.raises(UnavailableError):
        await diagnoser._write(fails)

    assert {name: (await asked(up, name, "/livez"))[0] for name in ALL} == dict.fromkeys(ALL, OK) | {
        "diagnoser": UNAVAILABLE
    }
    said = str(await asked(up, "diagnoser", "/readyz"))
    assert "its writer has ended" in said
    assert "hunter2" not in said


@pytest.mark.postgres
@pytest.mark.parametrize("work", ["Runner._claim_for_ever", "Pulse._look_for_ever", "keep_small"])
async def test_whatever_ends_in_a_store_on_a_server_is_named(work: str, postgres_url: str) -> None:
    store = open_store(postgres_url, service="thing", kinds=KINDS)
    await store.open()
    await store.start()
    assert store.ended() is None

    await end(work)

    assert (store.ended() or "").startswith("has ended (cancelled)")
    await store.close()
    assert store.ended() is None


async def test_whoever_connects_to_kafka_is_named_when_it_ends_before_it_is_connected() -> None:
    bus = KafkaBus(KafkaSettings(bootstrap_servers="no..name:9092"))
    await bus.start()
    assert bus.ended() is None

    async def told() -> str | None:
        return bus.ended()

    assert str(await eventually(told)).startswith("has ended (UnicodeError)")
    with pytest.raises(UnicodeError):
        await bus.stop()
