"""Which open incident an alert belongs to, if any."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypedDict

from services.diagnoser.domain.rules import CorrelationRule
from services.diagnoser.domain.suppression import values_of
from shared.incident.alert import Alert
from shared.incident.model import IncidentId

_SEPARATOR = "\x1f"
INCIDENTS_KEPT = 400
"""Incidents an alert can join. In a storm beyond that the longest quiet ones take no more alerts."""
VALUES_MAX = 50
"""Values that an incident is found by; a storm must not grow the state without end."""
FOUND_KEPT = 1200
"""Values of all incidents together from which on one takes only its first few: it is found by these."""
FIRST_VALUES = 3
_VALUE_MAX = 40
"""Characters of a value that are kept as they are."""

Keys = Mapping[str, Sequence[str]]
"""Rule name -> the values by which it finds an alert's relatives."""


class OpenIncident(TypedDict):
    """What correlation needs to know of an incident. `first` and `last` are data times, `closed` is wall time."""

    first: float
    last: float
    closed: float | None
    values: int
    """By how many values of rules it is found."""


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


Found = dict[str, str]
"""Rule and value -> the incidents that are found by it, as one text: a scope reads and writes all of them each time."""


@dataclass(slots=True)
class Index:
    """Open incidents, and by which values of which rule each is found."""

    rules: Sequence[CorrelationRule]
    incidents: dict[str, OpenIncident]
    found: Found
    _held: int = field(init=False)

    def __post_init__(self) -> None:
        self._held = sum([known["values"] for known in self.incidents.values()])

    def open(self, incident: str, keys: Keys, at: float) -> None:
        """Take an incident in that begins with an alert of these values."""
        self.incidents[incident] = OpenIncident(first=at, last=at, closed=None, values=0)
        self._add(incident, keys)

    def join(self, incident: str, keys: Keys, at: float) -> None:
        """Change an incident as an alert of these values does that joins it."""
        known = self.incidents[incident]
        known["first"] = min(known["first"], at)
        known["last"] = max(known["last"], at)
        self._add(incident, keys)

    def _add(self, incident: str, keys: Keys) -> None:
        known = self.incidents[incident]
        for rule, values in keys.items():
            for value in values:
                place = _place(rule, value)
                others = self.found.get(place, "")
                room = VALUES_MAX if self._held < FOUND_KEPT else FIRST_VALUES
                if incident not in others and known["values"] < room:
                    self.found[place] = f"{others} {incident}" if others else incident
                    known["values"] += 1
                    self._held += 1

    def drop(self, incidents: Iterable[str]) -> None:
        """Forget incidents, and what they are found by."""
        gone = set(incidents)
        if not gone:
            return
        for incident in gone:
            self._held -= self.incidents.pop(incident)["values"]
        left = {place: [one for one in found.split() if one not in gone] for place, found in self.found.items()}
        self.found.clear()
        self.found.update({place: " ".join(found) for place, found in left.items() if found})

    def surplus(self) -> list[str]:
        """Return the incidents that are quiet for longest, beyond what is kept."""
        surplus = len(self.incidents) - INCIDENTS_KEPT
        if surplus <= 0:
            return []
        return sorted(self.incidents, key=lambda one: self.incidents[one]["last"])[:surplus]

    def match(self, alert: Alert, keys: Keys) -> Match | None:
        """Return the incident an alert joins: by the first rule that fits, the most recently active one."""
        at = alert.occurred_at.timestamp()
        fits: dict[str, tuple[str, str]] = {}
        for rule in self.rules:
            near = [
                (known["last"], incident, value)
                for value in keys.get(rule.name, ())
                for incident in self.found.get(_place(rule.name, value), "").split()
                if _is_near(known := self.incidents[incident], at, rule.window_seconds)
            ]
            for _, incident, value in sorted(near, reverse=True):
                fits.setdefault(incident, (rule.name, value))
        if not fits:
            return None
        first, *others = fits
        name, value = fits[first]
        return Match(first, f"{name.replace('_', ' ')}: {', '.join(value.split(_SEPARATOR))}", tuple(others))


def _place(rule: str, value: str) -> str:
    short = value if len(value) <= _VALUE_MAX else hashlib.sha256(value.encode(errors="replace")).hexdigest()[:32]
    return f"{rule}{_SEPARATOR}{short}"


def _is_near(incident: OpenIncident, at: float, window: float) -> bool:
    return incident["closed"] is None and incident["first"] - window <= at <= incident["last"] + window


def migrated(incidents: Mapping[str, dict[str, Any]]) -> tuple[dict[str, OpenIncident], Found]:
    """Return incidents as an earlier version kept them: each with its own `keys`."""
    index = Index((), {}, {})
    for incident, known in incidents.items():
        index.open(incident, known["keys"], known["first"])
        index.incidents[incident]["last"] = known["last"]
        index.incidents[incident]["closed"] = known["closed"]
    return index.incidents, index.found
