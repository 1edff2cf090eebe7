"""Metrics of a process, for `/metrics`. Labels are closed sets: no id, no host, no text from outside.

Each metric is made once, when this module is imported, and has a label `service`; so four services in one process
share them and none is there twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import Counter, Gauge

from shared.errors import UnavailableError

ALARMS = Counter("signoff_store_alarms", "What a person should see, by reason.", ["service", "reason"])
WAITING = Gauge("signoff_store_waiting", "Messages that wait in inboxes.", ["service"])
READY = Gauge("signoff_ready", "1 while the service is ready, else 0.", ["service"])
BUS_LAG = Gauge("signoff_bus_lag", "Records of the bus that a subscription has not taken.", ["subscription"])
BUS_AGE = Gauge("signoff_bus_oldest_age_seconds", "Age of the oldest of them, 0 without any.", ["subscription"])
IGNORED = Counter(
    "signoff_bus_ignored",
    "Records a service does not act on; `unknown` is every unknown type.",
    ["subscription", "type"],
)
IGNORED_FIELDS = Counter(
    "signoff_bus_ignored_fields", "Fields and headers of records that this version does not know.", ["subscription"]
)

Alarm = Callable[[str, Mapping[str, Any]], None]


def count_alarms(service: str) -> Alarm:
    """Return a listener for the alarms of a store."""

    def count(reason: str, facts: Mapping[str, Any]) -> None:
        del facts
        ALARMS.labels(service, reason.partition(":")[0][:40]).inc()

    return count


def watch(service: str, *, waiting: Callable[[], int], problems: Callable[[], Mapping[str, str]]) -> None:
    """Tell, whenever `/metrics` is read, how many messages wait and whether the service is ready."""

    def count() -> float:
        try:
            return waiting()
        except UnavailableError:
            return math.nan  # Not open yet or closed already; the other metrics are there all the same.

    WAITING.labels(service).set_function(count)
    READY.labels(service).set_function(lambda: 0 if problems() else 1)
