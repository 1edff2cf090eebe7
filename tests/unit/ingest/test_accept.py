from __future__ import annotations

import base64
import json
import os
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.parsed import Parsed, Parser, total
from services.ingest.handlers.accept import Accepted, accept
from services.ingest.handlers.redacting import AlertRedactor
from services.ingest.sources import datadog, generic, pagerduty
from shared.bus.port import WireRecord
from shared.events.deliveries import Delivery, DeliveryNotAnAlert, DeliveryReceived, DeliveryUnreadable
from shared.events.envelope import EVENT_MAX, headers_of, read_headers
from tests.unit.ingest.bodies import CASES, Case, v3

PARSERS: dict[str, Parser] = {"datadog": datadog.parse, "pagerduty": pagerduty.parse, "generic": generic.parse}
TEMPLATE: dict[str, Any] = json.loads(datadog.TEMPLATE)
INCIDENT: dict[str, Any] = json.loads(v3())["event"]["data"]
MODELS: dict[str, type[Delivery]] = {
    f"{model.type}.v1": model for model in (DeliveryReceived, DeliveryNotAnAlert, DeliveryUnreadable)
}
KEY, NOW = b"receipt-key", 1_764_000_000.0


def records(body: bytes, source: str = "datadog", size: int | None = None) -> tuple[str, list[WireRecord]]:
    whole = len(body) if size is None else size
    delivered = accept(
        Accepted(source, "sim:r1", {"webhook-id": "w"}, body, NOW, whole),
        PARSERS[source],
        KEY,
        b"0123456789",
        AlertRedactor(["receipt-key"]),
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


NAMES = {*TEMPLATE, *INCIDENT, "key", "host", "metric", "cycle", "severity", "description", "at", "name", "summary"}
WIDE = {"emoji": "\U0001f525", "quotes": '"', "newlines": "a\n", "controls": "\u0001a", "halves": "\ud83d"}


@pytest.mark.parametrize("text", WIDE.values(), ids=WIDE)
@pytest.mark.parametrize("source", PARSERS)
def test_an_event_stays_under_its_limit_however_wide_its_text(source: str, text: str) -> None:
    long = text * 5000
    tags = ",".join(f"{text * 50}{n}:{text * 90}" for n in range(200))
    everything = dict.fromkeys(NAMES, long)
    inner = {
        **everything,
        "labels": {f"{text * 40}{n}": long for n in range(200)},
        "services": [f"{long}{n}" for n in "ab"],
    }
    incident = {**everything, "type": "incident", "service": everything, "priority": everything, "id": long}
    fields = {**inner, "tags": tags, "id": long, "org": {"id": long}, "event": {"id": long, "data": incident}}
    body = json.dumps(fields | {"noise": base64.b64encode(os.urandom(60_000)).decode()}).encode()
    _, [record] = records(body, source)
    assert len(record.body) <= EVENT_MAX
    event = DeliveryReceived.read(read(record))
    assert body.startswith(zlib.decompress(base64.b64decode(event.raw)))


def test_a_body_on_which_a_parser_fails_is_kept() -> None:
    def fails(body: bytes, headers: object, received_at: object) -> Parsed:
        raise KeyError(body, headers, received_at)

    delivered = accept(
        Accepted("datadog", "live", {}, b"secret", NOW, 6), total(fails), KEY, b"0123456789", AlertRedactor()
    )
    [record] = delivered.records
    event = DeliveryUnreadable.read(read(record))
    assert (event.why, zlib.decompress(base64.b64decode(event.raw))) == ("parser_failed", b"secret")
    assert "secret" not in event.detail


def test_a_trace_of_the_sender_is_continued() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    accepted = Accepted("datadog", "live", {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}, b"{}", NOW, 2)
    [record] = accept(accepted, PARSERS["datadog"], KEY, b"0123456789", AlertRedactor()).records
    assert trace in record.headers["ce_traceparent"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize("source", PARSERS)
@given(value=JSON)
def test_any_json_becomes_events_with_numbered_messages(source: str, value: object) -> None:
    receipt, found = records(json.dumps(value).encode(), source)
    ids = [read(record)["message_id"] for record in found]
    assert ids == ([receipt] if len(ids) == 1 else [f"{receipt}/{n + 1}" for n in range(len(ids))])
    assert ids


@pytest.mark.parametrize("source", PARSERS)
@given(body=st.binary(max_size=300))
def test_any_bytes_become_one_event(source: str, body: bytes) -> None:
    assert len(records(body, source)[1]) == 1


def test_a_body_that_was_too_large_is_kept_as_far_as_it_was_read() -> None:
    _, [record] = records(b"{" * 1000, size=5000)
    event = DeliveryUnreadable.read(read(record))
    assert (event.why, event.raw_size, event.raw_truncated) == ("too_large", 5000, True)


def modelled(record: WireRecord) -> bytes:
    """Return a record's body as its model writes it."""
    event = MODELS[record.headers["ce_type"]].read(read(record))
    return orjson.dumps(event.outgoing(record.key, environment="live").body)


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.source}: {case.sentence}") for case in CASES])
def test_an_event_is_written_as_its_model_would_write_it(case: Case) -> None:
    for record in records(case.body, case.source)[1]:
        assert record.body == modelled(record)


@pytest.mark.parametrize("source", PARSERS)
@given(value=JSON, now=st.floats(1e9, 3e9))
def test_whatever_the_body_its_event_is_written_as_its_model_would_write_it(
    source: str, value: object, now: float
) -> None:
    fields = {"title": "a", "alert_id": "1", "tags": value, "text": value, "labels": value, "at": value, "date": value}
    incident = {"id": "1", "type": "incident", "title": value, "service": value}
    body = json.dumps(fields | {"event": {"occurred_at": value, "data": incident}}).encode()
    accepted = Accepted(source, "live", {}, body, now, len(body))
    for record in accept(accepted, PARSERS[source], KEY, b"0123456789", AlertRedactor()).records:
        assert record.body == modelled(record)


@pytest.mark.parametrize("body", [b'{"title": "a"}', b"{", b'{"alerts": [{"title": "a"}, 5]}'])
def test_headers_are_those_of_an_event(body: bytes) -> None:
    for record in records(body, "generic")[1]:
        event = MODELS[record.headers["ce_type"]].read(read(record))
        outgoing = event.outgoing(record.key, environment="sim:r1", traceparent=record.headers["ce_traceparent"])
        message_id = f"ingest/{event.message_id}"
        assert record.headers == headers_of(outgoing, event_id=message_id, source="signoff/ingest", now=NOW)
