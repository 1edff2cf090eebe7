from __future__ import annotations

from shared.bus.kafka_topics import access_rules
from shared.bus.settings import KafkaSettings
from shared.bus.topics import TOPICS
from shared.events.registry import EVENTS


def test_every_event_has_a_topic_that_its_owner_may_write() -> None:
    writers = {topic.name: topic.writers for topic in TOPICS}
    for payload in EVENTS.values():
        assert payload.owner in writers[payload.topic]


def test_only_the_notifier_may_write_decisions() -> None:
    rules = access_rules(KafkaSettings())
    writing = [rule for rule in rules if "Write" in rule and rule.endswith("decisions.v1")]
    assert writing == [
        "--add --allow-principal User:notifier --operation Write --operation Describe --topic decisions.v1"
    ]


def test_a_service_may_read_in_the_group_its_subscription_uses() -> None:
    rules = access_rules(KafkaSettings(topic_prefix="eu."))
    assert "--add --allow-principal User:executor --operation Read --group eu.signoff.executor.decisions.v1" in rules
