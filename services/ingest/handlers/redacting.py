"""What senders wrote, without the secrets that slipped into it. The raw body is kept as it came, and shown nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from services.ingest.domain.parsed import AlertFound, Found, NotAnAlert
from services.ingest.domain.reading import DESCRIPTION_MAX, TITLE_MAX
from shared.incident.alert import Alert
from shared.telemetry.redacting import Redactor

REMEMBERED = 10_000
"""Texts without a secret that are known again."""
REMEMBERED_MAX = 200
"""Characters of such a text."""


class AlertRedactor(Redactor):
    """A redactor that knows again what monitors send with each of their alerts: labels, titles, links."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(secrets)
        self._clean: set[str] = set()

    def finds_nothing(self, parts: Iterable[str]) -> bool:
        """Say whether there is no secret in any of the parts."""
        fresh = set(parts) - self._clean
        whole = "\n".join(fresh)  # One look over everything costs a tenth of one over each.
        if self.text(whole) != whole:
            return False
        if len(self._clean) > REMEMBERED:
            self._clean.clear()
        self._clean.update([part for part in fresh if len(part) <= REMEMBERED_MAX])
        return True


def redacted(found: Found, redactor: AlertRedactor) -> Found:
    """Return what was found without secrets. What it is recognised by stays as distinct as it was."""
    match found:
        case AlertFound(alert, delivery_key):
            if redactor.finds_nothing(_parts(alert, delivery_key)):  # As nearly always.
                return found
            return AlertFound(_alert(alert, redactor), _distinct(redactor.text, delivery_key))
        case NotAnAlert():
            key = _distinct(redactor.text, found.delivery_key)
            return replace(found, title=redactor.text(found.title)[:TITLE_MAX], delivery_key=key)
        case _:
            return found


def _parts(alert: Alert, delivery_key: str | None) -> list[str]:
    """Return all text of an alert, labels with their names."""
    named = [f"{name}={value}" for name, value in alert.labels.items()]
    single = (alert.title, alert.description, alert.source_key, alert.cycle, alert.transition, alert.host, alert.metric)
    return [part for part in (*single, alert.link, delivery_key, *alert.services, *named) if part]


def _alert(alert: Alert, redactor: Redactor) -> Alert:
    text = redactor.text
    return alert.model_copy(
        update={
            "title": text(alert.title)[:TITLE_MAX],
            "description": text(alert.description)[:DESCRIPTION_MAX],
            "source_key": _distinct(text, alert.source_key),
            "cycle": _distinct(text, alert.cycle),
            "transition": text(alert.transition),
            "host": text(alert.host or "") or None,
            "metric": text(alert.metric or "") or None,
            "services": tuple(text(service) for service in alert.services),
            "labels": redactor.value(alert.labels),
            "link": text(alert.link or "") or None,
        }
    )


def _distinct(text: Callable[[str], str], key: str | None) -> str | None:
    """Return a key as it is, or by its digest when there is a secret in it: others of its kind must not equal it."""
    if key is None or text(key) == key:
        return key
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
