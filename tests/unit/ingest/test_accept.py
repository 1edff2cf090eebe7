from __future__ import annotations

import base64
import json
import os
import zlib
from typing import Any

import pytest

from services.ingest.domain.parsed import Parser
from services.ingest.handlers.accept import Accepted, accept
from services.ingest.sources import datadog, generic, pagerduty
from shared.bus.port import WireRecord
from shared.events.deliveries import DeliveryNotAnAlert, DeliveryReceived, DeliveryUnreadable
from shared.events.envelope import EVENT_MAX, read_headers

PARSERS: dict[str, Parser] = {"datadog": datadog.parse, "pagerduty": pagerduty.parse, "generic": generic.parse}
KEY, NOW = b"receipt-key", 1_764_000_000.0


def records(body: bytes, source: str = "datadog", size: int | None = None) -> tuple[str, list[WireRecord]]:
    whole = len(body) if size is None else size
    delivered = accept(
        Accepted(source, "sim:r1", {"webhook-id": "w"}, body, NOW, whole), PARSERS[source], KEY, b"0123456789"
    )
    return delivered.receipt, delivered.records


def read(record: WireRecord) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(record.body)
    return value


def test_an_alert_is_keyed_by_its_fingerprint_and_carries_its_body() -> None:
    body = b'{"title": "[Triggered] CPU", "alert_id": "1"}'
    receipt, [record] = records(body)
    event = DeliveryReceived.read(read(record))
    assert record.key == event.alert.fingerprint
    assert (event.receipt, event.message_id) == (receipt, receipt)
    assert zlib.decompress(base64.b64decode(event.raw)) == body
    envelope = read_headers(record.headers)
    assert (envelope.id, envelope.type, envelope.environment) == (f"ingest/{receipt}", "delivery.received", "sim:r1")


def test_what_cannot_be_understood_is_keyed_by_its_receipt() -> None:
    receipt, [record] = records(b"{")
    assert record.key == receipt
    assert DeliveryUnreadable.read(read(record)).why == "broken_json"


def test_a_ping_is_told() -> None:
    ping = json.dumps({"event": {"event_type": "pagey.ping", "data": {"type": "ping"}}}).encode()
    _, [record] = records(ping, "pagerduty")
    assert DeliveryNotAnAlert.read(read(record)).is_test


def test_a_body_with_several_alerts_is_split_under_one_receipt() -> None:
    receipt, found = records(b'{"alerts": [{"title": "a"}, {"title": "b"}]}', "generic")
    events = [DeliveryReceived.read(read(record)) for record in found]
    assert [event.message_id for event in events] == [f"{receipt}/1", f"{receipt}/2"]
    assert len({event.mac for event in events}) == 2
    assert [bool(event.raw) for event in events] == [True, False]


@pytest.mark.parametrize("size", [10, 60_000, 900_000])
def test_an_event_stays_under_its_limit_whatever_the_body(size: int) -> None:
    noise = base64.b64encode(os.urandom(size)).decode()
    body = json.dumps(
        {"title": "\U0001f525" * 500, "text": "\U0001f525" * 9000, "tags": noise, "alert_id": "1"}
    ).encode()
    _, [record] = records(body)
    assert len(record.body) < EVENT_MAX
    event = DeliveryReceived.read(read(record))
    assert body.startswith(zlib.decompress(base64.b64decode(event.raw)))
    assert event.raw_size == len(body)
    assert event.raw_truncated == (size > 60)


def test_a_body_that_was_too_large_is_kept_as_far_as_it_was_read() -> None:
    _, [record] = records(b"{" * 1000, size=5000)
    event = DeliveryUnreadable.read(read(record))
    assert (event.why, event.raw_size, event.raw_truncated) == ("too_large", 5000, True)
