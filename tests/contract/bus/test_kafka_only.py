"""What only Kafka has: topics to prepare, partitions that must never change, ways to connect."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.bus import kafka_intake
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_client import client_arguments
from shared.bus.kafka_topics import apply_topics, check_topics
from shared.bus.settings import KafkaSettings
from shared.errors import ConfigurationError, UnavailableError
from shared.store.model import Incoming
from tests.contract.bus.conftest import MakeStore, ready, record, subscription
from tests.support.kafka import KafkaServer
from tests.support.kinds import eventually, logged


@pytest.fixture
def settings(kafka: KafkaServer) -> KafkaSettings:
    prefix = f"t{uuid.uuid4().hex[:10]}."
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, topic_prefix=prefix, replicas=1)


@pytest.fixture
async def make_bus(settings: KafkaSettings) -> AsyncIterator[Callable[..., KafkaBus]]:
    made: list[KafkaBus] = []

    def make(**changes: object) -> KafkaBus:
        made.append(KafkaBus(settings.model_copy(update={"auto_create": True, **changes})))
        return made[-1]

    yield make
    for bus in made:
        await bus.stop()


@pytest.mark.kafka
async def test_a_batch_that_waits_too_long_for_room_is_refused_and_comes_again(
    make_bus: Callable[..., KafkaBus], make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_intake, "HOLD_MAX", 0.2)
    store = await make_store(start=False)
    await store.take([Incoming("doc/x", f"m{n}", "said", b"{}") for n in range(20)])
    bus = make_bus(high_water=10)
    bus.subscribe(subscription(store))
    await bus.start()
    await bus.append([record("k", "e1"), record("k", "e2")])
    await asyncio.sleep(2.0)
    assert store.waiting() == 20
    await store.start()
    assert [entry[1] for entry in await logged(store, "doc/k", 2)] == ["e1", "e2"]


@pytest.mark.kafka
async def test_members_that_come_and_go_take_each_event_once_and_in_order(
    make_bus: Callable[..., KafkaBus], make_store: MakeStore
) -> None:
    store, first, second = await make_store(), make_bus(), make_bus()
    for bus in (first, second):
        bus.subscribe(subscription(store))
    await first.start()
    await ready(first)
    writer = make_bus()
    for step in range(60):
        await writer.append([record(f"k{key}", f"{key}:{step:02}") for key in range(8)])
        if step == 15:
            await second.start()
        if step == 40:
            await first.stop()
        await asyncio.sleep(0.05)
    for key in range(8):
        taken = [entry[1] for entry in await logged(store, f"doc/k{key}", 60)]
        assert taken == [f"{key}:{n:02}" for n in range(60)]


@pytest.mark.kafka
async def test_missing_topics_are_told_until_they_are_applied(settings: KafkaSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"lacks the topics alerts\.v1, .*`signoff topics apply`"):
        await check_topics(settings)
    assert "incidents.v1: created" in await apply_topics(settings)
    await check_topics(settings)
    assert "incidents.v1: as it should be" in await apply_topics(settings)


@pytest.mark.kafka
async def test_a_keyed_topic_with_other_partitions_is_refused(settings: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    name = settings.topic_prefix + "incidents.v1"
    await admin.create_topics([NewTopic(name, 3, 1)])

    async def is_visible() -> bool:
        [found] = await admin.describe_topics([name])
        return bool(found["partitions"])

    await eventually(is_visible)
    await admin.close()
    for prepare in (check_topics, apply_topics):
        with pytest.raises(ConfigurationError, match=r"incidents\.v1 has 3 partitions, not 12"):
            await prepare(settings)


async def test_a_cluster_that_is_not_there_is_told_with_its_address() -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9"):
        await check_topics(KafkaSettings(bootstrap_servers="127.0.0.1:9"))


def test_a_password_reaches_the_client_and_no_text() -> None:
    settings = KafkaSettings.model_validate(
        {
            "bootstrap_servers": "broker:9093",
            "security_protocol": "SASL_SSL",
            "sasl_username": "executor",
            "sasl_password": "hush-hush",
        }
    )
    arguments = client_arguments(settings)
    assert arguments["sasl_plain_password"] == "hush-hush"
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
    assert arguments["ssl_context"].check_hostname
    assert "hush-hush" not in repr(settings) + settings.model_dump_json()


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = KafkaSettings(
        bootstrap_servers="broker:9093", security_protocol="SSL", certificate_file=tmp_path / "no", key_file=tmp_path
    )
    with pytest.raises(ConfigurationError, match="kafka: TLS files cannot be used"):
        client_arguments(settings)
