"""One signal from one source, firing or recovered."""

from __future__ import annotations

import hashlib

from pydantic import AwareDatetime, Field

from shared.incident.enums import AlertStatus, Severity
from shared.incident.model import Fingerprint, Model


class Alert(Model):
    """One sighting of an alert, as the source told it.

    `occurred_at` is data time (the source's clock). `source_key` is the source's own identity of the problem and
    `cycle` names one firing-to-recovered span, when the source has such a name. Text is untrusted: show it, never
    run, render or match rules on it beyond equality.
    """

    fingerprint: Fingerprint
    source: str
    source_key: str
    cycle: str | None = None
    status: AlertStatus = AlertStatus.FIRING
    transition: str = ""
    """The source's own word for what happened, kept as it came (`Re-Triggered`, `incident.escalated`)."""
    is_test: bool = False
    title: str = Field(max_length=500)
    description: str = Field(default="", max_length=4000)
    severity: Severity = Severity.SEV3
    services: tuple[str, ...] = ()
    host: str | None = None
    metric: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    link: str | None = None
    occurred_at: AwareDatetime
    has_own_time: bool = True
    """False when the source gave no time and `occurred_at` is the receipt's."""


def fingerprint(source: str, source_key: str) -> Fingerprint:
    """Return the identity of an alert. The format is frozen: changing it would reopen every open alert."""
    return Fingerprint(hashlib.sha256(f"{source}\x00{source_key}".encode()).hexdigest()[:32])
