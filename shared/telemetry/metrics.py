"""Metrics of every process, for `/metrics`. Labels are closed sets: no id, no host, no text from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import Counter, Gauge

ALARMS = Counter("signoff_store_alarms", "What a person should see.", ["service", "reason"])
WAITING = Gauge("signoff_store_waiting", "Messages that wait in inboxes.", ["service"])


def watch_store(service: str, on_alarm: Callable[[Callable[[str, Mapping[str, Any]], None]], None]) -> None:
    """Count the alarms of a store."""

    def count(reason: str, facts: Mapping[str, Any]) -> None:
        del facts
        ALARMS.labels(service, reason.split(":", maxsplit=1)[0][:40]).inc()

    on_alarm(count)
