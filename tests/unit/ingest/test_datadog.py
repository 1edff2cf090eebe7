"""What ingest makes of Datadog bodies: a sentence a row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.parsed import AlertFound, Unreadable
from services.ingest.sources.datadog import parse
from shared.incident.alert import Alert
from shared.incident.enums import AlertStatus, Severity

RECEIVED = datetime(2026, 11, 24, 3, tzinfo=UTC)

TEMPLATE: dict[str, Any] = {
    "id": "7001",
    "alert_id": "42",
    "alert_cycle_key": "99",
    "aggreg_key": "a1b2",
    "alert_transition": "Triggered",
    "alert_type": "error",
    "alert_priority": "P2",
    "alert_scope": "host:web-1,env:prod",
    "alert_metric": "system.cpu.user",
    "title": "[P2] [Triggered on {host:web-1}] CPU is high",
    "text": "CPU is high: 97 %",
    "tags": "env:prod,service:shop,service:cart,urgent",
    "hostname": "web-1",
    "date": "1764000000000",
    "link": "https://app.datadoghq.com/monitors/42?group=host%3Aweb-1",
    "org": {"id": "7", "name": "Example"},
}
DEFAULT = {
    "body": "%%%\nCPU is high\n\n[[Monitor Status](https://app.datadoghq.eu/monitors/42?group=host%3Aweb-1)]\n%%%",
    "last_updated": "1764000000000",
    "event_type": "query_alert_monitor",
    "title": "[P1] [Re-Triggered on {host:web-1}] CPU is high",
    "date": "1764000000000",
    "org": {"id": "7", "name": "Example"},
    "id": "7002",
}


def found(body: object) -> AlertFound:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    [message] = parse(raw, {}, RECEIVED)
    assert isinstance(message, AlertFound), message
    return message


def alert(body: object = TEMPLATE, **changes: object) -> Alert:
    return found({**body, **changes} if isinstance(body, dict) else body).alert


def test_the_recommended_template_gives_everything() -> None:
    message = found(TEMPLATE)
    seen = message.alert
    assert (seen.title, seen.severity, seen.status, seen.host) == (
        "CPU is high",
        Severity.SEV2,
        AlertStatus.FIRING,
        "web-1",
    )
    assert (seen.cycle, seen.metric, message.delivery_key) == ("99", "system.cpu.user", "7:7001")
    assert seen.services == ("cart", "shop")
    assert seen.labels == {"env": "prod", "service": "shop|cart", "urgent": "true", "host": "web-1"}
    assert (seen.occurred_at, seen.has_own_time) == (datetime.fromtimestamp(1764000000, UTC), True)


def test_the_default_body_gives_what_title_and_link_hold() -> None:
    seen = alert(DEFAULT)
    assert (seen.title, seen.severity, seen.transition) == ("CPU is high", Severity.SEV1, "Re-Triggered")
    assert (seen.host, seen.link) == ("web-1", "https://app.datadoghq.eu/monitors/42?group=host%3Aweb-1")


def test_default_body_and_template_of_one_monitor_and_host_are_one_alert() -> None:
    assert alert(DEFAULT).fingerprint == alert(alert_scope="host:web-1").fingerprint


@pytest.mark.parametrize(
    "transition, status",
    [
        ("Triggered", "firing"),
        ("Re-Triggered", "firing"),
        ("Warn", "firing"),
        ("Re-Warn", "firing"),
        ("No Data", "firing"),
        ("Re-No Data", "firing"),
        ("Renotify", "firing"),
        ("Muted", "firing"),
        ("Something New", "firing"),
        ("Recovered", "recovered"),
        ("Warn Recovered", "recovered"),
    ],
)
def test_a_transition_says_whether_it_fires(transition: str, status: str) -> None:
    assert alert(alert_transition=transition).status == status
    assert alert(DEFAULT, title=f"[{transition} on {{host:web-1}}] CPU is high").status in (status, "firing")


@pytest.mark.parametrize(
    "title, name, is_test",
    [
        ("[Triggered] CPU is high", "CPU is high", False),
        ("[Triggered on {host:a,env:b}] [P3] CPU is high", "CPU is high", False),
        ("[Triggered] [TEST] CPU is high", "CPU is high", True),
        ("[P1] [Recovered] [TEST] CPU", "CPU", True),
        ("[prod] CPU is high", "[prod] CPU is high", False),
        ("[Triggered] latency &gt; 3 s &amp; rising", "latency > 3 s & rising", False),
    ],
)
def test_brackets_of_a_title_are_read_in_any_order(title: str, name: str, *, is_test: bool) -> None:
    seen = alert(DEFAULT, title=title)
    assert (seen.title, seen.is_test) == (name, is_test)


LONG = ",".join(f"tag_{number}:{'value-' * 6}{number}" for number in range(8))


@pytest.mark.parametrize("group", [LONG, "url:http://shop.example/[42]"], ids=["of many tags", "with brackets in it"])
def test_a_recovery_is_one_whatever_its_group_is(group: str) -> None:
    seen = alert({"id": "7003", "title": f"[P2] [Recovered on {{{group}}}] CPU is high", "org": {"id": "7"}})
    assert (seen.status, seen.title) == ("recovered", "CPU is high")
    assert (
        seen.fingerprint
        == alert({"id": "7004", "title": f"[Triggered on {{{group}}}] CPU is high", "org": {"id": "7"}}).fingerprint
    )


@pytest.mark.parametrize("missing", ["", "null", "$ALERT_ID", "None"])
def test_what_stands_for_missing_is_missing(missing: str) -> None:
    seen = alert(alert_id=missing, link="", aggreg_key=missing, alert_cycle_key=missing, alert_priority=missing)
    assert seen.source_key == "name:7:CPU is high:env:prod,host:web-1"
    assert (seen.cycle, seen.severity) == (None, Severity.SEV2)


def test_the_order_and_case_of_a_scope_do_not_matter() -> None:
    assert alert(alert_scope="env:prod,HOST:web-1").fingerprint == alert().fingerprint


def test_a_title_that_lost_its_tag_is_still_the_same_alert() -> None:
    assert alert(title="[Recovered on {}] CPU of  is high", alert_transition="Recovered").fingerprint == (
        alert().fingerprint
    )


def test_numbers_instead_of_text_are_fine() -> None:
    seen = alert(alert_id=42, date=1764000000000, id=7001, alert_cycle_key=99, org={"id": 7})
    assert seen.model_dump(exclude={"labels"}) == alert().model_dump(exclude={"labels"})


def test_without_a_time_of_its_own_the_receipt_counts() -> None:
    seen = alert(date="", last_updated="soon")
    assert (seen.occurred_at, seen.has_own_time) == (RECEIVED, False)


@pytest.mark.parametrize(
    "body, why",
    [
        (b"", "empty"),
        (b"{", "broken_json"),
        (b'{"a": $LOGS_SAMPLE}', "broken_json"),
        (b"\xff\xfe{", "not_utf8"),
        (b"[" * 100_000, "broken_json"),
        (b"[]", "not_an_object"),
        (b"{}", "no_identity"),
        (b'{"detail": {"meta": {}}}', "forwarded"),
        (b'{"title": "$EVENT_TITLE"}', "no_identity"),
    ],
)
def test_what_cannot_be_understood_says_why(body: bytes, why: str) -> None:
    [message] = parse(body, {}, RECEIVED)
    assert isinstance(message, Unreadable)
    assert message.why == why


def test_a_byte_order_mark_and_a_raw_newline_are_forgiven() -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(TEMPLATE).encode().replace(b"CPU is high: ", b"CPU is high:\n")
    assert found(raw).alert.description == "CPU is high:\n97 %"


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert alert(b'{"title": "[Triggered] a\\ud83d b", "alert_id": "1"}').title == "a? b"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*TEMPLATE, "body", "last_updated"]), JSON))
def test_no_json_makes_the_parser_raise(fields: dict[str, Any]) -> None:
    assert len(parse(json.dumps(fields).encode(), {}, RECEIVED)) == 1


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(body: bytes) -> None:
    assert len(parse(body, {}, RECEIVED)) == 1
