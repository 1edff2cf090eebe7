"""The base of every settings section. `configuration.py` fills it from file, environment and flags."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr


class Section(BaseModel):
    """A frozen section of `signoff.toml`; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorldSettings(Section):
    """Where the simulated world listens, for environments `sim:*`."""

    url: str = ""
    token: SecretStr = SecretStr("")
