"""Where the time of a delivery goes inside ingest: each step alone, the mean over both senders, best of many rounds.

Inside a server the same steps take about half as long again, because what is done between them empties the caches.
"""

from __future__ import annotations

import base64
import hashlib
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from benchmarks.bench import Bench
from benchmarks.measuring import Row
from benchmarks.webhooks import datadog_request, pagerduty_request
from services.ingest.app import PARSERS
from services.ingest.domain.authentic import Check, Secrets, check_pagerduty, check_token, vouch
from services.ingest.domain.parsed import AlertFound, Parsed
from services.ingest.domain.reading import read_json
from services.ingest.domain.receipt import make_receipt
from services.ingest.handlers.accept import PACKING, Accepted, accept, message_mac
from services.ingest.handlers.redacting import AlertRedactor, redacted
from shared.events.deliveries import DeliveryReceived
from shared.events.envelope import headers_of
from shared.incident.model import LIVE
from shared.runtime.clock import at

NOW = 1_764_000_000.0
KEY, SECRET, CHANCE = b"k" * 32, "s" * 43, b"0123456789"
SECRETS = Secrets.of([SECRET])
REDACTOR = AlertRedactor([letter * 43 for letter in "abcdefgh"])
EACH = 10
"""Deliveries of each sender in a round."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A delivery, and what its steps make of it."""

    accepted: Accepted
    check: Check
    found: AlertFound
    event: DeliveryReceived


def run(bench: Bench) -> list[Row]:
    """Return microseconds of each step, and of all together."""
    senders = ((datadog_request, check_token), (pagerduty_request, check_pagerduty))
    samples = [sample(make(number, SECRET), check) for number in range(EACH) for make, check in senders]
    rounds = int(bench.either(500, 3))
    return [Row(name, best(step, samples, rounds), "us") for name, step in STEPS.items()]


def sample(request: bytes, check: Check) -> Sample:
    """Return a request as ingest sees it."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
    accepted = Accepted(first.split()[1].rpartition("/")[2], LIVE, headers, body, NOW, len(body))
    [found] = parse(accepted)
    assert isinstance(found, AlertFound)
    [record] = accept(accepted, PARSERS[accepted.source], KEY, CHANCE, REDACTOR).records
    return Sample(accepted, check, found, DeliveryReceived.read(orjson.loads(record.body)))


def parse(accepted: Accepted) -> Parsed:
    """Return what is in the body."""
    return PARSERS[accepted.source](accepted.body, accepted.headers, at(NOW))


def prove(accepted: Accepted) -> object:
    """Return receipt, digest of the body and proof of the message."""
    receipt = make_receipt(KEY, NOW, CHANCE)
    return hashlib.sha256(accepted.body).hexdigest(), message_mac(KEY, receipt, accepted.source, LIVE)


def as_bytes(event: DeliveryReceived) -> object:
    """Return an event with its headers as it goes to the bus."""
    outgoing = event.outgoing(event.alert.fingerprint, environment=LIVE)
    return headers_of(outgoing, event_id=event.receipt, source="ingest", now=NOW), orjson.dumps(outgoing.body)


STEPS: dict[str, Callable[[Sample], object]] = {
    "who sent it": lambda one: vouch(one.check, SECRETS, one.accepted.headers, one.accepted.body),
    "read the JSON": lambda one: read_json(one.accepted.body),
    "make it an alert, JSON included": lambda one: parse(one.accepted),
    "look for secrets in it": lambda one: redacted(one.found, REDACTOR),
    "pack the body": lambda one: base64.b64encode(zlib.compress(one.accepted.body, PACKING)),
    "receipt, digest, proof": lambda one: prove(one.accepted),
    "the event as bytes": lambda one: as_bytes(one.event),
    "a request to a record, all of it": lambda one: accept(
        one.accepted, PARSERS[one.accepted.source], KEY, CHANCE, REDACTOR
    ),
}


def best(step: Callable[[Sample], object], samples: list[Sample], rounds: int) -> float:
    """Return the microseconds of one step in its quickest round."""
    quickest = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        for one in samples:
            step(one)
        quickest = min(quickest, time.perf_counter() - begun)
    return quickest / len(samples) * 1e6
