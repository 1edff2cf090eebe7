"""What an investigation looks at, and the case that is made of what it finds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime

from services.diagnoser.domain.finding_out import KnownPlace
from shared.incident.diagnosis import DiagnosticResult
from shared.incident.enums import Severity
from shared.incident.evidence import MetricTimeSeries
from shared.incident.model import Model

JSON = Any
CaseJSON = Mapping[str, JSON]
"""An `rca-case/1` or parts of one: alerts, topology, metrics, logs, changes and facts of one incident."""

Span = tuple[datetime, datetime]

SCHEMA = "rca-case/1"
CUT = "cut"
"""Under this key a part of a case tells what of it is missing: name -> why. It does not become part of the case."""
WINDOW = timedelta(minutes=30)
WINDOW_MAX = timedelta(hours=3)
LEAD = timedelta(minutes=15)
"""How long before the first alert the window begins: causes come before symptoms."""
BASELINE = timedelta(hours=6)
NEAR = 2
"""Edges of the topology between the incident and what is looked at."""
ENTITIES_MAX = 60


class Asked(Model):
    """The arguments of the activity `investigate`. Times are data times."""

    investigation_id: str
    incident_id: str
    environment: str
    services: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    started_at: AwareDatetime
    severity: Severity = Severity.SEV1
    alerts: tuple[dict[str, JSON], ...] = ()

    @property
    def latest(self) -> datetime:
        """The newest data time that the alerts name."""
        return max([self.started_at, *(datetime.fromtimestamp(alert["at"], UTC) for alert in self.alerts)])


def spans(now: datetime, started_at: datetime) -> tuple[Span, Span]:
    """Return from when to when baseline and window are.

    The window holds the onset while it can. The baseline is never of the incident: what has been wrong for half a day
    would be what is usual.
    """
    start = max(min(now - WINDOW, started_at - LEAD), now - WINDOW_MAX)
    until = min(start, started_at - LEAD)
    return (until - BASELINE, until), (start, now)


def words_of(asked: Asked) -> tuple[str, ...]:
    """Return what an incident is about in words: its services and hosts, what its alerts measured and are called."""
    told = [alert.get(name, "") for alert in asked.alerts for name in ("metric", "title")]
    return tuple(dict.fromkeys(word for word in (*asked.services, *asked.hosts, *told) if word))


def entities_near(asked: Asked, topology: CaseJSON) -> tuple[str, ...]:
    """Return the incident's services and hosts and what is near them, nearest first, bounded."""
    found = list(dict.fromkeys([*asked.services, *asked.hosts, *(a["entity"] for a in asked.alerts if a["entity"])]))
    edges = [(edge["src"], edge["dst"]) for edge in topology.get("edges", ())]
    reached = set(found)
    for _ in range(NEAR):
        ring = [b if a in reached else a for a, b in edges if (a in reached) != (b in reached)]
        found += [name for name in dict.fromkeys(ring) if name not in reached]
        reached = set(found)
    return tuple(found[:ENTITIES_MAX])


def assemble(asked: Asked, parts: Iterable[CaseJSON]) -> dict[str, JSON]:
    """Return the case: alerts, and what each collector brought under its own keys."""
    case: dict[str, JSON] = {
        "schema": SCHEMA,
        "case_id": asked.investigation_id,
        "incident_id": asked.incident_id,
        "source": "signoff",
        "alerts": list(asked.alerts),
        "raw": {},
    }
    for part in parts:
        case["raw"].update(part.get("raw", {}))
        case.update({name: value for name, value in part.items() if name not in ("raw", CUT)})
    return case


def series_of(case: CaseJSON) -> list[MetricTimeSeries]:
    """Return the series of the window under suspicion."""
    return [
        MetricTimeSeries(
            id=metric["id"],
            entity=metric["entity"],
            name=metric["name"],
            unit=metric["unit"],
            harmful=metric["harmful"],
            start=datetime.fromtimestamp(metric["window_t0"], UTC),
            step_seconds=metric["step_s"],
            values=tuple(metric["window"]),
            limit=metric["limit"],
        )
        for metric in case.get("metrics", ())
        if metric["window"]
    ]


def kinds_of(asked: Asked, case: CaseJSON) -> dict[str, str]:
    """Return the kind of each entity of which anybody says it: the topology, the hosts, the alerts."""
    kinds = dict.fromkeys(asked.services, "service") | dict.fromkeys(asked.hosts, "host")
    kinds |= {host["id"]: "host" for host in case["raw"].get("hosts", ())}
    return kinds | {entity["id"]: entity["kind"] for entity in case.get("topology", {}).get("entities", ())}


def places_of(result: DiagnosticResult, asked: Asked, case: CaseJSON) -> dict[str, KnownPlace]:
    """Return kind and services of each entity that a cause names, from topology, hosts and alerts."""
    topology, hosts, kinds = case.get("topology", {}), case["raw"].get("hosts", ()), kinds_of(asked, case)
    there: dict[str, list[str]] = {host["id"]: list(host["services"]) for host in hosts}
    for edge in topology.get("edges", ()):
        if edge["kind"] == "runs_on":
            there.setdefault(edge["dst"], []).append(edge["src"])
    return {
        cause.entity: KnownPlace(
            kind=kinds.get(cause.entity, ""), services=_once(there.get(cause.entity, ()), asked.services)
        )
        for cause in result.causes
    }


def _once(services: Sequence[str], first: Sequence[str]) -> tuple[str, ...]:
    """Return each service once, those of the incident first."""
    return tuple(sorted(dict.fromkeys(services), key=lambda name: (name not in first, name)))
