"""The base of every settings section. `configuration.py` fills it from file, environment and flags."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    try:
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.query or parts.fragment or any(char.isspace() for char in url):
        raise ValueError("write an address such as https://signoff.example.com or http://127.0.0.1:8700")
    return url


WebAddress = Annotated[str, AfterValidator(_web_address)]
"""Where something listens: scheme, host, and a port or a path where it has one."""


class Section(BaseModel):
    """A frozen section of `signoff.toml`; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorldSettings(Section):
    """Where the simulated world listens, for environments `sim:*`."""

    url: str = ""
    token: SecretStr = SecretStr("")
