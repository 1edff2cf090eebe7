"""Scopes of tests: their rules, and what a decision ruled and told."""

from __future__ import annotations

from services.diagnoser.domain.rules import CorrelationRule, Rules
from shared.incident.actor import Actor
from shared.store.model import Decision

RULES = Rules(
    correlate=(
        CorrelationRule(name="same_service", same=("service",), window_seconds=600),
        CorrelationRule(name="same_host", same=("host",), window_seconds=600),
    )
)
PERSON = Actor(kind="person", id="pat", name="Pat")


def ruling(decision: Decision) -> tuple[str, str | None]:
    """The disposition of the only message and its incident."""
    [record] = decision.records
    return record.values["disposition"], record.values["incident_id"]


def told(decision: Decision) -> list[tuple[str, str]]:
    return [(local.aggregate, local.type) for local in decision.messages]
