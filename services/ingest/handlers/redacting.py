"""What senders wrote, without the secrets that slipped into it. The raw body is kept as it came, and shown nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from services.ingest.domain.parsed import AlertFound, Found, NotAnAlert
from services.ingest.domain.reading import DESCRIPTION_MAX, TITLE_MAX
from shared.incident.alert import Alert
from shared.telemetry.redacting import Redactor


def redacted(found: Found, redactor: Redactor) -> Found:
    """Return what was found without secrets. What it is recognised by stays as distinct as it was."""
    match found:
        case AlertFound(alert, delivery_key):
            whole = _whole(alert, delivery_key)
            if (
                redactor.text(whole) == whole
            ):  # As nearly always; one look over everything costs a tenth of one over each.
                return found
            return AlertFound(_alert(alert, redactor), _distinct(redactor.text, delivery_key))
        case NotAnAlert():
            key = _distinct(redactor.text, found.delivery_key)
            return replace(found, title=redactor.text(found.title)[:TITLE_MAX], delivery_key=key)
        case _:
            return found


def _whole(alert: Alert, delivery_key: str | None) -> str:
    """Return all text of an alert, labels with their names."""
    named = [f"{name}={value}" for name, value in alert.labels.items()]
    single = [alert.title, alert.description, alert.source_key, alert.cycle, alert.transition, alert.host, alert.metric]
    return "\n".join([part for part in (*single, alert.link, delivery_key, *alert.services, *named) if part])


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
