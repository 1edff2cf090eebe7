"""What became of a delivery, for who holds its receipt."""

from __future__ import annotations

from collections.abc import Mapping

from services.diagnoser.domain.authentic import is_receipt
from services.diagnoser.domain.gathering import JSON
from services.diagnoser.ports import Records
from shared.errors import NotFoundError

IN_FLIGHT = "in_flight"


async def show_delivery(records: Records, key: bytes, receipt: str) -> list[Mapping[str, JSON]]:
    """Return the disposition of each message under a receipt or `receipt/n`; `in_flight` before it is decided.

    Raises NotFoundError for what ingest never gave out, so that nobody is told to wait for it.
    """
    found = await records.deliveries(receipt)
    if found:
        return found
    if not is_receipt(key, receipt.partition("/")[0]):
        raise NotFoundError(f"no delivery has the receipt {receipt!r}")
    nothing = dict.fromkeys(("source", "received_at", "reason", "incident_id"))
    return [{"receipt": receipt, "disposition": IN_FLIGHT, "alerts": [], **nothing}]
