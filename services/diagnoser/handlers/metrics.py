"""Metrics of the diagnoser. Labels are closed sets: collectors, their outcomes and statuses of a result."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

COLLECTED = Histogram(
    "signoff_diagnoser_collector_seconds", "How long collectors took, by outcome.", ["collector", "outcome"]
)
OPINIONS = Counter("signoff_diagnoser_opinions", "What came of asking a model, by outcome.", ["step", "outcome"])
CONCLUDED = Counter("signoff_diagnoser_conclusions", "Investigations that ended, by status.", ["status", "degraded"])
UNACCOUNTED = Gauge(
    "signoff_diagnoser_unaccounted", "Messages taken - dispositions - dead without a receipt. Anything but 0 is a bug."
)
