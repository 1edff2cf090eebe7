"""One sighting of an alert: what it changes, and which incident it opens, joins or ends."""

from __future__ import annotations

from collections.abc import Callable, Collection

from services.diagnoser.domain.correlation import incident_id, keys_of
from services.diagnoser.domain.sighting import FLIPS_KEPT, Cycle, Sighting, is_firing, judge, newest_cycles, seen
from services.diagnoser.domain.suppression import is_flapping, suppressed_by
from services.diagnoser.handlers.scope_turn import KIND, Ruling, ScopeTurn, alert_key
from shared.events.deliveries import DeliveryReceived
from shared.incident.alert import Alert
from shared.incident.enums import AlertStatus, Disposition
from shared.incident.model import is_simulated
from shared.store.model import JSON, Timer

HELD = "held"
"""The timer for flapping alerts."""
HELD_MAX = 500
"""Flapping alerts that wait at a time; beyond that one does not wait, for they all lie in the state."""


def judge_sighting(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    """Return what becomes of one sighting of an alert, and cause it."""
    row = turn.alert_row(alert.fingerprint)
    cycle = row["cycles"].get(alert.cycle or "")
    at = alert.occurred_at.timestamp()
    tolerance = turn.config.rules.reorder_tolerance_seconds
    return _ANSWERS[judge(cycle, alert.status, at, tolerance=tolerance)](turn, message_id, alert)


def _begin(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    """A cycle begins. If that is heard after it was over, its incident hears of both."""
    ruling = _begin_cycle(turn, message_id, alert)
    if ruling.incident and not _fires(turn, alert):
        cycles = turn.alert_row(alert.fingerprint)["cycles"]
        _tell_recovered(turn, ruling.incident, alert, _newest_recovery(cycles.values()))
    return ruling


def _begin_cycle(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    quiet = suppressed_by(alert, turn.now, turn.silences, turn.config.rules.maintenance)
    if quiet is not None:
        return Ruling(Disposition.SUPPRESSED, quiet)
    _flip(turn, alert)
    turn.keep(alert.fingerprint)["severity"] = alert.severity.rank  # An earlier cycle may have been worse.
    if _must_wait(turn, alert):
        return _hold(turn, message_id, alert)
    return _correlate(turn, message_id, alert)


def _repeat(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    row = turn.alert_row(alert.fingerprint)
    worse = alert.severity.rank < row["severity"]
    cycle = _sight(turn, alert)
    if cycle["incident"] and worse and is_firing(cycle):
        turn.tell(cycle["incident"], "worsened", {"severity": alert.severity.value, "title": alert.title})
    if alert.fingerprint in turn.state.held:
        if worse:
            _wait_with(turn, message_id, alert)
        return Ruling(Disposition.HELD, "still held: it changes too often")
    return Ruling(Disposition.DEDUPLICATED, "this cycle is known", cycle["incident"])


def _recover(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    del message_id
    _flip(turn, alert)
    cycle = _sight(turn, alert)
    if not _fires(turn, alert):
        turn.state.held.pop(alert.fingerprint, None)
    # A cycle that was held back has none of its own, and may end an earlier one whose recovery was lost.
    incident = cycle["incident"] or _own_incident(turn, alert)
    if incident is None:
        return Ruling(Disposition.RECOVERED, "no incident was opened for it")
    if _fires(turn, alert):
        return Ruling(Disposition.RECOVERED, "a newer cycle still fires", incident)
    _tell_recovered(turn, incident, alert, alert.occurred_at.timestamp())
    return Ruling(Disposition.RECOVERED, "the source says it is over", incident)


def _fires(turn: ScopeTurn, alert: Alert) -> bool:
    """Say whether a cycle of an alert fires since the newest recovery, which ends earlier ones whose own was lost."""
    cycles = turn.alert_row(alert.fingerprint)["cycles"].values()
    over = _newest_recovery(cycles)
    return any(is_firing(cycle) and (cycle["fired"] or 0.0) >= over for cycle in cycles)


def _newest_recovery(cycles: Collection[Cycle]) -> float:
    return max([cycle["recovered"] or 0.0 for cycle in cycles], default=0.0)


def _recover_early(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    del message_id
    fired, incident = _fires(turn, alert), _own_incident(turn, alert)
    _sight(turn, alert)
    if fired and incident and not _fires(turn, alert):
        _tell_recovered(turn, incident, alert, alert.occurred_at.timestamp())
        return Ruling(Disposition.RECOVERED, "an earlier cycle is over, too", incident)
    return Ruling(Disposition.RECOVERED, "its firing has not been seen")


def _recover_again(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    del message_id
    return Ruling(Disposition.DEDUPLICATED, "its recovery is known", _sight(turn, alert)["incident"])


def _recover_stale(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    del message_id
    incident = _sight(turn, alert)["incident"]
    return Ruling(Disposition.RECOVERED, "older than the newest firing, which stands", incident)


_ANSWERS: dict[Sighting, Callable[[ScopeTurn, str, Alert], Ruling]] = {
    Sighting.FIRST: _begin,
    Sighting.LATE: _begin,
    Sighting.REPEAT: _repeat,
    Sighting.RECOVERY: _recover,
    Sighting.EARLY_RECOVERY: _recover_early,
    Sighting.REPEATED_RECOVERY: _recover_again,
    Sighting.STALE_RECOVERY: _recover_stale,
}


def _sight(turn: ScopeTurn, alert: Alert, incident: str | None = None) -> Cycle:
    """Keep a sighting in the alert's row; return its cycle."""
    row = turn.keep(alert.fingerprint)
    name = alert.cycle or ""
    cycle = seen(row["cycles"].get(name), alert.status, alert.occurred_at.timestamp())
    if incident is not None:
        cycle["incident"] = incident
    row["cycles"] = newest_cycles(row["cycles"] | {name: cycle})
    if alert.status is AlertStatus.FIRING:
        row["severity"] = min(row["severity"], alert.severity.rank)
    return cycle


def _flip(turn: ScopeTurn, alert: Alert) -> None:
    row = turn.keep(alert.fingerprint)
    row["flips"] = sorted({*row["flips"], alert.occurred_at.timestamp()})[-FLIPS_KEPT:]


def _must_wait(turn: ScopeTurn, alert: Alert) -> bool:
    rule = turn.config.rules.flap
    if len(turn.state.held) >= HELD_MAX or (is_simulated(turn.state.environment) and not rule.simulated):
        return False
    return is_flapping(turn.alert_row(alert.fingerprint)["flips"], rule)


def _hold(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    _sight(turn, alert)
    _wait_with(turn, message_id, alert)
    due = turn.now + turn.config.rules.flap.hold_seconds
    turn.state.held[alert.fingerprint] = due
    turn.decision.timers[HELD] = Timer(min(turn.state.held.values()))
    return Ruling(Disposition.HELD, f"it changed {turn.config.rules.flap.changes} times in short order")


def _wait_with(turn: ScopeTurn, message_id: str, alert: Alert) -> None:
    """Keep what is acted on when the waiting is over: the newest of a cycle's beginning and of what is worse."""
    row = turn.keep(alert.fingerprint)
    is_held = alert.fingerprint in turn.state.held
    if not is_held or alert.occurred_at >= Alert.model_validate(row["held"]["alert"]).occurred_at:
        row["held"] = {"message_id": message_id, "alert": alert.model_dump(mode="json")}


def release_held(turn: ScopeTurn) -> None:
    """Act on flapping alerts whose time has come, if they still fire."""
    for fingerprint, due in sorted(turn.state.held.items()):
        if due > turn.now:
            continue
        del turn.state.held[fingerprint]
        held = turn.rows.get(alert_key(fingerprint), {}).get("held")
        if held is not None:
            alert = Alert.model_validate(held["alert"])
            if _fires(turn, alert):
                _correlate(turn, held["message_id"], alert)
    if turn.state.held:
        turn.decision.timers[HELD] = Timer(min(turn.state.held.values()))


def _correlate(turn: ScopeTurn, message_id: str, alert: Alert) -> Ruling:
    """Join an open incident, reopen the alert's own, or open one."""
    keys = keys_of(alert, turn.config.rules.correlate)
    own = _own_incident(turn, alert)
    match = turn.index.match(alert, keys)
    if own is not None:
        return _attach(turn, message_id, alert, incident=own, reason="it fires again", keys=keys)
    if match is None:
        return _open(turn, message_id, alert, keys)
    for other in match.others:
        turn.tell(match.incident, "related", {"incident": other, "reason": f"{alert.title} fits both"})
    return _attach(turn, message_id, alert, incident=match.incident, reason=match.reason, keys=keys)


def _own_incident(turn: ScopeTurn, alert: Alert) -> str | None:
    """Return the incident of the alert's earlier cycles, while it is open or may be reopened."""
    for cycle in turn.alert_row(alert.fingerprint)["cycles"].values():
        known = turn.state.incidents.get(cycle["incident"] or "")
        if known and (known["closed"] is None or turn.now - known["closed"] <= turn.config.reopen_within):
            return cycle["incident"]
    return None


def _attach(
    turn: ScopeTurn, message_id: str, alert: Alert, *, incident: str, reason: str, keys: dict[str, list[str]]
) -> Ruling:
    turn.index.join(incident, keys, alert.occurred_at.timestamp())
    _sight(turn, alert, incident)
    turn.attach(incident, {"message_id": message_id, "alert": _written(turn, alert), "reason": reason})
    return Ruling(Disposition.ATTACHED, reason, incident)


def _open(turn: ScopeTurn, message_id: str, alert: Alert, keys: dict[str, list[str]]) -> Ruling:
    reason = "no open incident fits"
    incident = open_incident(turn, message_id, alert, keys, reason)
    _sight(turn, alert, incident)
    return Ruling(Disposition.NEW_INCIDENT, reason, incident)


def open_incident(turn: ScopeTurn, message_id: str, alert: Alert, keys: dict[str, list[str]], reason: str) -> str:
    """Allot an id, make the incident findable and tell it to open; return the id."""
    incident = incident_id(f"{KIND}/{turn.state.environment}", message_id)
    turn.index.open(incident, keys, alert.occurred_at.timestamp())
    body = {
        "incident": incident,
        "environment": turn.state.environment,
        "message_id": message_id,
        "alert": _written(turn, alert),
        "reason": reason,
    }
    turn.tell(incident, "open", body)
    return incident


def _written(turn: ScopeTurn, alert: Alert) -> JSON:
    """Return an alert as JSON: as it came, when the delivery in hand brought it."""
    if turn.message.type == DeliveryReceived.type:
        return turn.message.body["alert"]
    return alert.model_dump(mode="json")


def _tell_recovered(turn: ScopeTurn, incident: str, alert: Alert, at: float) -> None:
    turn.tell(incident, "recovered", {"fingerprint": alert.fingerprint, "at": at})
