"""Settings of the executor: section `[executor]`."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, Field

from shared.runtime.settings import Section, WorldSettings


class TrustedKey(Section):
    """A key with the time in which it counts. `until` in the past revokes it, and tells auditors since when."""

    key: str
    """Base64 of an Ed25519 public key."""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class Settings(Section):
    """The executor."""

    trusted_keys: dict[str, str | TrustedKey] = Field(default_factory=dict)
    """kid -> base64 of an Ed25519 public key. Whoever holds the private half says who decided; give two to rotate.

    A table {key, since, until} instead of the text bounds the time in which the key counts.
    """
    people_file: Path | None = None
    """None: the SAMPLE people, who count in simulated runs only."""
    policy_file: Path | None = None
    """None: the policy that comes with Signoff. A policy only tightens: whatever no rule speaks of needs approval."""
    runbooks: Path | None = None
    """Folder of runbooks; None: the project's own."""
    world: WorldSettings = WorldSettings()
