"""Where the time of a delivery goes inside ingest: each step alone, the mean over both senders, best of many rounds.

Inside a server the same steps take about half as long again, because what is done between them empties the caches.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from isal import isal_zlib

from benchmarks.bench import Bench
from benchmarks.measuring import Row
from benchmarks.webhooks import datadog_request, pagerduty_request
from services.ingest.app import PARSERS
from services.ingest.domain.authentic import Check, Secrets, check_pagerduty, check_token, vouch
from services.ingest.domain.parsed import AlertFound, Parsed
from services.ingest.domain.reading import read_json
from services.ingest.domain.receipt import make_receipt
from services.ingest.handlers.accept import PACKING, Accepted, accept, as_json, message_mac
from services.ingest.handlers.redacting import AlertRedactor, redacted
from shared.events.deliveries import DeliveryReceived
from shared.incident.model import LIVE
from shared.runtime.clock import at

NOW = 1_764_000_000.0
KEY, SECRET, CHANCE = b"k" * 32, "s" * 43, b"0123456789"
SECRETS = Secrets.of([SECRET])
OURS = [letter * 43 for letter in "abcdefgh"]
EACH = 10
"""Deliveries of each sender in a round."""
LATER = 50
"""So many deliveries later the same monitor tells of the same host again, under new ids."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A delivery, and what its steps make of it."""

    accepted: Accepted
    check: Check
    found: AlertFound
    fields: dict[str, Any]


def run(bench: Bench) -> list[Row]:
    """Return microseconds of each step, and of all together."""
    senders = ((datadog_request, check_token), (pagerduty_request, check_pagerduty))
    earlier, samples = (
        [sample(make(first + number, SECRET), check) for number in range(EACH) for make, check in senders]
        for first in (0, LATER)
    )
    rounds = int(bench.either(500, 3))
    return [Row(name, best(step, earlier, samples, rounds), "us") for name, step in STEPS.items()]


def sample(request: bytes, check: Check) -> Sample:
    """Return a request as ingest sees it."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
    accepted = Accepted(first.split()[1].rpartition("/")[2], LIVE, headers, body, NOW, len(body))
    [found] = parse(accepted)
    assert isinstance(found, AlertFound)
    [record] = accept(accepted, PARSERS[accepted.source], KEY, CHANCE, AlertRedactor(OURS)).records
    return Sample(accepted, check, found, fields_of(DeliveryReceived.read(orjson.loads(record.body))))


def parse(accepted: Accepted) -> Parsed:
    """Return what is in the body."""
    return PARSERS[accepted.source](accepted.body, accepted.headers, at(NOW))


def prove(accepted: Accepted) -> object:
    """Return receipt, digest of the body and proof of the message."""
    receipt = make_receipt(KEY, NOW, CHANCE)
    return hashlib.sha256(accepted.body).hexdigest(), message_mac(KEY, receipt, accepted.source, LIVE)


def fields_of(event: DeliveryReceived) -> dict[str, Any]:
    """Return the fields of an event as ingest writes them."""
    return event.__dict__ | {"alert": event.alert.__dict__}


STEPS: dict[str, Callable[[Sample, AlertRedactor], object]] = {
    "who sent it": lambda one, _: vouch(one.check, SECRETS, one.accepted.headers, one.accepted.body),
    "read the JSON": lambda one, _: read_json(one.accepted.body),
    "make it an alert, JSON included": lambda one, _: parse(one.accepted),
    "look for secrets in it": lambda one, redactor: redacted(one.found, redactor),
    "pack the body": lambda one, _: base64.b64encode(isal_zlib.compress(one.accepted.body, PACKING)),
    "receipt, digest, proof": lambda one, _: prove(one.accepted),
    "the event as bytes": lambda one, _: as_json(one.fields),
    "a request to a record, all of it": lambda one, redactor: accept(
        one.accepted, PARSERS[one.accepted.source], KEY, CHANCE, redactor
    ),
}


def best(
    step: Callable[[Sample, AlertRedactor], object], earlier: list[Sample], samples: list[Sample], rounds: int
) -> float:
    """Return the microseconds of one step in its quickest round, where monitors and hosts are known and ids are new."""
    quickest = float("inf")
    for _ in range(rounds):
        redactor = AlertRedactor(OURS)
        for one in earlier:
            redacted(one.found, redactor)
        begun = time.perf_counter()
        for one in samples:
            step(one, redactor)
        quickest = min(quickest, time.perf_counter() - begun)
    return quickest / len(samples) * 1e6
