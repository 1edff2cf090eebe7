"""What the diagnoser says about an incident's life, on `incidents.v1` keyed by incident id."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from shared.events.payload import Payload
from shared.incident.actor import Actor
from shared.incident.alert import Alert
from shared.incident.enums import IncidentCategory, Severity
from shared.incident.model import Model

DIAGNOSER = "diagnoser"


class AttachedAlert(Model):
    """One alert of an incident and the message that brought it."""

    message_id: str
    alert: Alert


class IncidentOpened(Payload):
    """`incident.opened`: always the first event of an incident. `started_at` is data time."""

    type: ClassVar[str] = "incident.opened"
    owner: ClassVar[str] = DIAGNOSER

    title: str
    severity: Severity
    services: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    started_at: AwareDatetime
    message_id: str
    alert: Alert
    reason: str = ""
    """Which correlation rule found no open incident to join."""


class IncidentClassified(Payload):
    """`incident.classified`: the kind of trouble, once evidence says so."""

    type: ClassVar[str] = "incident.classified"
    owner: ClassVar[str] = DIAGNOSER

    category: IncidentCategory
    reason: str = ""


class IncidentAlertsAttached(Payload):
    """`incident.alerts_attached`: alerts that joined, with the rule that joined them. Bounded; `total` counts all."""

    type: ClassVar[str] = "incident.alerts_attached"
    owner: ClassVar[str] = DIAGNOSER

    alerts: tuple[AttachedAlert, ...]
    total: int
    reason: str = ""
    services: tuple[str, ...] = ()
    """All services of the incident after these joined."""


class IncidentSeverityRaised(Payload):
    """`incident.severity_raised`: an attached alert or a person says it is worse than thought."""

    type: ClassVar[str] = "incident.severity_raised"
    owner: ClassVar[str] = DIAGNOSER

    previous: Severity
    severity: Severity
    reason: str = ""
    actor: Actor | None = None


class IncidentSourceRecovered(Payload):
    """`incident.source_recovered`: no alert of the incident fires any more."""

    type: ClassVar[str] = "incident.source_recovered"
    owner: ClassVar[str] = DIAGNOSER

    recovered_at: AwareDatetime
    """Data time of the last recovery."""
    reason: str = "alerts recovered"


class IncidentRelated(Payload):
    """`incident.related`: a link to another incident, found later. Incidents are never merged."""

    type: ClassVar[str] = "incident.related"
    owner: ClassVar[str] = DIAGNOSER

    related_id: str
    reason: str


class IncidentAcknowledged(Payload):
    """`incident.acknowledged`: a person takes responsibility. Approves nothing."""

    type: ClassVar[str] = "incident.acknowledged"
    owner: ClassVar[str] = DIAGNOSER

    actor: Actor
    request_id: str = ""


class IncidentAssigned(Payload):
    """`incident.assigned`: a person is made responsible by another."""

    type: ClassVar[str] = "incident.assigned"
    owner: ClassVar[str] = DIAGNOSER

    actor: Actor
    assignee: str
    request_id: str = ""


class IncidentNoted(Payload):
    """`incident.noted`: a person wrote something down, or gave a `verdict` on the diagnosis."""

    type: ClassVar[str] = "incident.noted"
    owner: ClassVar[str] = DIAGNOSER

    actor: Actor
    text: str
    request_id: str = ""
    verdict: Literal["", "right", "wrong"] = ""


class IncidentReopened(Payload):
    """`incident.reopened`: a refire within `reopen_within`, or a person."""

    type: ClassVar[str] = "incident.reopened"
    owner: ClassVar[str] = DIAGNOSER

    reason: str
    actor: Actor | None = None
    request_id: str = ""


class IncidentClosed(Payload):
    """`incident.closed`: resolved and the executor has had the last word, or a person asked."""

    type: ClassVar[str] = "incident.closed"
    owner: ClassVar[str] = DIAGNOSER

    reason: Literal["resolved", "person"]
    actor: Actor | None = None
    request_id: str = ""


class IncidentRequestRefused(Payload):
    """`incident.request_refused`: a request of a person that was not done, and why."""

    type: ClassVar[str] = "incident.request_refused"
    owner: ClassVar[str] = DIAGNOSER

    request_id: str
    verb: str
    why: str
    actor: Actor


class IncidentServiceSilent(Payload):
    """`incident.service_silent`: a service did not answer an event after three resends."""

    type: ClassVar[str] = "incident.service_silent"
    owner: ClassVar[str] = DIAGNOSER

    service: str
    waiting_for: str
    event_id: str
