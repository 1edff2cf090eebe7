"""Settings of ingest: section `[ingest]`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from shared.runtime.settings import Section


class SourceSettings(Section):
    """One sender. Without a live secret and without a replay secret the source is off and answers 503."""

    secrets: tuple[SecretStr, ...] = Field(default=(), max_length=2)
    """At most two live at a time, so that one can be rotated."""
    replay_secret: SecretStr | None = None
    """Authenticates deliveries of simulated runs. Absent in production."""


class Settings(Section):
    """Ingest."""

    datadog: SourceSettings = SourceSettings()
    pagerduty: SourceSettings = SourceSettings()
    generic: SourceSettings = SourceSettings()
    receipt_key: SecretStr = SecretStr("")
    spool_dir: Path | None = None
    """A durable volume of this process alone. None: the data directory."""
    spool_max: int = Field(default=200_000, gt=0)
    """Messages the spool holds before senders are told 503."""
    append_seconds: float = Field(default=2.0, gt=0)
    """How long the bus may take to acknowledge before the circuit opens, and then the spool. PagerDuty waits 5 s."""
    body_seconds: float = Field(default=10.0, gt=0)
    """How long a body may take to arrive."""
    canary_seconds: float = Field(default=60.0, gt=0)
    """How often a test delivery is sent down our own path."""
