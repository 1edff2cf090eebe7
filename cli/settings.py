"""Sections of `signoff.toml` that belong to the process, not to one service."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from shared.runtime.settings import Section, WebAddress, WorldSettings

POSTGRES = ("postgresql://", "postgres://")


def _database(url: SecretStr) -> SecretStr:
    """Return it. The message repeats nothing of it: it may hold a password."""
    text = url.get_secret_value()
    if text and (not text.startswith(POSTGRES) or not urlsplit(text).hostname):
        raise ValueError("write postgresql://USER:PASSWORD@HOST/DATABASE, or nothing for SQLite files")
    return url


class StoreSettings(Section):
    """Where state lives."""

    url: Annotated[SecretStr, AfterValidator(_database)] = SecretStr("")
    """Empty: SQLite files in the data directory. `postgresql://...`: one database, a schema for each service."""


class ServicesSettings(Section):
    """Where services that run as processes of their own find each other."""

    ingest_url: WebAddress = "http://127.0.0.1:8701"
    diagnoser_url: WebAddress = "http://127.0.0.1:8703"
    executor_url: WebAddress = "http://127.0.0.1:8704"
    token: SecretStr = SecretStr("")
    """Opens reads and control routes of a service to the others."""


class MockSettings(WorldSettings):
    """Where the simulated world listens. An empty `url` means that there is none, as in production."""
