"""The state of an incident in the notifier, and one batch's turn on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson
from pydantic import BaseModel, Field

from services.notifier.domain.config import Config
from services.notifier.domain.overview import FOLD, Overview, apply
from shared.events.envelope import iso
from shared.events.payload import Payload
from shared.lifecycle.timeline import Told
from shared.store.model import JSON, Decision, Message, Record, Row

KIND = "incident"
KEEP_SECONDS = 400 * 86400.0
"""How long an incident's journal is kept."""
SOURCE = "signoff/notifier"


def aggregate(incident_id: str) -> str:
    """Return the name of an incident's aggregate."""
    return f"{KIND}/{incident_id}"


def event_key(event_id: str) -> str:
    """Return the row that says that the journal holds an event."""
    return f"event/{event_id}"


class ChannelState(BaseModel):
    """How far one channel is. `activity` is the post under way; `told` are the questions it has shown."""

    activity: str = ""
    posted: int = 0
    stage: str = ""
    told: list[str] = Field(default_factory=list)


class Waiting(BaseModel):
    """A decision that the executor has not ruled on."""

    body: dict[str, Any]
    due: float
    resends: int = 0


class IncidentState(BaseModel):
    """What the notifier knows of one incident. `n` counts its journal, `version` the notices made."""

    id: str
    environment: str
    n: int = 0
    overview: Overview | None = None
    version: int = 0
    notice: dict[str, Any] | None = None
    channels: dict[str, ChannelState] = Field(default_factory=dict)
    notices: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Approval id -> the `notice.posted` that told of it, for a resend."""
    waiting: dict[str, Waiting] = Field(default_factory=dict)
    granted: list[str] = Field(default_factory=list)
    """Approvals that people gave."""
    met: list[str] = Field(default_factory=list)
    """Executions that rest on one of them."""
    silent: list[str] = Field(default_factory=list)
    """Decisions that nobody has ruled on after three resends."""

    def kept(self) -> JSON:
        """Return the state as the store keeps it."""
        return self.model_dump(mode="json")


@dataclass(slots=True)
class Turn:
    """One batch of messages on one incident."""

    config: Config
    state: IncidentState
    rows: dict[str, JSON]
    now: float
    decision: Decision
    written: bool = False

    def journal(self, told: Told) -> bool:
        """Keep an event, once. Return whether it is new."""
        key = event_key(told.id)
        if key in self.rows:
            return False
        state = self.state
        state.n += 1
        self.rows[key] = state.n
        self.decision.rows[key] = Row(state.n, self.now + KEEP_SECONDS)
        self.decision.records.append(
            Record(
                "journal",
                {
                    "id": told.id,
                    "incident_id": state.id,
                    "n": state.n,
                    "type": told.type,
                    "time": told.time,
                    "source": told.source,
                    "environment": state.environment,
                    "causation": told.causation,
                    "body": orjson.dumps(told.body).decode(),
                },
            )
        )
        state.overview = apply(state.overview, told, incident_id=state.id, environment=state.environment)
        self.written = True
        return True

    def emit(self, payload: Payload, *, event_id: str, causation: str = "", resend: int = 0) -> None:
        """Send an own event and keep it in the journal."""
        outgoing = payload.outgoing(self.state.id, environment=self.state.environment, causation=causation)
        self.decision.events.append(replace(outgoing, id=event_id, resend=resend))
        if not resend:
            body = payload.model_dump(mode="json")
            self.journal(Told(event_id, payload.type, iso(self.now), SOURCE, body, causation))

    def finish(self) -> None:
        """Write the read model, if anything changed, and the state."""
        self.decision.state = kept = self.state.kept()
        if self.written and kept["overview"] is not None:
            self.decision.records.append(_incident_record(kept["overview"]))


def _incident_record(overview: JSON) -> Record:
    """Return the row of the list; it is also what tells pages that the incident changed."""
    incident = overview["incident"]
    values = {name: incident[name] for name in ("id", "environment", "stage", "opened_at")}
    values |= {"overview": orjson.dumps(overview).decode(), "fold": FOLD}
    return Record("incident", values, feed=incident["id"])


def told(message: Message) -> Told:
    """Return a consumed event as the journal keeps it. Raises ValueError for a body that is no object."""
    if not isinstance(message.body, dict):
        raise ValueError(f"the body of {message.type} is a {type(message.body).__name__}, not an object")  # noqa: TRY004 -- a bad value from outside
    meta = message.meta
    return Told(
        id=message.id,
        type=message.type,
        time=meta.get("time", ""),
        source=meta.get("source", ""),
        body=message.body,
        causation=meta.get("causation", ""),
    )
