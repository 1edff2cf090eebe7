"""The scope: one for each environment. It alone decides which incident an alert joins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.diagnoser.domain.config import Config
from services.diagnoser.domain.correlation import Index, keys_of
from services.diagnoser.handlers import deliveries, sightings
from services.diagnoser.handlers.scope_turn import KIND, ScopeState, ScopeTurn, alert_key, state_json
from shared.events.people import IncidentRequested, SilenceRequested
from shared.incident.alert import Alert, fingerprint
from shared.incident.enums import Severity
from shared.runtime.clock import at
from shared.store.model import JSON, TIMER, Decision, Lane, Message

PERSON = "person"
"""The source of an alert that a person wrote."""
ENDED_SILENCES_KEPT = 20


class Scope:
    """Deduplicate, suppress, correlate; remember silences; follow closing and reopening of incidents."""

    name = KIND
    lane = Lane.NORMAL

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Return the rows of the alerts and delivery keys that the messages name, and of alerts held back."""
        keys: set[str] = set()
        digests = bool(state) and state.get("digests", True)
        for message in messages:
            if message.type in deliveries.TYPES:
                keys.update(deliveries.row_keys(message.body, digests=digests))
            elif message.type == TIMER:
                keys.update(alert_key(held) for held in ScopeState.read(state).held)
        return keys

    def decide(
        self, config: Config, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        """Take the messages in order."""
        turn = _turn(config, state, rows, messages[0], now)
        for message in messages:
            turn.message = message
            turn.count(is_delivery=message.type in deliveries.TYPES)
            _take(turn)
        _forget(turn.index, now, config.reopen_within)
        turn.decision.state = state_json(turn.state)
        return turn.decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Quarantine a delivery that can never be decided; anything else is only counted."""
        turn = _turn(Config(), state, {}, message, 0.0)
        turn.count(is_delivery=message.type in deliveries.TYPES)
        if message.type in deliveries.TYPES:
            deliveries.bury_delivery(turn, reason)
        turn.decision.state = state_json(turn.state)
        return turn.decision


def _turn(config: Config, state: JSON, rows: Mapping[str, JSON], first: Message, now: float) -> ScopeTurn:
    known = ScopeState.read(state)
    if state is None and first.meta.get("environment"):
        known.environment = first.meta["environment"]
    index = Index(config.rules.correlate, known.incidents, known.found)
    return ScopeTurn(config, known, dict(rows), now, Decision(state=None), index, first)


def _take(turn: ScopeTurn) -> None:
    match turn.message.type:
        case kind if kind in deliveries.TYPES:
            deliveries.take_delivery(turn)
        case "closed" | "reopened" as word:
            known = turn.state.incidents.get(turn.message.body["incident"])
            if known is not None:
                known["closed"] = turn.now if word == "closed" else None
        case SilenceRequested.type:
            _silence(turn, SilenceRequested.read(turn.message.body))
        case IncidentRequested.type:
            _open(turn, IncidentRequested.read(turn.message.body))
        case "timer":
            sightings.release_held(turn)
        case _:
            return


def _silence(turn: ScopeTurn, request: SilenceRequested) -> None:
    known = turn.state.silences
    if request.verb == "add" and request.silence is not None:
        known[request.silence_id] = request.silence.model_dump(mode="json") | {"id": request.silence_id}
    elif request.silence_id in known:
        known[request.silence_id]["ends_at"] = at(turn.now).isoformat()
    turn.silences_changed()
    turn.decision.audit.append(
        {"silence": request.silence_id, "verb": request.verb, "actor": request.actor.id, "request": request.request_id}
    )
    ended = sorted((s.ends_at, s.id) for s in turn.silences if s.ends_at <= at(turn.now))
    for _, silence_id in ended[:-ENDED_SILENCES_KEPT]:
        del known[silence_id]
    turn.silences_changed()


def _open(turn: ScopeTurn, request: IncidentRequested) -> None:
    """Open an incident that a person asks for; its alert is the person's word."""
    if request.verb != "open":
        return
    given = request.arguments
    wanted = given.get("severity", "")
    alert = Alert(
        fingerprint=fingerprint(PERSON, request.request_id),
        source=PERSON,
        source_key=request.request_id,
        title=(given.get("title") or "Opened by a person")[:500],
        description=given.get("description", "")[:4000],
        severity=Severity(wanted) if wanted in list(Severity) else Severity.SEV3,
        services=tuple(name for name in given.get("services", "").split(",") if name),
        host=given.get("host") or None,
        occurred_at=at(turn.now),
        has_own_time=False,
    )
    keys = keys_of(alert, turn.config.rules.correlate)
    incident = sightings.open_incident(turn, request.request_id, alert, keys, f"opened by {request.actor.label}")
    turn.decision.audit.append({"opened": incident, "actor": request.actor.id, "request": request.request_id})


def _forget(index: Index, now: float, reopen_within: float) -> None:
    """Drop incidents that no alert can join any more, and beyond the limit those that are quiet for longest."""
    over = [i for i, known in index.incidents.items() if known["closed"] and now - known["closed"] > reopen_within]
    index.drop(over)
    index.drop(index.surplus())
