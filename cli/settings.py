"""Sections of `signoff.toml` that belong to the process, not to one service."""

from __future__ import annotations

from pydantic import SecretStr

from shared.runtime.settings import Section, WorldSettings


class StoreSettings(Section):
    """Where state lives."""

    url: SecretStr = SecretStr("")
    """Empty: SQLite files in the data directory. `postgresql://...`: one database, a schema for each service."""


class ServicesSettings(Section):
    """Where services that run as processes of their own find each other."""

    ingest_url: str = "http://127.0.0.1:8701"
    diagnoser_url: str = "http://127.0.0.1:8703"
    executor_url: str = "http://127.0.0.1:8704"
    token: SecretStr = SecretStr("")
    """Opens reads and control routes of a service to the others."""


class MockSettings(WorldSettings):
    """Where the simulated world listens. An empty `url` means that there is none, as in production."""
