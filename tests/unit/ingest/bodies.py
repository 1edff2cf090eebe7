"""Bodies as senders send them, odd ones among them, and what each is: an event, and the alert in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from services.ingest.sources.datadog import TEMPLATE

ALERT, NOT_AN_ALERT, UNREADABLE = "delivery.received", "delivery.not_an_alert", "delivery.unreadable"


@dataclass(frozen=True)
class Case:
    """One body. `expected` are fields of the alert, or of the event when there is no alert in it."""

    sentence: str
    source: str
    body: bytes
    event: str
    expected: dict[str, Any] = field(default_factory=dict)


def filled(**values: str) -> str:
    """Return the recommended template with its variables filled in as the sender does; the others stay empty."""
    text = TEMPLATE
    known = {
        "ID": "7001", "ALERT_ID": "42", "ALERT_CYCLE_KEY": "99", "AGGREG_KEY": "a1b2", "ALERT_TRANSITION": "Triggered",
        "ALERT_TYPE": "error", "ALERT_PRIORITY": "P2", "ALERT_SCOPE": "host:web-1,env:prod", "HOSTNAME": "web-1",
        "ALERT_METRIC": "system.cpu.user", "EVENT_TYPE": "query_alert_monitor", "ORG_ID": "7", "ORG_NAME": "Example",
        "EVENT_TITLE": "[P2] [Triggered on {host:web-1}] CPU is high", "TEXT_ONLY_MSG": "CPU is high: 97 %",
        "TAGS": "env:prod,service:shop", "DATE": "1764000000000", "LAST_UPDATED": "1764000000000",
        "LINK": "https://app.datadoghq.com/monitors/42?group=host%3Aweb-1", "SNAPSHOT": "", "EVENT_MSG": "",
        "ALERT_QUERY": "avg(last_5m):avg:system.cpu.user{*} > 90",
    } | values  # fmt: skip
    for name in sorted(known, key=len, reverse=True):
        text = text.replace(f'"${name}"', json.dumps(known[name]))
    return text


def default(**values: object) -> bytes:
    """Return a default body."""
    return json.dumps(
        {
            "body": "%%%\nCPU is high\n\n[[Monitor Status](https://app.datadoghq.eu/monitors/42?group=host%3Aweb-1)]\n%%%",
            "last_updated": "1764000000000",
            "event_type": "query_alert_monitor",
            "title": "[P2] [Triggered on {host:web-1}] CPU is high",
            "date": "1764000000000",
            "org": {"id": "7", "name": "Example"},
            "id": "7001",
        }
        | values
    ).encode()


def v3(event_type: str = "incident.triggered", **data: object) -> bytes:
    """Return a PagerDuty V3 body."""
    incident = {
        "id": "Q1", "type": "incident", "status": "triggered", "title": "p95 is high", "incident_key": None,
        "service": {"id": "P1", "type": "service_reference", "summary": "shop"}, "priority": {"summary": "P1"},
        "urgency": "high", "resolve_reason": None, "html_url": "https://example.pagerduty.com/incidents/Q1",
    }  # fmt: skip
    event = {"id": "01A", "event_type": event_type, "occurred_at": "2026-11-24T02:59:30.781Z", "agent": None}
    return json.dumps({"event": event | {"data": incident | data}}).encode()


def _datadog() -> list[Case]:
    cpu: dict[str, Any] = {
        "title": "CPU is high",
        "status": "firing",
        "severity": "sev2",
        "source_key": "monitor:7:42:env:prod,host:web-1",
    }
    short = cpu | {"source_key": "monitor:7:42:host:web-1"}

    def case(sentence: str, body: str | bytes, event: str = ALERT, **expected: object) -> Case:
        return Case(sentence, "datadog", body.encode() if isinstance(body, str) else body, event, expected)

    return [
        case("the recommended template", filled(), **cpu, host="web-1", services=["shop"], cycle="99"),
        case(
            "its recovery", filled(ALERT_TRANSITION="Recovered", ALERT_TYPE="success"), **cpu | {"status": "recovered"}
        ),
        case("a repeated notification", filled(ALERT_TRANSITION="Re-Triggered"), **cpu, transition="Re-Triggered"),
        case("no data", filled(ALERT_TRANSITION="No Data", ALERT_PRIORITY="P1"), **cpu | {"severity": "sev1"}),
        case("a transition of the future", filled(ALERT_TRANSITION="Paused"), **cpu, transition="Paused"),
        case("a test notification", filled(EVENT_TITLE="[Triggered] [TEST] CPU is high"), is_test=True),
        case(
            "a log monitor without type and priority",
            filled(ALERT_TYPE="", ALERT_PRIORITY="", EVENT_TITLE="[Triggered] a"),
            severity="sev3",
        ),
        case("all variables left as they are", TEMPLATE, UNREADABLE, why="no_identity"),
        case(
            "only the title filled in", TEMPLATE.replace("$EVENT_TITLE", "[Warn] a"), title="a", source_key="name::a:"
        ),
        case(
            "unset variables as the word null",
            filled(ALERT_ID="null", AGGREG_KEY="null", LINK="null"),
            source_key="name:7:CPU is high:env:prod,host:web-1",
        ),
        case(
            "placeholders that were not expanded",
            filled(HOSTNAME="{{host.name}}", TAGS="host:{{host.name}},service:$HOST"),
            **cpu | {"labels": {"env": "prod", "host": "web-1"}, "services": []},
        ),
        case(
            "a title that only begins with a dollar", filled(EVENT_TITLE="[Triggered] $5 an hour"), title="$5 an hour"
        ),
        case("the default body", default(), **short, link="https://app.datadoghq.eu/monitors/42?group=host%3Aweb-1"),
        case("a default body of long ago", default(body="https://app.datadoghq.com/monitors#42/edit"), **short),
        case("a shortened default body", default(body="CPU"), source_key="name:7:CPU is high:host:web-1"),
        case(
            "a date in seconds, ids as numbers",
            default(date=1764000000, id=7001, alert_id=42),
            **short,
            occurred_at="2025-11-24T16:00:00Z",
        ),
        case("tags as a list", default(tags=["service:shop", "env:prod", 5, None]), services=["shop"]),
        case(
            "fields that are null",
            default(tags=None, alert_scope=None, date=None, last_updated=None),
            has_own_time=False,
        ),
        case(
            "values of the wrong kind",
            default(title={"a": 1}, org=[], tags=7, date=True, alert_id=42),
            title="CPU is high",
        ),
        case(
            "a raw newline and a tab in a text",
            filled().replace("CPU is high: ", "CPU is high:\n\t"),
            description="CPU is high:\n\t97 %",
        ),
        case("a value left empty because it was not quoted", filled().replace('"snapshot": ""', '"snapshot": '), **cpu),
        case("several values left empty", '{"a": , "title": "[Triggered] x", "b":}', title="x"),
        case("an unquoted object that did render", default(logs_sample={"message": "x", "n": [1, {"a": 2}]}), **short),
        case("a byte order mark", b"\xef\xbb\xbf" + default(), **short),
        case("blanks around", b"\r\n  " + default() + b"\n\n", **short),
        case(
            "escapes and marks of HTML",
            default(title="[Triggered] a &gt; 3 &#x27;s&#x27; \u00b7 \U0001f525"),
            title="a > 3 's' \u00b7 \U0001f525",
        ),
        case("control characters", default(title="[Triggered] a\u0000\u0007\u001bb"), title="ab"),
        case("half a character", b'{"title": "[Triggered] a\\ud83d b"}', title="a? b"),
        case(
            "a form with a field for each name",
            urlencode({"title": "[Triggered] x", "id": "7001", "alert_id": "42"}),
            title="x",
            source_key="monitor::42:",
        ),
        case("a form with the JSON in one field", "payload=" + quote(default().decode()), **short),
        case("a form with broken JSON in it", "payload=%7B", UNREADABLE, why="broken_json"),
        case("an empty body", b"", UNREADABLE, why="empty"),
        case("only blanks", b" \n", UNREADABLE, why="empty"),
        case("a body that was cut off", default()[:-40], UNREADABLE, why="broken_json"),
        case("a quote that was not escaped", '{"title": "a "b" c", "alert_id": "1"}', UNREADABLE, why="broken_json"),
        case("a variable that was neither quoted nor filled in", '{"a": $LOGS_SAMPLE}', UNREADABLE, why="broken_json"),
        case("single quotes", "{'title': 'x'}", UNREADABLE, why="broken_json"),
        case("two objects, one after the other", default() + default(), UNREADABLE, why="broken_json"),
        case("a list", b"[" + default() + b"]", UNREADABLE, why="not_an_object"),
        case("a word", b'"Triggered"', UNREADABLE, why="not_an_object"),
        case("a number", b"42", UNREADABLE, why="not_an_object"),
        case("null", b"null", UNREADABLE, why="not_an_object"),
        case("plain text", "CPU is high on web-1", UNREADABLE, why="broken_json"),
        case("XML", "<alert title='x'/>", UNREADABLE, why="broken_json"),
        case("an object without fields", b"{}", UNREADABLE, why="no_identity"),
        case("another character set", default(title="x").replace(b'"x"', b'"caf\xe9"'), UNREADABLE, why="not_utf8"),
        case("UTF-16", default().decode().encode("utf-16"), UNREADABLE, why="not_utf8"),
        case("a compressed body", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", UNREADABLE, why="not_utf8"),
        case("a name that stands twice", b'{"title": "a", "title": "b"}', UNREADABLE, why="duplicate_name"),
        case("a number that is none", b'{"title": "a", "date": NaN}', UNREADABLE, why="broken_json"),
        case("an infinite number", b'{"title": "a", "date": -Infinity}', UNREADABLE, why="broken_json"),
        case("a number beyond all floats", b'{"title": "[Triggered] a", "date": 1e999}', has_own_time=False),
        case("a number of 300 digits", b'{"title": "[Triggered] a", "date": ' + b"9" * 300 + b"}", has_own_time=False),
        case("a number of 5000 digits", b'{"title": "a", "date": ' + b"9" * 5000 + b"}", UNREADABLE, why="broken_json"),
        case("lists in lists without end", b'{"title": ' + b"[" * 100_000, UNREADABLE, why="broken_json"),
        case("objects in objects, deep", b'{"a":' * 50_000 + b"1" + b"}" * 50_000, UNREADABLE, why="broken_json"),
        case("a little nesting", b'{"title": "[Triggered] a", "x": ' + b"[" * 50 + b"]" * 50 + b"}", title="a"),
        case(
            "an event forwarded by a cloud",
            b'{"detail-type": "x", "detail": {"meta": {}}}',
            UNREADABLE,
            why="forwarded",
        ),
    ]


def _pagerduty() -> list[Case]:
    p95: dict[str, Any] = {
        "title": "p95 is high",
        "status": "firing",
        "severity": "sev1",
        "source_key": "Q1",
        "services": ["shop"],
    }

    def case(sentence: str, body: str | bytes, event: str = ALERT, **expected: object) -> Case:
        return Case(sentence, "pagerduty", body.encode() if isinstance(body, str) else body, event, expected)

    def older(**message: object) -> bytes:
        return json.dumps({"messages": [{"id": "m", "created_on": "2026-11-24T02:59:30Z", **message}]}).encode()

    incident = {
        "id": "Q1",
        "status": "triggered",
        "title": "p95 is high",
        "service": {"summary": "shop"},
        "urgency": "high",
    }
    merged = {"status": "resolved", "resolve_reason": {"type": "merge_resolve_reason", "incident": {"id": "Q0"}}}
    ping = {"event": {"id": "1", "event_type": "pagey.ping", "data": {"message": "Hello", "type": "ping"}}}
    orchestrated = {"__pd_metadata": {"incident": {"id": "Q1"}}}
    return [
        case("an incident opens", v3(), **p95),
        case("it is acknowledged", v3("incident.acknowledged", status="acknowledged"), **p95),
        case("it is resolved", v3("incident.resolved", status="resolved"), **p95 | {"status": "recovered"}),
        case("it is merged away, which is no recovery", v3("incident.resolved", **merged), NOT_AN_ALERT, why="merged"),
        case("an incident event of the future", v3("incident.snoozed"), **p95, transition="incident.snoozed"),
        case("a note", v3("incident.annotated", type="incident_note"), NOT_AN_ALERT, why="incident_note"),
        case("another kind of the future", v3("garden.watered", type="garden"), NOT_AN_ALERT, why="garden"),
        case("a ping", json.dumps(ping), NOT_AN_ALERT, why="ping", is_test=True),
        case("without status the event tells", v3("incident.resolved", status=None), **p95 | {"status": "recovered"}),
        case("ids as numbers", v3(id=17, title=404), source_key="17", title="404"),
        case(
            "fields that are null",
            v3(service=None, priority=None, urgency=None, title=None),
            title="incident Q1",
            severity="sev3",
        ),
        case("an incident without id", v3(id=None), UNREADABLE, why="no_identity"),
        case(
            "data that is a list",
            json.dumps({"event": {"event_type": "incident.triggered", "data": []}}),
            UNREADABLE,
            why="no_identity",
        ),
        case("an event that is a word", json.dumps({"event": "incident.trigger"}), UNREADABLE, why="not_v3"),
        case("V2", older(event="incident.trigger", incident=incident), **p95 | {"severity": "sev2"}),
        case(
            "V2, resolved",
            older(event="incident.resolve", incident=incident | {"status": "resolved"}),
            status="recovered",
        ),
        case("V1", older(type="incident.trigger", data={"incident": incident}), **p95 | {"severity": "sev2"}),
        case("V1 without anything in it", older(type="incident.trigger"), UNREADABLE, why="no_identity"),
        case("an event orchestration", json.dumps(orchestrated), UNREADABLE, why="event_orchestration"),
        case("a list", b"[" + v3() + b"]", UNREADABLE, why="not_v3"),
        case("an empty body", b"", UNREADABLE, why="empty"),
        case("a name that stands twice", b'{"event": {}, "event": {}}', UNREADABLE, why="duplicate_name"),
        case("another character set", b'{"event": "\xe9"}', UNREADABLE, why="not_utf8"),
    ]


def _generic() -> list[Case]:
    def case(sentence: str, body: str | bytes, event: str = ALERT, **expected: object) -> Case:
        return Case(sentence, "generic", body.encode() if isinstance(body, str) else body, event, expected)

    return [
        case(
            "only a title",
            '{"title": "disk is full"}',
            title="disk is full",
            status="firing",
            source_key="disk is full",
        ),
        case("only a key", '{"key": "disk-1", "status": "resolved"}', title="disk-1", status="recovered"),
        case(
            "everything",
            json.dumps(
                {
                    "title": "a",
                    "key": "k",
                    "severity": "critical",
                    "services": ["b", "a", None, ""],
                    "host": "h",
                    "labels": {"x": 1, "": "y", "z": None},
                    "at": 1764000000,
                    "test": True,
                }
            ),
            severity="sev1",
            services=["a", "b"],
            host="h",
            labels={"x": "1"},
            is_test=True,
            has_own_time=True,
        ),
        case("the envelope of Standard Webhooks", '{"type": "a", "timestamp": "t", "data": {"title": "a"}}', title="a"),
        case("one alert in a list", '[{"title": "a"}]', title="a"),
        case("one alert under `alerts`", '{"alerts": [{"title": "a"}]}', title="a"),
        case("alerts that are none", '{"alerts": []}', UNREADABLE, why="no_identity"),
        case("a list without alerts", "[]", UNREADABLE, why="nothing"),
        case("neither title nor key", '{"severity": "P1"}', UNREADABLE, why="no_identity"),
        case("a number", "7", UNREADABLE, why="no_identity"),
        case("an empty body", "", UNREADABLE, why="empty"),
    ]


_SOURCES: tuple[Callable[[], list[Case]], ...] = (_datadog, _pagerduty, _generic)
CASES = [case for cases in _SOURCES for case in cases()]
