from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.bus.settings import KafkaSettings


@pytest.mark.parametrize("servers", ["", "kafka", "kafka-1:9092", "10.0.0.1:9092,10.0.0.2:9092", "[::1]:9092"])
def test_addresses_of_brokers_are_taken(servers: str) -> None:
    assert KafkaSettings(bootstrap_servers=servers).bootstrap_servers == servers


@pytest.mark.parametrize("servers", ["kafka:port", "kafka:9092, other:9092", "kafka:9092,", "kafka://host:9092", " "])
def test_what_is_no_address_is_refused_before_anything_connects(servers: str) -> None:
    with pytest.raises(ValidationError, match="bootstrap_servers"):
        KafkaSettings(bootstrap_servers=servers)
