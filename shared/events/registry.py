"""Every event type there is: wire name, class, owner, topic. A service refuses to emit what it does not own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shared.events import approvals, deliveries, executions, incidents, investigations, people
from shared.events.payload import Payload

_MODULES = (deliveries, incidents, investigations, approvals, executions, people)


def _payloads() -> dict[str, type[Payload]]:
    found: dict[str, type[Payload]] = {}
    for module in _MODULES:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Payload) and "type" in vars(value):
                found[value.type] = value
    return found


EVENTS: Mapping[str, type[Payload]] = MappingProxyType(_payloads())
"""Wire name without version suffix -> payload class."""


def emitted_by(service: str) -> tuple[str, ...]:
    """Return the types that `service` may emit, sorted."""
    return tuple(sorted(name for name, payload in EVENTS.items() if payload.owner == service))
