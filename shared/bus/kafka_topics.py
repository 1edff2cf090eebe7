"""Topics on a real cluster: compare at start, create what is missing, print who may do what."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from shared.bus.kafka_client import begin, client_arguments, end_client, refusal
from shared.bus.settings import KafkaSettings
from shared.bus.topics import TOPICS, Topic, group
from shared.errors import ConfigurationError, UnavailableError

ADMIN_LIMIT = 15.0
VISIBLE_POLL = 0.1
"""Seconds between two looks for a new topic: brokers learn of it a moment after it was created."""
_EXISTS = 36


async def check_topics(settings: KafkaSettings) -> None:
    """Compare the cluster with `TOPICS`; create what is missing when `auto_create` is set.

    Raises UnavailableError when the cluster does not answer, ConfigurationError when it differs.
    """
    missing = await _missing(settings)
    if missing and not settings.auto_create:
        names = ", ".join(topic.name for topic in missing)
        raise ConfigurationError(f"Kafka lacks the topics {names}; run `signoff topics apply`")
    if missing:
        await _create(settings, missing, replicas=1)


async def apply_topics(settings: KafkaSettings) -> list[str]:
    """Create missing topics and return a line for each topic. Raises as `check_topics`."""
    missing = await _missing(settings)
    await _create(settings, missing, replicas=settings.replicas)
    created = {topic.name for topic in missing}
    return [f"{topic.name}: {'created' if topic.name in created else 'as it should be'}" for topic in TOPICS]


def access_rules(settings: KafkaSettings) -> list[str]:
    """Return the ACLs that give each service's principal what it needs and nothing more."""
    rules = []
    prefix = settings.topic_prefix
    for topic in TOPICS:
        name = prefix + topic.name
        for writer in topic.writers:
            rules += [f"--add --allow-principal User:{writer} --operation Write --operation Describe --topic {name}"]
        for reader in topic.readers:
            rules.append(f"--add --allow-principal User:{reader} --operation Read --operation Describe --topic {name}")
            rules.append(
                f"--add --allow-principal User:{reader} --operation Read --group {prefix}{group(reader, topic.name)}"
            )
    return rules


async def _missing(settings: KafkaSettings) -> list[Topic]:
    described = await _admin(settings, "describe_topics", [settings.topic_prefix + topic.name for topic in TOPICS])
    found = {entry["topic"]: len(entry["partitions"]) for entry in described if entry["error_code"] == 0}
    for topic in TOPICS:
        partitions = found.get(settings.topic_prefix + topic.name)
        if partitions is not None and partitions != topic.partitions:
            raise ConfigurationError(
                f"topic {topic.name} has {partitions} partitions, not {topic.partitions}: changing them "
                "would break the order of its keys; make a new topic (kafka.topic_prefix) and replay into it"
            )
    return [topic for topic in TOPICS if settings.topic_prefix + topic.name not in found]


async def _create(settings: KafkaSettings, topics: list[Topic], *, replicas: int) -> None:
    if not topics:
        return
    new = [
        NewTopic(
            name=settings.topic_prefix + topic.name,
            num_partitions=topic.partitions,
            replication_factor=replicas,
            topic_configs={
                "retention.ms": str(topic.retention_seconds * 1000),
                "min.insync.replicas": str(min(2, replicas)),
            },
        )
        for topic in topics
    ]
    answer = await _admin(settings, "create_topics", new)
    for name, code, *rest in answer.topic_errors:
        if code not in (0, _EXISTS):
            raise ConfigurationError(f"Kafka does not create topic {name}: error {code} {' '.join(map(str, rest))}")
    for _ in range(round(ADMIN_LIMIT / VISIBLE_POLL)):
        if not await _missing(settings):
            return
        await asyncio.sleep(VISIBLE_POLL)
    raise UnavailableError("Kafka created the topics but does not show them yet; try again")


async def _admin(settings: KafkaSettings, method: str, argument: object) -> Any:  # noqa: ANN401 -- untyped library
    client = AIOKafkaAdminClient(**client_arguments(settings))
    try:
        async with asyncio.timeout(ADMIN_LIMIT):
            await begin(client)
            return await getattr(client, method)(argument)
    except (TimeoutError, KafkaError, OSError) as error:
        why = await refusal(settings) or f"{type(error).__name__} {error}"
        raise UnavailableError(f"Kafka at {settings.bootstrap_servers} does not answer: {why}") from error
    finally:
        await end_client(client._client)  # noqa: SLF001 -- its `close` may leave something open
