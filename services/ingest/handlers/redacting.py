"""What senders wrote, without the secrets that slipped into it. The raw body is kept as it came, and shown nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from services.ingest.domain.parsed import AlertFound, Found, NotAnAlert
from services.ingest.domain.reading import DESCRIPTION_MAX, TITLE_MAX
from shared.incident.alert import Alert
from shared.telemetry.redacting import Redactor

REMEMBERED = 10_000
"""Texts and labels without a secret that are known again."""
REMEMBERED_MAX = 200
"""Characters of such a one."""


class AlertRedactor(Redactor):
    """A redactor that knows again what monitors send with each of their alerts: labels, titles, links."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(secrets)
        self._clean: set[str | tuple[str, str]] = set()

    def finds_nothing(self, texts: Iterable[str | None], labels: Mapping[str, str]) -> bool:
        """Say whether there is no secret in any of the texts, nor in a label, whose name may tell of one."""
        clean = self._clean
        fresh = [text for text in texts if text and text not in clean]
        pairs = () if labels.items() <= clean else labels.items() - clean
        whole = "\n".join([*fresh, *(f"{name}={value}" for name, value in pairs)])
        if self.text(whole) != whole:  # One look over everything costs a tenth of one over each.
            return False
        if len(clean) > REMEMBERED:
            clean.clear()
        clean.update([text for text in fresh if len(text) <= REMEMBERED_MAX])
        clean.update([(name, value) for name, value in pairs if len(name) + len(value) <= REMEMBERED_MAX])
        return True


def redacted(found: Found, redactor: AlertRedactor) -> Found:
    """Return what was found without secrets. What it is recognised by stays as distinct as it was."""
    match found:
        case AlertFound(alert, delivery_key):
            if redactor.finds_nothing(_texts(alert, delivery_key), alert.labels):  # As nearly always.
                return found
            return AlertFound(_alert(alert, redactor), _distinct(redactor.text, delivery_key))
        case NotAnAlert():
            key = _distinct(redactor.text, found.delivery_key)
            return replace(found, title=redactor.text(found.title)[:TITLE_MAX], delivery_key=key)
        case _:
            return found


def _texts(alert: Alert, delivery_key: str | None) -> tuple[str | None, ...]:
    """Return all text of an alert but its labels."""
    single = (alert.title, alert.description, alert.source_key, alert.cycle, alert.transition, alert.host, alert.metric)
    return (*single, alert.link, delivery_key, *alert.services)


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
