"""What ingest says: one event for each message of a delivery, on `alerts.v1`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from shared.events.payload import ALERTS, Payload
from shared.incident.alert import Alert


class Delivery(Payload):
    """What every delivery event carries.

    `message_id` is the receipt, or `receipt/n` where one body held several messages. `raw` is base64 of the zlib
    stream of the body's first bytes, cut so that the event stays under its limit; `raw_size` and `body_sha256` are of
    the whole body. `mac` is HMAC-SHA256 with `receipt_key` over message id, source and environment.
    """

    owner: ClassVar[str] = "ingest"
    topic: ClassVar[str] = ALERTS

    receipt: str
    message_id: str
    source: str
    received_at: AwareDatetime
    body_sha256: str
    raw: str = ""
    raw_size: int = 0
    raw_truncated: bool = False
    mac: str


class DeliveryReceived(Delivery):
    """`delivery.received`: an authentic delivery that holds an alert. Keyed by fingerprint."""

    type: ClassVar[str] = "delivery.received"

    delivery_key: str | None = None
    """The sender's own id of this delivery, the same on each of its attempts."""
    alert: Alert


class DeliveryUnreadable(Delivery):
    """`delivery.unreadable`: authentic, kept, not understood. Keyed by receipt."""

    type: ClassVar[str] = "delivery.unreadable"

    why: str
    detail: str = ""


class DeliveryNotAnAlert(Delivery):
    """`delivery.not_an_alert`: understood and no alert (a ping, a note, a merge). Keyed by receipt."""

    type: ClassVar[str] = "delivery.not_an_alert"

    delivery_key: str | None = None
    why: str
    title: str = ""
    is_test: bool = False
