"""Deliveries as vendors send them, with their proofs, as bytes that only have to be written to a connection."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path

from services.ingest.sources.datadog import TEMPLATE

_INCIDENT = "https://example.pagerduty.com/incidents/{key}"


def datadog(number: int) -> bytes:
    """Return the recommended payload of a monitor that has triggered; `number` makes it one of many."""
    host = f"web-{number % 50:02}.example.internal"
    message = (
        f"The average of system.cpu.user over the last 5 minutes is 97.{number % 10} %, above 90 %, on host {host}."
    )
    values = {
        "ID": f"77{number:010}",
        "ALERT_ID": str(4200 + number % 50),
        "ALERT_CYCLE_KEY": f"99{number:010}",
        "AGGREG_KEY": hashlib.md5(host.encode(), usedforsecurity=False).hexdigest(),
        "ALERT_TRANSITION": "Triggered",
        "ALERT_TYPE": "error",
        "ALERT_PRIORITY": "P2",
        "ALERT_QUERY": "avg(last_5m):avg:system.cpu.user{env:prod,service:checkout} by {host} > 90",
        "ALERT_SCOPE": f"env:prod,host:{host},service:checkout",
        "ALERT_METRIC": "system.cpu.user",
        "EVENT_TYPE": "query_alert_monitor",
        "EVENT_TITLE": f"[P2] [Triggered on {{host:{host}}}] CPU is high on checkout hosts",
        "EVENT_MSG": f"%%%\n{message}\n\nRunbook: https://wiki.example.internal/runbooks/cpu\n\n@webhook-signoff\n%%%",
        "TEXT_ONLY_MSG": f"{message}\n\nRunbook: https://wiki.example.internal/runbooks/cpu\n\n@webhook-signoff",
        "TAGS": f"env:prod,host:{host},monitor,service:checkout,team:payments,version:3.1.0",
        "HOSTNAME": host,
        "DATE": "1764000000000",
        "LAST_UPDATED": "1764000000000",
        "LINK": f"https://app.datadoghq.eu/monitors/{4200 + number % 50}?group=host%3A{host}",
        "SNAPSHOT": "",
        "ORG_ID": "123456",
        "ORG_NAME": "Example",
    }
    text = TEMPLATE
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(f'"${name}"', json.dumps(values[name]))
    return text.encode()


def pagerduty(number: int) -> bytes:
    """Return a V3 webhook of an incident that was triggered, with all that such a one refers to."""

    def reference(kind: str, key: str, summary: str) -> dict[str, str]:
        place = f"https://example.pagerduty.com/{kind}s/{key}"
        return {
            "html_url": place,
            "id": key,
            "self": place.replace("//example.", "//api."),
            "summary": summary,
            "type": f"{kind}_reference",
        }

    key = f"Q{number:013}"
    incident = {
        "id": key,
        "type": "incident",
        "self": f"https://api.pagerduty.com/incidents/{key}",
        "html_url": _INCIDENT.format(key=key),
        "number": number,
        "status": "triggered",
        "incident_key": f"checkout/p95/{number % 50}",
        "created_at": "2026-11-24T02:59:30Z",
        "title": "p95 latency of checkout is above 800 ms in eu-west-1",
        "service": reference("service", "PF9KMXH", "checkout"),
        "assignees": [reference("user", "PTUXL6G", "Ada Example")],
        "escalation_policy": reference("escalation_policy", "PUS0KTE", "payments on call"),
        "teams": [reference("team", "PFCVPS0", "payments")],
        "priority": reference("priority", "PSO75BM", "P1"),
        "urgency": "high",
        "conference_bridge": {"conference_number": "+1000000000000,,123#", "conference_url": "https://meet.example/1"},
        "resolve_reason": None,
    }
    event = {
        "id": f"01{number:024}",
        "event_type": "incident.triggered",
        "resource_type": "incident",
        "occurred_at": "2026-11-24T02:59:30.781Z",
        "agent": reference("user", "PTUXL6G", "Ada Example"),
        "client": {"name": "Prometheus"},
        "data": incident,
    }
    return json.dumps({"event": event}).encode()


def datadog_request(number: int, secret: str) -> bytes:
    """Return a whole request of Datadog."""
    fields = {"Content-Type": "application/json", "X-Signoff-Token": secret}
    return _request("datadog", datadog(number), fields)


def pagerduty_request(number: int, secret: str) -> bytes:
    """Return a whole request of PagerDuty."""
    body = pagerduty(number)
    proof = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    fields = {
        "Content-Type": "application/json",
        "Accept": "*/*",
        "User-Agent": "PagerDuty-Webhook/V3.0",
        "X-Webhook-Id": f"0{number:025}",
        "X-Webhook-Subscription": "P0000000",
        "X-PagerDuty-Signature": f"v1={proof}",
    }
    return _request("pagerduty", body, fields)


def mixed_requests(count: int, secrets: Mapping[str, str]) -> list[bytes]:
    """Return as many of each sender, in turn; `secrets` by sender."""
    makers = (("datadog", datadog_request), ("pagerduty", pagerduty_request))
    return [make(number, secrets[source]) for number in range(count // 2) for source, make in makers]


def generated_secrets(data: Path) -> dict[str, str]:
    """Return the secrets that a start has generated, by sender."""
    return {source: (data / "secrets" / f"{source}_webhook").read_text().strip() for source in ("datadog", "pagerduty")}


def _request(source: str, body: bytes, fields: Mapping[str, str]) -> bytes:
    lines = [f"POST /webhooks/{source} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
