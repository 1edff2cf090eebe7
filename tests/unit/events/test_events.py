from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.envelope import Outgoing, headers_of, read_headers
from shared.events.incidents import IncidentNoted
from shared.events.registry import EVENTS, emitted_by
from shared.incident.actor import Actor
from tests.support.golden import SCHEMAS, schema


@pytest.mark.parametrize("event_type", sorted(EVENTS))
def test_the_schema_of_an_event_is_the_committed_one(event_type: str) -> None:
    committed = (SCHEMAS / f"{event_type}.json").read_text()
    assert schema(event_type) == committed, "changed on purpose? `python -m tests.support.golden`, and only additions"


def test_every_committed_schema_belongs_to_an_event() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(EVENTS)


def test_every_event_has_one_owner_of_the_four_services() -> None:
    owners = {payload.owner for payload in EVENTS.values()}
    assert owners == {"ingest", "diagnoser", "executor", "notifier"}
    assert sum(len(emitted_by(owner)) for owner in owners) == len(EVENTS)


def test_an_unknown_field_from_a_newer_writer_is_ignored() -> None:
    note = IncidentNoted.read({"actor": {"kind": "person", "id": "ann"}, "text": "hm", "colour": "red"})
    assert note == IncidentNoted(actor=Actor(kind="person", id="ann"), text="hm")


def test_headers_survive_the_way_to_the_bus_and_back() -> None:
    event = Outgoing(
        topic="incidents.v1",
        key="INC-1",
        type="incident.noted",
        body={},
        environment="sim:a",
        correlation="INC-1",
        causation="m1",
        traceparent="00-1-2-01",
        resend=2,
    )
    wire = [(name, text.encode()) for name, text in headers_of(event, event_id="e1", source="s", now=0.5).items()]
    envelope = read_headers(wire)
    assert envelope.type == "incident.noted"
    assert dict(wire)["ce_type"] == b"incident.noted.v1"
    assert (envelope.id, envelope.subject, envelope.environment, envelope.resend) == ("e1", "INC-1", "sim:a", 2)
    assert envelope.time == "1970-01-01T00:00:00.500000Z"


@given(st.lists(st.tuples(st.text(max_size=12), st.one_of(st.none(), st.binary(max_size=20)))))
def test_reading_headers_never_raises(headers: list[tuple[str, bytes | None]]) -> None:
    envelope = read_headers(headers)
    assert envelope.resend >= 0


@pytest.mark.parametrize("wrapped", [list, dict], ids=["as Kafka has them", "as the log has them"])
def test_a_header_that_is_longer_than_any_of_ours_is_named_and_goes_no_further(wrapped: type) -> None:
    headers = {"ce_id": "i" * 70_000, "ce_traceparent": "\u00fc" * 1_025, "ce_type": "a.v1"}
    given = wrapped(headers) if wrapped is dict else [(name, text.encode()) for name, text in headers.items()]

    envelope = read_headers(given)

    assert envelope.unknown == ("ce_id", "ce_traceparent")
    assert (envelope.id, envelope.traceparent, envelope.type) == ("", "", "a")


def test_a_header_that_is_not_text_is_named() -> None:
    assert read_headers([("ce_id", b"\xff"), ("ce_type", b"a.v1")]).unknown == ("ce_id",)


def test_an_outgoing_body_is_plain_json() -> None:
    note = IncidentNoted(actor=Actor(kind="person", id="ann"), text="ü").outgoing("INC-1", environment="live")
    assert orjson.loads(orjson.dumps(note.body))["text"] == "ü"
    assert note.correlation == "INC-1"
