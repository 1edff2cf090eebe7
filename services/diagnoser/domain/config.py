"""The frozen configuration of the diagnoser's transitions; its digest stands in each audit entry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from services.diagnoser.domain.rules import Rules
from shared.incident.model import Environment, is_simulated
from shared.runbooks.model import Runbook


@dataclass(frozen=True, slots=True)
class Config:
    """Rules, runbooks and times. All times are wall seconds."""

    rules: Rules = field(default_factory=Rules)
    runbooks: Mapping[str, Runbook] = field(default_factory=dict)
    receipt_key: bytes = field(default=b"", repr=False)
    reopen_within: float = 1800.0
    close_after: float = 900.0
    investigate_every: float = 60.0
    answer_within: float = 60.0
    answer_resends: int = 3
    asks_model: bool = False
    """Whether a model may add to what code says."""
    causes: frozenset[str] | None = None
    """What a verdict may name; None: anything."""

    def closes_after(self, environment: Environment) -> float:
        """Return how long an incident stays resolved before it closes: simulated runs do not wait."""
        return 0.0 if is_simulated(environment) else self.close_after

    @property
    def sha256(self) -> str:
        """The digest over everything but secrets."""
        runbooks = {name: runbook.sha256 for name, runbook in sorted(self.runbooks.items())}
        times = [self.reopen_within, self.close_after, self.investigate_every, self.answer_within, self.answer_resends]
        causes = sorted(self.causes or ())
        text = orjson.dumps([self.rules.model_dump(mode="json"), runbooks, times, causes])
        return hashlib.sha256(text).hexdigest()
