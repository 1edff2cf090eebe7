"""Settings of the diagnoser: section `[diagnoser]`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from shared.runtime.settings import Section, WorldSettings


class Settings(Section):
    """The diagnoser. All times are wall seconds."""

    receipt_key: SecretStr = SecretStr("")
    """The same as ingest's: proves that ingest took a live delivery in."""
    rules_file: Path = Path(__file__).parent / "rules.yaml"
    """How alerts are correlated, held back and suppressed by plan."""
    runbooks: Path | None = None
    """None: `runbooks/` of the project."""
    reopen_within: float = Field(default=1800.0, ge=0)
    close_after: float = Field(default=900.0, ge=0)
    """How long a live incident stays resolved before it closes; simulated runs do not wait."""
    investigate_every: float = Field(default=60.0, gt=0)
    answer_within: float = Field(default=60.0, gt=0)
    """How long the executor may take to answer a recommendation before it is sent again."""
    collect_seconds: float = Field(default=20.0, gt=0, le=20)
    """How long each collector may take; they run beside each other."""
    engine_seconds: float = Field(default=30.0, gt=0, le=55)
    """How long the engine may think about one case before its process is ended."""
    world: WorldSettings = WorldSettings()
