"""Which open incident an alert belongs to, if any."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TypedDict

from services.diagnoser.domain.rules import CorrelationRule
from services.diagnoser.domain.suppression import values_of
from shared.incident.alert import Alert
from shared.incident.model import IncidentId

_SEPARATOR = "\x1f"


class OpenIncident(TypedDict):
    """What correlation needs to know of an incident. `first` and `last` are data times, `closed` is wall time."""

    keys: dict[str, list[str]]
    """Rule name -> the values of its alerts."""
    first: float
    last: float
    closed: float | None


@dataclass(frozen=True, slots=True)
class Match:
    """The incident an alert joins, and by which rule. `others` fit too: they are related, never merged."""

    incident: str
    reason: str
    others: tuple[str, ...] = ()


def incident_id(scope: str, message_id: str) -> IncidentId:
    """Return the id of the incident that a message opens: the same for each run. The format is frozen."""
    digest = hashlib.sha256(f"{scope}\x00{message_id}".encode()).digest()
    return IncidentId(f"INC-{base64.b32encode(digest).decode()[:10]}")


def keys_of(alert: Alert, rules: Iterable[CorrelationRule]) -> dict[str, list[str]]:
    """Return the values by which each rule would find an alert's relatives; rules that say nothing are left out."""
    found = {}
    for rule in rules:
        values = [values_of(alert, name) for name in rule.same]
        if all(values):
            found[rule.name] = [_SEPARATOR.join(combination) for combination in product(*values)]
    return found


@dataclass(slots=True)
class Index:
    """Open incidents by rule and value, so that a storm costs the same for each alert."""

    rules: Sequence[CorrelationRule]
    incidents: Mapping[str, OpenIncident]
    _found: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for incident, known in self.incidents.items():
            self.add(incident, known["keys"])

    def add(self, incident: str, keys: Mapping[str, Iterable[str]]) -> None:
        """Make an incident findable by these values."""
        for rule, values in keys.items():
            for value in values:
                known = self._found.setdefault((rule, value), [])
                if incident not in known:
                    known.append(incident)

    def match(self, alert: Alert, keys: Mapping[str, Sequence[str]]) -> Match | None:
        """Return the incident an alert joins: by the first rule that fits, the most recently active one."""
        at = alert.occurred_at.timestamp()
        fits: dict[str, str] = {}
        for rule in self.rules:
            near = [
                (known["last"], incident, value)
                for value in keys.get(rule.name, ())
                for incident in self._found.get((rule.name, value), ())
                if _is_near(known := self.incidents[incident], at, rule.window_seconds)
            ]
            for _, incident, value in sorted(near, reverse=True):
                fits.setdefault(incident, f"{rule.name.replace('_', ' ')}: {', '.join(value.split(_SEPARATOR))}")
        if not fits:
            return None
        first, *others = fits
        return Match(first, fits[first], tuple(others))


def _is_near(incident: OpenIncident, at: float, window: float) -> bool:
    return incident["closed"] is None and incident["first"] - window <= at <= incident["last"] + window


def join(incident: OpenIncident, keys: Mapping[str, Sequence[str]], at: float) -> None:
    """Change an incident as an alert does that joins it."""
    for name, values in keys.items():
        known = incident["keys"].setdefault(name, [])
        known += [value for value in values if value not in known]
        del known[VALUES_MAX:]
    incident["first"] = min(incident["first"], at)
    incident["last"] = max(incident["last"], at)


VALUES_MAX = 50
"""Values of one rule that an incident is found by; a storm must not grow the state without end."""
