"""Metrics of ingest. Labels are closed sets: sources, statuses and event types of this service."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

ANSWERS = Counter("signoff_ingest_answers", "Answers to webhook requests.", ["source", "status"])
AUTHENTICATED = Counter(
    "signoff_ingest_authenticated",
    "Authentic deliveries by the secret that vouched: 1 or 2, its place in the list, or replay.",
    ["source", "secret"],
)
ACCEPTED = Counter("signoff_ingest_accepted", "Messages whose sender was told 202.", ["source", "type"])
ACKED = Counter("signoff_ingest_acked", "Messages that the bus acknowledged.")
SPOOLED = Counter("signoff_ingest_spooled", "Messages that went to the spool.")
UNACCOUNTED = Gauge("signoff_ingest_unaccounted", "accepted - acked - spooled. Anything but 0 is a bug.")
IN_SPOOL = Gauge("signoff_ingest_in_spool", "Messages in the spool now.")
CIRCUIT_OPEN = Gauge("signoff_ingest_circuit_open", "1 while the bus does not answer, else 0.")
CANARY = Gauge("signoff_ingest_canary_timestamp_seconds", "When the last canary was accepted.")
