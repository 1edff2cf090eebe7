"""What the scope tells an incident: open, an alert joined, recovered, got worse, is related."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from services.diagnoser.handlers import closing, investigating
from services.diagnoser.handlers.incident_turn import CARRIED_MAX, IncidentTurn, carried
from shared.events.incidents import (
    AttachedAlert,
    IncidentOpened,
    IncidentRelated,
    IncidentReopened,
    IncidentSeverityRaised,
    IncidentSourceRecovered,
)
from shared.incident.actor import Actor
from shared.incident.alert import Alert
from shared.incident.enums import AlertStatus, Severity
from shared.runtime.clock import at
from shared.store.model import JSON, Row

ALERTS_LOOKED_AT = 20
"""Alerts that an investigation is given: the first ones, which are nearest to the cause."""
SERVICES_MAX = 5
"""Services of each of them."""
NAMES_MAX = 100
SYMPTOM_MAX = 100
"""Characters of a symptom that are kept as they are."""
ROW_KEPT = 400 * 86_400.0


def row_key(fingerprint: str) -> str:
    """Return the row of an alert of this incident."""
    return f"alert/{fingerprint}"


def open_(turn: IncidentTurn) -> None:
    """Open the incident: always its first event."""
    state, body = turn.state, turn.message.body
    alert = Alert.model_validate(body["alert"])
    state.title = alert.title
    state.severity = alert.severity.value
    state.started = alert.occurred_at.timestamp()
    _join(turn, body["message_id"], alert)
    turn.emit(
        IncidentOpened(
            title=alert.title,
            severity=alert.severity,
            services=tuple(state.services),
            hosts=tuple(state.hosts),
            started_at=alert.occurred_at,
            message_id=body["message_id"],
            alert=carried(alert),
            reason=body["reason"],
        )
    )
    turn.decision.audit.append({"opened": state.id, "by": body["message_id"]})
    investigating.want(turn, "incident opened")


def attached(body: JSON) -> Sequence[JSON]:
    """Return the alerts of `attach`, each with `message_id` and `reason`; earlier versions sent one in each message."""
    return body.get("alerts") or (body,)


def attach(turn: IncidentTurn) -> None:
    """Take alerts in, and look at them together."""
    is_new = False
    for one in attached(turn.message.body):
        is_new |= _attach(turn, one["message_id"], Alert.model_validate(one["alert"]), one["reason"])
    if is_new:
        investigating.want(turn, "alerts joined")


def _attach(turn: IncidentTurn, message_id: str, alert: Alert, reason: str) -> bool:
    """Take an alert in; one that comes after the end reopens the incident. Say whether to look at it."""
    over = turn.state.closed_at is not None or turn.state.quiet
    if over:
        reopen(turn, reason)
    news = _join(turn, message_id, alert)
    if len(turn.attached) < CARRIED_MAX:
        joined = AttachedAlert(message_id=message_id, alert=carried(alert))
    else:
        joined, _ = turn.attached[-1]  # It will not be carried; only its reason counts.
    turn.attached.append((joined, reason))
    _raise(turn, alert.severity, alert.title)
    return news or over or len(turn.attached) == 1


def recovered(turn: IncidentTurn) -> None:
    """Note that an alert has recovered; the last one is told."""
    state, body = turn.state, turn.message.body
    key = row_key(body["fingerprint"])
    row = turn.rows.get(key)
    if row is None or row["status"] != AlertStatus.FIRING:
        return
    _put(turn, key, {"status": AlertStatus.RECOVERED.value})
    state.firing -= 1
    state.recovered = max(state.recovered, body["at"])
    if state.firing == 0 and not state.quiet and state.closed_at is None:
        state.quiet = True
        turn.emit(IncidentSourceRecovered(recovered_at=at(state.recovered)))
        if state.asked is None:
            turn.wake(investigating.TIMER_NAME, None)
    closing.consider(turn)


def worsened(turn: IncidentTurn) -> None:
    """Raise the severity for a repeated sighting that is worse."""
    body = turn.message.body
    if turn.state.closed_at is None:
        _raise(turn, Severity(body["severity"]), body["title"])


def related(turn: IncidentTurn) -> None:
    """Note another incident that an alert would have fitted, too."""
    body = turn.message.body
    turn.emit(IncidentRelated(related_id=body["incident"], reason=body["reason"][:300]))


def reopen(turn: IncidentTurn, reason: str, actor: Actor | None = None, request_id: str = "") -> None:
    """Take the incident up again: what was recommended before counts no more unless it is still under way."""
    state = turn.state
    was_closed = state.closed_at is not None
    state.closed_at = state.settled_at = None
    state.quiet = False
    state.investigated = ""
    if not closing.is_running(turn):
        state.recommended = None
    turn.emit(IncidentReopened(reason=reason[:300], actor=actor, request_id=request_id))
    turn.wake(closing.TIMER_NAME, None)
    turn.decision.audit.append({"reopened": state.id, "reason": reason[:300], "actor": actor.id if actor else None})
    if was_closed:
        turn.tell_scope("reopened")


def _join(turn: IncidentTurn, message_id: str, alert: Alert) -> bool:
    """Take an alert in; say whether it brings anything that would be looked at anew."""
    state = turn.state
    known_before = (state.services, state.hosts, state.symptoms)
    key = row_key(alert.fingerprint)
    known = turn.rows.get(key)
    state.total += 1
    state.firing += known is None or known["status"] != AlertStatus.FIRING
    _put(turn, key, {"status": AlertStatus.FIRING.value})
    state.services = _with(state.services, alert.services)
    state.hosts = _with(state.hosts, (alert.host,) if alert.host else ())
    place = alert.host or ", ".join(alert.services)
    state.symptoms = _with(state.symptoms, (_short(f"{alert.metric or alert.title} at {place}"),))
    if known is None and len(state.alerts) < ALERTS_LOOKED_AT:
        state.alerts.append(_seen(alert, message_id))
    return (state.services, state.hosts, state.symptoms) != known_before


def _with(known: list[str], more: tuple[str, ...]) -> list[str]:
    room = NAMES_MAX - len(known)
    new = [one for one in more if one not in known][:room] if room > 0 else []
    return known + new if new else known


def _short(text: str) -> str:
    """Return a text that only has to be known again: a hundred long ones would be too much for a state."""
    if len(text) <= SYMPTOM_MAX and text.isascii():
        return text
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:SYMPTOM_MAX]


def _seen(alert: Alert, message_id: str) -> JSON:
    """Return an alert as `rca-case/1` has it."""
    return {
        "id": message_id,
        "entity": alert.host or next(iter(alert.services), ""),
        "services": list(alert.services[:SERVICES_MAX]),
        "metric": alert.metric,
        "at": alert.occurred_at.timestamp(),
        "title": alert.title,
        "severity": alert.severity.value,
        "status": alert.status.value,
    }


def _put(turn: IncidentTurn, key: str, value: JSON) -> None:
    turn.rows[key] = value
    turn.decision.rows[key] = Row(value, turn.now + ROW_KEPT)


def _raise(turn: IncidentTurn, severity: Severity, title: str) -> None:
    previous = Severity(turn.state.severity)
    if severity.rank < previous.rank:
        turn.state.severity = severity.value
        turn.emit(IncidentSeverityRaised(previous=previous, severity=severity, reason=title[:300]))
