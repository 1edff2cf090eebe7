"""Settings of the notifier: section `[notifier]`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from shared.runtime.settings import Section, WebAddress, WorldSettings


class Settings(Section):
    """The notifier."""

    base_url: WebAddress = "http://127.0.0.1:8700"
    """Where people reach the console; part of every approval link. Live channels need one that is not loopback."""
    allowed_hosts: tuple[str, ...] = ()
    """More `Host` values (with port) to answer to, beside the one of `base_url`."""
    run_token: SecretStr = SecretStr("")
    """For who started the server; lives in `run.json`. Accepted from this machine only."""
    operator: str = "sample-approver"
    """The person (`people.yaml` id) that the run token stands for."""
    people_file: Path | None = None
    """None: the SAMPLE people, who count in simulated runs only."""
    signing_key: SecretStr = SecretStr("")
    """PEM of the Ed25519 key that signs decisions; the executor trusts its public half under `kid`."""
    kid: str = "notifier"
    other_keys: dict[str, str] = Field(default_factory=dict)
    """kid -> base64 of an Ed25519 public key: the key before this one, and those of other notifiers of this executor.

    A ruling whose words no known key signed is shown as a record that is not believed.
    """
    session_hours: float = Field(default=12.0, gt=0, le=168)
    answer_seconds: float = Field(default=10.0, gt=0)
    """How long the executor may take to rule on a decision before it is sent again."""
    terminal: bool = True
    """Write stages and approval links to standard error."""
    world: WorldSettings = WorldSettings()
