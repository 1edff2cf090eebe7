"""From an authentic body to the events that say what arrived. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from isal import isal_zlib

from services.ingest.domain.parsed import AlertFound, Found, NotAnAlert, Parsed, Parser, Unreadable
from services.ingest.domain.receipt import make_receipt, proof
from services.ingest.handlers.redacting import AlertRedactor, redacted
from shared.bus.port import WireRecord
from shared.events.deliveries import Delivery, DeliveryNotAnAlert, DeliveryReceived, DeliveryUnreadable
from shared.events.envelope import EVENT_MAX, SPEC_VERSION, VERSION_SUFFIX, iso
from shared.runtime.clock import at
from shared.telemetry.trace import traceparent

RAW_MAX = 24 * 1024
"""Compressed bytes of a body that an event carries at most; fewer when the alert itself is large."""
PACKING = 0
"""The quickest level. zlib itself packs a quarter smaller, but takes six times as long and empties the caches."""
_ENVELOPE = 64
"""Bytes of JSON around the raw body."""


class Accepted(NamedTuple):
    """An authentic request. `body` may be the prefix of a longer one; then `whole_size` says how long that was."""

    source: str
    environment: str
    headers: Mapping[str, str]
    body: bytes
    now: float
    whole_size: int

    @property
    def cut(self) -> bool:
        """Whether only a prefix was kept."""
        return self.whole_size > len(self.body)


class Delivered(NamedTuple):
    """The receipt and the records of one delivery."""

    receipt: str
    records: list[WireRecord]


def accept(accepted: Accepted, parse: Parser, key: bytes, chance: bytes, redactor: AlertRedactor) -> Delivered:
    """Return the events of a delivery. `key` makes receipt and MAC; `chance` is 10 random bytes."""
    receipt = make_receipt(key, accepted.now, chance)
    received_at = at(accepted.now)
    if accepted.cut:
        found: Parsed = (
            Unreadable("too_large", f"{accepted.whole_size} bytes; the first {len(accepted.body)} are kept"),
        )
    else:
        found = parse(accepted.body, accepted.headers, received_at)
    trace = traceparent(accepted.headers.get("traceparent", ""), receipt)
    digest = hashlib.sha256(accepted.body).hexdigest()
    records = []
    for number, message in enumerate(found, 1):
        message_id = receipt if len(found) == 1 else f"{receipt}/{number}"
        kind, subject, own = _told(redacted(message, redactor))
        key_of_record = subject or message_id
        fields = {
            "receipt": receipt,
            "message_id": message_id,
            "source": accepted.source,
            "received_at": received_at,
            "body_sha256": digest,
            "raw": "",
            "raw_size": accepted.whole_size,
            "raw_truncated": number > 1,
            "mac": message_mac(key, message_id, accepted.source, accepted.environment),
            **own,
        }
        headers = {
            "ce_specversion": SPEC_VERSION,
            "ce_id": f"ingest/{message_id}",
            "ce_type": kind.type + VERSION_SUFFIX,
            "ce_source": "signoff/ingest",
            "ce_time": iso(accepted.now),
            "ce_subject": key_of_record,
            "ce_environment": accepted.environment,
            "content-type": "application/json",
            "ce_traceparent": trace,
        }
        body = _with_raw(fields, accepted) if number == 1 else as_json(fields)
        records.append(WireRecord(kind.topic, key_of_record, headers, body))
    return Delivered(receipt, records)


def message_mac(key: bytes, message_id: str, source: str, environment: str) -> str:
    """Return the proof that ingest took in this message from this source into this environment. Format frozen."""
    text = f"message\x00{message_id}\x00{source}\x00{environment}"
    return proof(key, text.encode()).hex()


def _told(message: Found) -> tuple[type[Delivery], str, dict[str, Any]]:
    """Return the event that tells of a message, its subject if it has one of its own, and its own fields in order."""
    match message:
        case AlertFound(alert, delivery_key):
            return DeliveryReceived, alert.fingerprint, {"delivery_key": delivery_key, "alert": alert.__dict__}
        case NotAnAlert(why, title, is_test, delivery_key):
            own = {"delivery_key": delivery_key, "why": why, "title": title, "is_test": is_test}
            return DeliveryNotAnAlert, "", own
        case Unreadable(why, detail):
            return DeliveryUnreadable, "", {"why": why, "detail": detail}


def _with_raw(fields: dict[str, Any], accepted: Accepted) -> bytes:
    """Return an event with as much of the body as there is room for beside its own fields."""
    event = as_json(fields | _raw(accepted, RAW_MAX))
    if len(event) <= EVENT_MAX - _ENVELOPE:
        return event
    room = EVENT_MAX - _ENVELOPE - len(as_json(fields))
    return as_json(fields | _raw(accepted, min(RAW_MAX, room // 4 * 3)))


def as_json(fields: dict[str, Any]) -> bytes:
    """Return what the model of the event would write, without making one: its fields are valid already."""
    return orjson.dumps(fields, option=orjson.OPT_UTC_Z)


def _raw(accepted: Accepted, most: int) -> dict[str, Any]:
    """Return the body's longest tried prefix whose compressed form has at most so many bytes."""
    prefix = accepted.body
    packed = isal_zlib.compress(prefix, PACKING)
    while prefix and len(packed) > most:
        prefix = prefix[: len(prefix) * max(most, 0) * 15 // (len(packed) * 16)]
        packed = isal_zlib.compress(prefix, PACKING)
    return {
        "raw": base64.b64encode(packed).decode(),
        "raw_truncated": accepted.cut or len(prefix) < len(accepted.body),
    }
