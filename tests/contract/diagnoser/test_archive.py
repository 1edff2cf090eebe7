"""What is kept, and for how long."""

from __future__ import annotations

import base64
import zlib
from dataclasses import asdict, replace
from typing import Any

import orjson
from sqlalchemy import insert

from services.diagnoser.adapters.archive import StoredArchive
from services.diagnoser.adapters.records import StoredRecords
from services.diagnoser.adapters.retention import DAY, STEP, PeriodicTask, Retention
from services.diagnoser.adapters.tables import DISPOSITION, INVESTIGATION
from services.diagnoser.domain.finding_out import packed
from services.diagnoser.handlers.metrics import UNACCOUNTED
from services.diagnoser.ports import Investigated
from tests.contract.diagnoser.conftest import Running
from tests.support.kinds import eventually


def investigated(name: str, statement: str = "s") -> Investigated:
    return Investigated(
        name, "INC-A", "live", {"alerts": []}, {"statement": statement}, [{"collector": "logs"}], steps=[]
    )


async def keep(running: Running, found: Investigated, *, fence: int) -> None:
    """Keep a run as the transition does that takes its result."""
    row = {"id": found.id, "fence": fence, "incident_id": found.incident_id, "environment": found.environment}
    full = {name: value for name, value in asdict(found).items() if name not in row}
    row |= {"at": await running.store.now(), "data": base64.b64decode(packed(full))}
    await running.store.execute(insert(INVESTIGATION).values(row))


async def test_the_newest_run_of_an_investigation_is_shown(running: Running) -> None:
    await keep(running, investigated("INC-A-i1", "first"), fence=1)
    await keep(running, investigated("INC-A-i2"), fence=1)
    await keep(running, investigated("INC-A-i1", "again"), fence=2)

    archive = StoredArchive(running.store)
    assert await archive.find("INC-A-i1") == investigated("INC-A-i1", "again")
    assert await archive.of_incident("INC-A") == ["INC-A-i1", "INC-A-i2"]


async def test_what_was_kept_before_there_were_replies_has_none(running: Running) -> None:
    before: dict[str, Any] = {"case": {}, "conclusion": {}, "collectors": []}
    row = {"id": "INC-A-i1", "fence": 1, "incident_id": "INC-A", "environment": "live", "at": await running.store.now()}
    await running.store.execute(insert(INVESTIGATION).values(row | {"data": zlib.compress(orjson.dumps(before))}))
    archive = StoredArchive(running.store)

    assert (await archive.find("INC-A-i1")).replies is None

    with_replies = replace(investigated("INC-A-i1"), replies={"turns": []})
    await keep(running, with_replies, fence=2)
    assert await archive.find("INC-A-i1") == with_replies


async def test_full_data_go_after_30_days_and_dispositions_after_90(running: Running) -> None:
    now = await running.store.now()
    for days in (29, 31):
        row = {"id": f"i{days}", "fence": 1, "incident_id": "INC-A", "environment": "live", "data": b""}
        await running.store.execute(insert(INVESTIGATION).values(row | {"at": now - days * DAY}))
    for days in (89, 91):
        row = dict.fromkeys(("receipt", "source", "disposition", "reason", "environment"), "x")
        row |= {"message_id": f"m{days}", "received_at": now - days * DAY}
        await running.store.execute(insert(DISPOSITION).values(row))

    assert await Retention(running.store).step() == 2
    assert await Retention(running.store).step() == 0

    assert await StoredArchive(running.store).of_incident("INC-A") == ["i29"]
    assert len(await StoredRecords(running.store).deliveries("m89")) == 1
    assert not await StoredRecords(running.store).deliveries("m91")


async def test_much_that_is_old_goes_in_steps(running: Running) -> None:
    row = dict.fromkeys(("receipt", "source", "disposition", "reason", "environment"), "x") | {"received_at": 0.0}
    rows = [row | {"message_id": f"m{number}"} for number in range(STEP + 1)]
    await running.store.execute(insert(DISPOSITION).values(rows))

    retention = Retention(running.store)

    assert [await retention.step() for _ in range(3)] == [STEP, 1, 0]


async def test_what_is_unaccounted_for_is_looked_at_again_and_again_although_nobody_asks(running: Running) -> None:
    UNACCOUNTED.set(7)
    looking = PeriodicTask(StoredRecords(running.store).look, 0.01)
    looking.start()

    async def told() -> bool:
        return bool(UNACCOUNTED._value.get() == 0)

    await eventually(told)
    assert looking.ended() is None
    await looking.stop()
