"""What only Kafka has: topics to prepare, partitions that must never change, ways to connect."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.bus.kafka_client import client_arguments
from shared.bus.kafka_topics import apply_topics, check_topics
from shared.bus.settings import KafkaSettings
from shared.errors import ConfigurationError, UnavailableError
from tests.support.kafka import KafkaServer


@pytest.fixture
def settings(kafka: KafkaServer) -> KafkaSettings:
    prefix = f"t{uuid.uuid4().hex[:10]}."
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, topic_prefix=prefix, replicas=1)


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
    await admin.create_topics([NewTopic(settings.topic_prefix + "incidents.v1", 3, 1)])
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
