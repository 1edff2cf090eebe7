"""Deliveries that come in one turn of the event loop are accepted together, and none of them depends on another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.ingest.handlers.accept import Accepted
from services.ingest.handlers.keep import Keeper
from services.ingest.handlers.redacting import AlertRedactor
from services.ingest.ports import DeliveryLog, Kept
from services.ingest.sources import datadog
from shared.bus.port import WireRecord
from shared.errors import UnavailableError
from tests.unit.ingest.bodies import filled


class ListLog(DeliveryLog):
    """Keeps records in memory."""

    def __init__(self) -> None:
        self.records: list[WireRecord] = []

    async def append(self, deliveries: Sequence[Sequence[WireRecord]]) -> Sequence[UnavailableError | None]:
        self.records += [record for records in deliveries for record in records]
        return [None] * len(deliveries)

    def kept(self) -> Kept:
        return Kept(acked=len(self.records))


def delivery(number: int, source: str = datadog.SOURCE) -> Accepted:
    body = filled(ID=f"event-{number}").encode()
    return Accepted(source, "live", {}, body, 1_764_000_000.0, len(body))


def keeper(log: ListLog) -> Keeper:
    return Keeper(log, {datadog.SOURCE: datadog.parse}, b"key", AlertRedactor())


async def test_deliveries_of_one_turn_are_kept_in_the_order_in_which_they_came() -> None:
    log = ListLog()
    keep = keeper(log).keep
    receipts = await asyncio.gather(*(keep(delivery(number)) for number in range(20)))
    assert [record.headers["ce_id"] for record in log.records] == [f"ingest/{receipt}" for receipt in receipts]
    assert len(set(receipts)) == 20


async def test_a_delivery_that_cannot_be_worked_on_takes_no_other_of_its_turn_along() -> None:
    log = ListLog()
    found = keeper(log)
    sources = (datadog.SOURCE, "nobody", datadog.SOURCE)
    kept = await asyncio.gather(
        *(found.keep(delivery(number, source)) for number, source in enumerate(sources)), return_exceptions=True
    )
    assert [isinstance(one, str) for one in kept] == [True, False, True]
    assert len(log.records) == found.account().accepted == 2


async def test_a_sender_that_goes_before_its_turn_leaves_nothing_and_takes_nobody_along() -> None:
    log = ListLog()
    found = keeper(log)
    gone, stays = (found.keep(delivery(number)) for number in range(2))
    gone.cancel()
    await asyncio.wait([gone, stays])
    assert gone.cancelled()
    assert [record.headers["ce_id"] for record in log.records] == [f"ingest/{stays.result()}"]


class SlowLog(ListLog):
    """Keeps records once it may, and refuses those of one key."""

    def __init__(self, refused: str = "") -> None:
        super().__init__()
        self.begun, self.may = asyncio.Event(), asyncio.Event()
        self.turns = 0
        self._refused = refused

    async def append(self, deliveries: Sequence[Sequence[WireRecord]]) -> Sequence[UnavailableError | None]:
        self.turns += 1
        self.begun.set()
        await self.may.wait()
        kept = [records for records in deliveries if records[0].key != self._refused]
        await super().append(kept)
        return [None if records in kept else UnavailableError("not now") for records in deliveries]


async def test_the_log_is_asked_once_for_all_that_came_in_a_turn() -> None:
    log = SlowLog()
    log.may.set()
    keep = keeper(log).keep
    await asyncio.gather(*(keep(delivery(number)) for number in range(20)))
    assert log.turns == 1


async def test_what_is_not_kept_is_told_to_its_own_sender_alone() -> None:
    unreadable = Accepted(datadog.SOURCE, "live", {}, b"{", 1_764_000_000.0, 1)
    alert = (await kept_record()).key
    log = SlowLog(refused=alert)
    log.may.set()
    found = keeper(log)
    told = await asyncio.gather(found.keep(delivery(1)), found.keep(unreadable), return_exceptions=True)
    assert [type(one) for one in told] == [UnavailableError, str]
    assert found.account().unaccounted == 0


async def test_what_is_kept_is_counted_also_when_its_sender_has_gone_meanwhile() -> None:
    log = SlowLog()
    found = keeper(log)
    gone = found.keep(delivery(1))
    await log.begun.wait()
    gone.cancel()
    await asyncio.wait([gone])
    log.may.set()
    await found.keep(delivery(2))
    assert gone.cancelled()
    assert (found.account().accepted, found.account().unaccounted) == (2, 0)


async def kept_record() -> WireRecord:
    """Return the record of a delivery."""
    log = ListLog()
    await keeper(log).keep(delivery(1))
    return log.records[0]
