"""CloudEvents 1.0 in Kafka binary mode: `ce_*` headers around a JSON value.

`EVENT_MAX` bounds the value; it is checked when an event is put into an outbox, so that no event is born that the bus
refuses. Reading headers never raises: what is missing or broken becomes empty text and is counted by the reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

EVENT_MAX = 64 * 1024
"""Bytes of the JSON value."""
RESEND_DIGITS = 2
"""Of the number of a resend; a longer one is nobody's."""
HEADER_MAX = 2048
"""Bytes of a header that is read. A longer one is nobody's, and of it would be born what no bus or index takes."""

SPEC_VERSION = "1.0"
VERSION_SUFFIX = ".v1"
"""Part of the wire type; changes within a version are additive."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event as a transition emits it. The store adds id, time and source when it commits."""

    topic: str
    key: str
    type: str
    body: dict[str, Any]
    environment: str
    correlation: str = ""
    causation: str = ""
    traceparent: str = ""
    resend: int = 0
    id: str = ""
    """For an event that may go out again: its id, the same each time. Empty means: the store allots the next id."""


class Envelope(NamedTuple):
    """The metadata of one event, as read from its headers."""

    id: str
    type: str
    source: str
    time: str
    subject: str
    environment: str
    correlation: str = ""
    causation: str = ""
    traceparent: str = ""
    resend: int = 0
    unknown: tuple[str, ...] = ()
    """Names of broken headers, for the counter of ignored fields."""


class HeaderText(Mapping[str, str]):
    """Headers as the JSON text in which an outbox and a log keep them; read only if somebody looks into them."""

    __slots__ = ("_values", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._values: dict[str, str] | None = None

    def _read(self) -> dict[str, str]:
        if self._values is None:
            self._values = orjson.loads(self.text)
        return self._values

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


@lru_cache(maxsize=16)  # All events of a commit have one time.
def iso(epoch_seconds: float) -> str:
    """Return RFC 3339 text in UTC with microseconds for seconds since the epoch."""
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def headers_of(event: Outgoing, *, event_id: str, source: str, now: float) -> dict[str, str]:
    """Return the `ce_*` headers of `event`; empty optional attributes are left out."""
    headers = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": event_id,
        "ce_type": event.type + VERSION_SUFFIX,
        "ce_source": source,
        "ce_time": iso(now),
        "ce_subject": event.key,
        "ce_environment": event.environment,
        "content-type": "application/json",
    }
    if event.correlation:
        headers["ce_correlationid"] = event.correlation
    if event.causation:
        headers["ce_causationid"] = event.causation
    if event.traceparent:
        headers["ce_traceparent"] = event.traceparent
    if event.resend:
        headers["ce_resend"] = str(event.resend)
    return headers


def read_headers(headers: Iterable[tuple[str, bytes | None]] | Mapping[str, str]) -> Envelope:
    """Read an envelope from Kafka headers or from stored text headers. Total: it never raises."""
    pairs: Iterable[tuple[str, Any]] = headers.items() if isinstance(headers, Mapping) else headers
    values: dict[str, str] = {}
    broken: list[str] = []
    for name, raw in pairs:
        try:
            text = raw if type(raw) is str else bytes(raw).decode("utf-8")
        except (TypeError, ValueError):
            broken.append(name)
            continue
        if len(text if text.isascii() else text.encode(errors="replace")) <= HEADER_MAX:
            values[name] = text
        else:
            broken.append(name)
    get = values.get
    resend = get("ce_resend", "")
    return Envelope(
        id=get("ce_id", ""),
        type=get("ce_type", "").removesuffix(VERSION_SUFFIX),
        source=get("ce_source", ""),
        time=get("ce_time", ""),
        subject=get("ce_subject", ""),
        environment=get("ce_environment", ""),
        correlation=get("ce_correlationid", ""),
        causation=get("ce_causationid", ""),
        traceparent=get("ce_traceparent", ""),
        resend=int(resend) if resend.isascii() and resend.isdigit() and len(resend) <= RESEND_DIGITS else 0,
        unknown=tuple(broken),
    )
