"""What the vendors send, as they send it: Datadog with the recommended template, PagerDuty V3. Pure."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from simulation.scenario import MonitorSpec


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request to ingest, the same bytes on each attempt."""

    source: str
    body: bytes
    headers: dict[str, str]


def _digest(*parts: str, length: int = 16) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:length]


@dataclass(frozen=True, slots=True)
class Moment:
    """One change of a monitor: when (data time, seconds since the epoch), at which value, in which cycle."""

    run: str
    at: float
    value: float
    cycle: int
    fires: bool


def webhook(monitor: MonitorSpec, moment: Moment, secret: str) -> Webhook:
    """Return the request for one change of a monitor, signed with `secret` and marked with the run."""
    run = moment.run
    body = orjson.dumps(_datadog(monitor, moment) if monitor.vendor == "datadog" else _pagerduty(monitor, moment))
    delivery = _digest(run, monitor.id, str(moment.cycle), str(moment.fires))
    headers = {"Content-Type": "application/json", "Signoff-Run": run}
    if monitor.vendor == "datadog":
        headers |= {"X-Signoff-Token": secret, "User-Agent": "Datadog"}
    else:
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers |= {
            "X-PagerDuty-Signature": f"v1={signature}",
            "X-Webhook-Id": delivery,
            "User-Agent": "PagerDuty-Webhook/V3.0",
        }
    return Webhook(monitor.vendor, body, headers)


def _datadog(monitor: MonitorSpec, moment: Moment) -> dict[str, Any]:
    run, cycle, value = moment.run, moment.cycle, moment.value
    host, service = monitor.values.get("host", monitor.entity), monitor.values.get("service", "")
    title = monitor.title.replace("{{host.name}}", host)
    transition = "Triggered" if moment.fires else "Recovered"
    priority = monitor.values.get("priority", "P3")
    milliseconds = str(int(moment.at * 1000))
    link = f"https://app.datadoghq.com/monitors/{monitor.id}?group=host%3A{host}"
    return {
        "id": str(int(_digest(run, monitor.id, str(cycle), transition), 16)),
        "alert_id": monitor.id,
        "alert_cycle_key": str(int(_digest(run, monitor.id, str(cycle)), 16)),
        "aggreg_key": _digest(run, monitor.id, length=32),
        "alert_transition": transition,
        "alert_type": "error" if moment.fires else "success",
        "alert_priority": priority,
        "alert_query": monitor.values.get("query", ""),
        "alert_scope": f"host:{host}",
        "alert_metric": monitor.metric,
        "event_type": "query_alert_monitor",
        "title": f"[{priority}] [{transition} on {{host:{host}}}] {title}",
        "body": f"%%%\n{title}: {monitor.metric} is {value:.1f}\n\n[[Monitor Status]({link})]\n%%%",
        "text": f"{title}: {monitor.metric} is {value:.1f}",
        "tags": f"env:prod,host:{host},service:{service},monitor",
        "hostname": host,
        "date": milliseconds,
        "last_updated": milliseconds,
        "link": link,
        "snapshot": "",
        "org": {"id": "1200300", "name": "Example"},
    }


def _pagerduty(monitor: MonitorSpec, moment: Moment) -> dict[str, Any]:
    run, cycle, fires = moment.run, moment.cycle, moment.fires
    time = datetime.fromtimestamp(moment.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    priority = monitor.values.get("priority", "P3")
    incident = f"Q{_digest(run, monitor.id, str(cycle), length=13).upper()}"
    service_id = monitor.values.get("service_id", "PSERVICE")
    event_type = "incident.triggered" if fires else "incident.resolved"
    url = f"https://example.pagerduty.com/incidents/{incident}"
    return {
        "event": {
            "id": f"01{_digest(run, monitor.id, str(cycle), event_type, length=24).upper()}",
            "event_type": event_type,
            "resource_type": "incident",
            "occurred_at": time,
            "agent": None,
            "client": {"name": "Monitoring"},
            "data": {
                "id": incident,
                "type": "incident",
                "self": f"https://api.pagerduty.com/incidents/{incident}",
                "html_url": url,
                "number": 4200 + cycle,
                "status": "triggered" if fires else "resolved",
                "incident_key": None,
                "created_at": time,
                "title": monitor.title if fires else f"{monitor.title} ({moment.value:.0f} now)",
                "service": {
                    "id": service_id,
                    "type": "service_reference",
                    "self": f"https://api.pagerduty.com/services/{service_id}",
                    "html_url": f"https://example.pagerduty.com/service-directory/{service_id}",
                    "summary": monitor.values.get("service", monitor.entity),
                },
                "assignees": [],
                "escalation_policy": {"id": "PESCAL1", "type": "escalation_policy_reference", "summary": "Default"},
                "teams": [],
                "priority": {
                    "id": "PPRIO2",
                    "type": "priority_reference",
                    "summary": priority,
                },
                "urgency": monitor.values.get("urgency", "high"),
                "conference_bridge": None,
                "resolve_reason": None,
            },
        }
    }
