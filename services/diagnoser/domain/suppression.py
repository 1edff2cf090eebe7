"""Reasons to stay quiet about an alert: silences, maintenance windows, flapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from services.diagnoser.domain.rules import FlapRule, Maintenance
from shared.events.people import Silence
from shared.incident.alert import Alert


def values_of(alert: Alert, name: str) -> tuple[str, ...]:
    """Return what an alert says under a name of rules and matchers; empty for nothing."""
    if name == "service":
        return alert.services
    if name == "host":
        return (alert.host,) if alert.host else ()
    if name in ("metric", "title", "source"):
        value = getattr(alert, name)
        return (value,) if value else ()
    label = alert.labels.get(name)
    return (label,) if label else ()


def matches(alert: Alert, matchers: Mapping[str, str]) -> bool:
    """Say whether an alert has all these values. Equality only: alert text is data."""
    return bool(matchers) and all(value in values_of(alert, name) for name, value in matchers.items())


def suppressed_by(
    alert: Alert, now: float, silences: Iterable[Silence], maintenance: Iterable[Maintenance]
) -> str | None:
    """Return why nothing is done about an alert now (wall time), None when something is."""
    for silence in silences:
        if silence.starts_at.timestamp() <= now < silence.ends_at.timestamp() and matches(alert, silence.matchers):
            return f"silence {silence.id} by {silence.author.label}: {silence.reason}"
    for window in maintenance:
        if window.starts_at.timestamp() <= now < window.ends_at.timestamp() and matches(alert, window.matchers):
            return f"maintenance: {window.title}"
    return None


def is_flapping(flips: Sequence[float], rule: FlapRule) -> bool:
    """Say whether the last changes of an alert (data times, any order) came too fast."""
    newest = sorted(flips)[-rule.changes :]
    return len(newest) >= rule.changes and newest[-1] - newest[0] <= rule.within_seconds
