"""The same suite for both buses; each test has a log or a topic prefix of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from shared.bus.factory import open_bus
from shared.bus.intake import incoming
from shared.bus.kafka_topics import apply_topics
from shared.bus.port import Bus, Received, Subscription, WireRecord
from shared.bus.settings import KafkaSettings
from shared.events.envelope import Outgoing, headers_of
from shared.store.factory import open_store
from shared.store.model import Incoming
from shared.store.port import Store
from tests.support.kafka import KafkaServer
from tests.support.kinds import KINDS, eventually

TOPIC = "incidents.v1"
MakeBus = Callable[..., Bus]
MakeStore = Callable[..., Awaitable[Store]]


def record(key: str, event_id: str, body: bytes = b"{}", *, topic: str = TOPIC, resend: int = 0) -> WireRecord:
    """Return an event on its way out."""
    event = Outgoing(topic, key, "incident.noted", {}, "live", causation="why", resend=resend)
    return WireRecord(topic, key, headers_of(event, event_id=event_id, source="signoff/test", now=0.0), body)


def to_doc(received: Received) -> Incoming | None:
    """Route every record to the document of its key."""
    return incoming(received, f"doc/{received.key}")


def subscription(store: Store, *, name: str = "reader", topic: str = TOPIC, above: bool = False) -> Subscription:
    """Return a subscription that records what it gets."""
    return Subscription(name, topic, to_doc, store, above_high_water=above)


async def ready(bus: Bus) -> None:
    """Wait until a bus says that nothing is wrong."""

    async def no_problem() -> bool:
        return bus.problem() is None

    await eventually(no_problem, limit=30.0)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def make_bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeBus]:
    """Make a bus on the test's one log, again and again if it likes; what runs at the end is stopped."""
    servers = request.getfixturevalue("kafka").bootstrap_servers if request.param == "kafka" else ""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    made: list[Bus] = []

    def make(**changes: object) -> Bus:
        settings = KafkaSettings.model_validate(
            {"bootstrap_servers": servers, "topic_prefix": prefix, "auto_create": True, **changes}
        )
        made.append(open_bus(settings, tmp_path))
        return made[-1]

    yield make
    for bus in made:
        await bus.stop()


@pytest.fixture
async def make_store(tmp_path: Path) -> AsyncIterator[MakeStore]:
    """Open a store by name; what is open at the end is closed."""
    made: list[Store] = []

    async def make(name: str = "thing", *, start: bool = True) -> Store:
        store = open_store(tmp_path / f"{name}.db", service=name, kinds=KINDS)
        made.append(store)
        await store.open()
        if start:
            await store.start()
        return store

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def settings(kafka: KafkaServer) -> KafkaSettings:
    """Return where topics of the test's own are on a real cluster."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    made = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, topic_prefix=prefix, replicas=1)
    await apply_topics(made)
    return made
