"""The state of a scope and one message's turn on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, cast

import orjson

from services.diagnoser.domain.config import Config
from services.diagnoser.domain.correlation import Found, Index, OpenIncident, migrated
from services.diagnoser.domain.sighting import AlertRow
from shared.events.people import Silence
from shared.incident.enums import Disposition
from shared.incident.model import LIVE
from shared.store.intake import mended
from shared.store.model import JSON, Decision, Local, Message, Record, Row

KIND = "scope"
TABLE = "disposition"
DAY = 86_400.0
ALERT_KEPT = 35 * DAY
ATTACHED_MAX = 50
"""Alerts in one message to an incident."""
NAME_MAX = 200
"""Characters of the names in a disposition."""


@dataclass(slots=True)
class ScopeState:
    """What one environment's alerts have led to."""

    environment: str = LIVE
    incidents: dict[str, OpenIncident] = field(default_factory=dict)
    found: Found = field(default_factory=dict)
    silences: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)
    """Fingerprint -> when (wall time) a flapping alert is looked at again."""
    numbered: int = 0
    """The newest number that the store gave a message of this scope: every message up to it has been taken."""
    others: int = 0
    """Messages taken that were no deliveries. So `numbered - others` is what `decided` and `lost` must add up to."""
    decided: int = 0
    """Dispositions written."""
    lost: int = 0
    """Deliveries without an id to write a disposition under; they are dead letters."""
    digests: bool = False
    """Earlier versions kept the names of deliveries under digests here."""

    @classmethod
    def read(cls, state: JSON) -> ScopeState:
        """Return the state from JSON; None is a scope without past."""
        known = cls(**{"digests": True, **state}) if state else cls()
        if "keys" in next(iter(known.incidents.values()), {}):
            known.incidents, known.found = migrated(cast("Mapping[str, dict[str, Any]]", known.incidents))
        return known


@dataclass(slots=True)
class ScopeTurn:
    """Everything a message may look at and cause. `rows` holds what this batch has written so far, too."""

    config: Config
    state: ScopeState
    rows: dict[str, JSON]
    now: float
    decision: Decision
    index: Index
    message: Message

    _silences: list[Silence] | None = None
    _told: dict[str, Local] = field(default_factory=dict)
    """The newest message to each incident."""

    @property
    def silences(self) -> list[Silence]:
        """Return the silences there are, ended ones too; read once, for a storm asks for each alert."""
        if self._silences is None:
            self._silences = [Silence.model_validate(silence) for silence in self.state.silences.values()]
        return self._silences

    def silences_changed(self) -> None:
        """Read them again."""
        self._silences = None

    def count(self, *, is_delivery: bool) -> None:
        """Count the message in hand; timers are born here and have no number."""
        if self.message.seq:
            self.state.numbered = max(self.state.numbered, self.message.seq)
            self.state.others += not is_delivery

    def put(self, key: str, value: JSON, *, keep: float) -> None:
        """Write a row that expires after `keep` seconds."""
        self.rows[key] = value
        self.decision.rows[key] = Row(value, self.now + keep)

    def alert_row(self, fingerprint: str) -> AlertRow:
        """Return what is known of an alert."""
        known: AlertRow | None = self.rows.get(alert_key(fingerprint))
        return known or {"cycles": {}, "severity": 9, "flips": []}

    def keep(self, fingerprint: str) -> AlertRow:
        """Return what is known of an alert, to be changed in place; it is written with everything else."""
        row = self.alert_row(fingerprint)
        key = alert_key(fingerprint)
        if key not in self.decision.rows:
            self.put(key, row, keep=ALERT_KEPT)
        return row

    def tell(self, incident: str, type_: str, body: Mapping[str, Any]) -> None:
        """Send a message to an incident. Its id follows from what caused it, so a rerun sends the same."""
        local = Local(
            aggregate=f"incident/{incident}",
            id=f"{self.message.id}>{type_}@{incident}",
            type=type_,
            body={**body, **self._origin()},
        )
        self.decision.messages.append(local)
        self._told[incident] = local

    def attach(self, incident: str, joining: Mapping[str, Any]) -> None:
        """Send an alert to the incident that it joins: with those before it, if nothing else was told in between."""
        last = self._told.get(incident)
        if last is not None and last.type == "attach" and len(last.body["alerts"]) < ATTACHED_MAX:
            last.body["alerts"].append(joining)
            last.body.update(self._origin())
        else:
            self.tell(incident, "attach", {"alerts": [joining]})

    def _origin(self) -> dict[str, str]:
        return {"cause": self.message.id, "traceparent": self.message.meta.get("traceparent", "")}


class Ruling(NamedTuple):
    """What becomes of one message of a delivery, and why."""

    disposition: Disposition
    reason: str
    incident: str | None = None


def alert_key(fingerprint: str) -> str:
    """Return the row of an alert."""
    return f"alert/{fingerprint}"


def record_of(ruling: Ruling, body: Mapping[str, Any], environment: str, received_at: float) -> Record:
    """Return the one disposition of a message."""
    alert, receipt = body.get("alert"), body.get("receipt")
    return Record(
        TABLE,
        {
            "message_id": _name(body["message_id"]),
            "receipt": _name(receipt if receipt and isinstance(receipt, str) else body["message_id"]),
            "source": _name(str(body.get("source", ""))),
            "received_at": received_at,
            "disposition": str(ruling.disposition),
            "reason": ruling.reason,
            "incident_id": ruling.incident,
            "alert": orjson.dumps(alert).decode() if alert else None,
            "environment": environment,
        },
    )


def _name(text: str) -> str:
    """Return a name as any table and index holds it: a record that nobody vouches for may say anything."""
    return mended(text)[:NAME_MAX]


def state_json(state: ScopeState) -> JSON:
    """Return the state as JSON."""
    return {name.name: getattr(state, name.name) for name in fields(state)}
