"""What becomes of a delivery: one visible list of questions, the first answer is its disposition."""

from __future__ import annotations

import hashlib

from pydantic import ValidationError

from services.diagnoser.domain.authentic import is_authentic
from services.diagnoser.handlers.scope_turn import ALERT_KEPT, Ruling, ScopeTurn, alert_key, record_of
from services.diagnoser.handlers.sightings import judge_sighting
from shared.events.deliveries import Delivery, DeliveryNotAnAlert, DeliveryReceived, DeliveryUnreadable
from shared.incident.enums import Disposition
from shared.store.model import JSON

_EVENTS: dict[str, type[Delivery]] = {
    event.type: event for event in (DeliveryReceived, DeliveryNotAnAlert, DeliveryUnreadable)
}
TYPES = frozenset(_EVENTS)
NAME_MAX = 64
"""Characters of the sender's name of a delivery that is a row's name as it is."""


def row_keys(body: JSON, *, digests: bool = False) -> list[str]:
    """Return the rows a delivery looks at; `digests`: also where earlier versions kept it. The body may be anything."""
    if not isinstance(body, dict):
        return []
    keys = []
    alert = body.get("alert")
    if isinstance(alert, dict) and isinstance(alert.get("fingerprint"), str):
        keys.append(alert_key(alert["fingerprint"]))
    if body.get("delivery_key"):
        keys.append(_delivery_key(body))
        if digests:
            keys.append(_digest_key(body))
    return keys


def _delivery_key(body: JSON) -> str:
    """Return the row of a delivery: its name as it is, if it may be. Names count up, so rows of a time lie together."""
    # A body that holds several messages has one key for all of them, so the number of the message is part of it.
    source, name = str(body.get("source")), str(body["delivery_key"])
    number = str(body.get("message_id", "")).partition("/")[2]
    if len(name) > NAME_MAX or not f"{source}{number}{name}".isascii() or "/" in f"{source}{number}":
        return _digest_key(body)
    key = f"delivery/{source}/{number}/{name}"
    return key if key.isprintable() else _digest_key(body)


def _digest_key(body: JSON) -> str:
    number = str(body.get("message_id", "")).partition("/")[2]
    digest = hashlib.sha256(f"{body.get('source')}\x00{body['delivery_key']}\x00{number}".encode(errors="replace"))
    return f"delivery/{digest.hexdigest()[:32]}"


def take_delivery(turn: ScopeTurn) -> None:
    """Decide one message of a delivery and keep its disposition. Raises what makes a message dead."""
    body = turn.message.body
    try:
        delivery = _EVENTS[turn.message.type].read(body)
    except ValidationError as error:
        # Without an id there is nothing to keep a disposition under; then the message is dead.
        body["message_id"]
        fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors()[:5])
        _keep(turn, Ruling(Disposition.QUARANTINED, f"unreadable event: {fields}"), turn.now)
    else:
        _keep(turn, _rule(turn, delivery), delivery.received_at.timestamp())


def bury_delivery(turn: ScopeTurn, reason: str) -> None:
    """Keep a disposition for a message that can never be decided, or count it as lost when it has no id."""
    if isinstance(turn.message.body, dict) and isinstance(turn.message.body.get("message_id"), str):
        _keep(turn, Ruling(Disposition.QUARANTINED, f"never decided: {reason}"), turn.now)
    else:
        turn.state.lost += 1


def _keep(turn: ScopeTurn, ruling: Ruling, received_at: float) -> None:
    turn.state.decided += 1
    turn.decision.records.append(record_of(ruling, turn.message.body, turn.state.environment, received_at))
    if ruling.disposition is Disposition.QUARANTINED:
        turn.decision.audit.append({"quarantined": turn.message.body["message_id"], "reason": ruling.reason})


def _rule(turn: ScopeTurn, delivery: Delivery) -> Ruling:
    early = _forged(turn, delivery) or _delivered_before(turn, delivery)
    if early is not None:
        return early
    match delivery:
        case DeliveryUnreadable():
            return Ruling(Disposition.QUARANTINED, f"unreadable: {delivery.why}")
        case DeliveryNotAnAlert():
            return Ruling(Disposition.TEST if delivery.is_test else Disposition.NOT_AN_ALERT, delivery.why)
        case DeliveryReceived() if delivery.alert.is_test:
            return Ruling(Disposition.TEST, "test notification of the source")
        case DeliveryReceived():
            return judge_sighting(turn, delivery.message_id, delivery.alert)
        case _:
            raise ValueError(f"no rule for {delivery.type}")


def _forged(turn: ScopeTurn, delivery: Delivery) -> Ruling | None:
    if is_authentic(turn.config.receipt_key, delivery, turn.state.environment):
        return None
    return Ruling(Disposition.QUARANTINED, "the proof of ingest does not fit")


def _delivered_before(turn: ScopeTurn, delivery: Delivery) -> Ruling | None:
    """Judge by the sender's own key of the delivery."""
    if not getattr(delivery, "delivery_key", None):
        return None
    key = _delivery_key(turn.message.body)
    known = turn.rows.get(key) or (turn.rows.get(_digest_key(turn.message.body)) if turn.state.digests else None)
    if known is None:
        turn.put(key, {"sha256": delivery.body_sha256, "message_id": delivery.message_id}, keep=ALERT_KEPT)
        return None
    if known["sha256"] != delivery.body_sha256:
        return Ruling(Disposition.QUARANTINED, f"delivery key reused with another body, first in {known['message_id']}")
    return Ruling(Disposition.DEDUPLICATED, f"same delivery as {known['message_id']}")
