"""What only a database in a file can do: be owned by one process, be full, be something else."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL, literal_column, select, text

from shared.errors import ConfigurationError, UnavailableError
from shared.store.factory import open_store
from shared.store.migrations import migrate
from shared.store.port import Store
from shared.store.schema import REVISION
from shared.store.sqlite import store as sqlite_store
from shared.store.sqlite.group import Group
from shared.store.sqlite.readers import Readers
from shared.store.sqlite.store import SQLiteStore
from tests.support.kinds import KINDS, NOTES, eventually, logged, say

FULL = 2
"""SQLite's number of the level at which a commit waits for the disk."""


def made(path: Path) -> Store:
    return open_store(path, service="thing", kinds=KINDS, tables=(NOTES,))


async def test_a_second_owner_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    first = made(tmp_path / "thing.db")
    await first.open()

    with pytest.raises(ConfigurationError, match=rf"thing\.db is in use by process {os.getpid()}"):
        await made(tmp_path / "thing.db").open()

    await first.close()
    second = made(tmp_path / "thing.db")
    await second.open()
    await second.close()


async def test_another_process_is_refused_too(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from shared.store.factory import open_store\n"
        "asyncio.run(open_store(sys.argv[1], service='thing', kinds=()).open())\n"
    )
    store = made(tmp_path / "thing.db")
    await store.open()

    command = [sys.executable, "-c", program, str(tmp_path / "thing.db")]
    other = await asyncio.to_thread(
        subprocess.run, command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )

    await store.close()
    assert other.returncode != 0
    assert f"is in use by process {os.getpid()}" in other.stderr


async def test_the_database_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    store = made(tmp_path / "deep" / "thing.db")
    await store.open()
    await store.take([say("doc/1", "a")])

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep").iterdir()}

    await store.close()
    assert {name: mode for name, mode in modes.items() if name != "thing.db.lock"} == {
        "thing.db": 0o600,
        "thing.db-wal": 0o600,
        "thing.db-shm": 0o600,
    }


async def test_a_full_disk_blames_no_message_and_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = made(tmp_path / "thing.db")
    assert isinstance(store, SQLiteStore)
    alarms: list[str] = []
    store.on_alarm(lambda reason, _: alarms.append(reason))
    await store.open()
    await store.take([say("doc/1", "a")])
    pages = await store._write(lambda g: g.connection.execute("pragma page_count").fetchone()[0])
    await store._write(lambda g: g.connection.execute(f"pragma max_page_count={pages + 8}"))

    await store.start()
    with pytest.raises(UnavailableError, match="cannot be written now"):
        await store.take([say("doc/2", "refused", events=[{"body": {"t": "x" * 60_000}}] * 4)])
    await store.take([say("doc/1", "b")])
    assert await logged(store, "doc/1", 2) == [["said", "a"], ["said", "b"]]
    await eventually(lambda: _said(alarms))

    await store._write(lambda g: g.connection.execute("pragma max_page_count=1000000"))
    await store.take([say("doc/2", "refused"), say("doc/2", "c")])
    log = await logged(store, "doc/2", 2)
    await store.close()
    assert log == [["said", "refused"], ["said", "c"]]
    assert set(alarms) == {"store_unavailable"}


async def _said(alarms: list[str]) -> bool:
    return "store_unavailable" in alarms


async def test_a_commit_that_need_not_wait_for_the_disk_and_fails_leaves_the_next_one_durable(tmp_path: Path) -> None:
    def fail(group: Group) -> None:
        group.connection.execute("insert into no_such_table values(1)")

    store = SQLiteStore(tmp_path / "thing.db", service="thing", kinds=KINDS, tables=(NOTES,))
    await store.open()

    with pytest.raises(UnavailableError, match="no_such_table"):
        await store._write(fail, light=True)
    level = await store._write(lambda g: g.connection.execute("pragma synchronous").fetchone()[0])

    await store.close()
    assert level == FULL


async def test_rows_that_were_sent_one_by_one_are_deleted_together_at_the_latest_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "DELETE_EVERY", 3600.0)
    store = made(tmp_path / "thing.db")
    assert isinstance(store, SQLiteStore)
    await store.open()
    await store.start()
    assert await store.outbox() == []
    await store.take([say("doc/1", "a", events=[{}] * 3)])
    await logged(store, "doc/1", 1)
    for row in await store.outbox():
        await store.sent([row])
    assert await store.outbox() == []
    assert await _there(store) == 3

    await store.close()
    again = made(tmp_path / "thing.db")
    await again.open()
    assert await _there(again) == 0
    await again.close()


async def test_rows_that_were_sent_and_not_deleted_before_a_kill_go_out_again_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "DELETE_EVERY", 3600.0)
    store = made(tmp_path / "thing.db")
    await store.open()
    await store.start()
    assert await store.outbox() == []
    await store.take([say("doc/1", "a", events=[{}] * 3)])
    await logged(store, "doc/1", 1)
    await store.sent((await store.outbox())[:2])

    shutil.copy(tmp_path / "thing.db", tmp_path / "left.db")
    shutil.copy(tmp_path / "thing.db-wal", tmp_path / "left.db-wal")
    await store.close()
    left = made(tmp_path / "left.db")
    await left.open()
    assert [row.id for row in await left.outbox()] == [f"thing/doc/1:{n}" for n in (1, 2, 3)]
    await left.close()


async def test_a_claim_tells_when_to_look_again_so_that_waiting_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made(tmp_path / "thing.db")
    assert isinstance(store, SQLiteStore)
    await store.open()
    await store.start()
    due = await store.now() + 0.2
    await store.take([say("doc/1", "m", activities=[{"id": "a", "name": "work", "args": 1, "not_before": due}])])
    await logged(store, "doc/1", 1)
    monkeypatch.setattr(Readers, "_run", None)

    async with asyncio.timeout(25.0):
        while not (found := await store.claim(limit=1, names=["work"])):
            await store.wait_activities(30.0, names=["work"])

    assert [one.id for one in found] == ["a"]
    await store.close()


async def _there(store: Store) -> int:
    """Return how many rows the outbox has in the database."""
    return len(await store.select(select(literal_column("n")).select_from(text("outbox"))))


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "thing.db"
    path.write_bytes(b"this is text, and long enough to be taken for a header of a database" * 20)

    with pytest.raises(ConfigurationError, match=r"cannot open .*thing\.db: file is not a database"):
        await made(path).open()

    path.unlink()
    again = made(path)
    await again.open()
    await again.close()


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    store = made(tmp_path / "thing.db")
    await store.open()
    await store.close()
    with sqlite3.connect(tmp_path / "thing.db") as connection:
        connection.execute("update alembic_version set version_num='9999'")
    connection.close()

    with pytest.raises(ConfigurationError, match=r"at revision 9999, this version needs 0001, and migrating failed"):
        await made(tmp_path / "thing.db").open()


async def test_a_table_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    store = made(tmp_path / "thing.db")
    await store.open()
    await store.execute(NOTES.insert().values(id="1", text="x"))
    await store.close()
    with sqlite3.connect(tmp_path / "thing.db") as connection:
        connection.execute("alter table note drop column size")
    connection.close()

    with pytest.raises(ConfigurationError, match=r"table note of .*thing.db lacks size: a migration is missing"):
        await made(tmp_path / "thing.db").open()


async def test_a_decision_its_table_refuses_parks_the_aggregate(tmp_path: Path) -> None:
    store = made(tmp_path / "thing.db")
    await store.open()
    await store.start()
    await store.execute(NOTES.insert().values(id="1", text="x"))
    assert isinstance(store, SQLiteStore)
    await store._write(lambda g: g.connection.execute("create unique index one_text on note(text)"))

    record = {"table": "note", "values": {"id": "2", "text": "x"}}
    await store.take([say("doc/1", "a", records=[record]), say("doc/2", "b")])

    assert await logged(store, "doc/2", 1) == [["said", "b"]]

    async def parked() -> bool:
        return bool(await store.dead("a"))

    await eventually(parked)
    (dead,) = await store.dead("a")
    assert "UNIQUE constraint failed: note.text" in dead.reason
    await store.execute(NOTES.delete())
    assert await store.requeue("a")
    assert await logged(store, "doc/1", 1) == [["said", "a"]]
    await store.close()


async def test_migrations_bring_a_database_to_the_newest_revision(tmp_path: Path) -> None:
    path = tmp_path / "a % b.db"
    sqlite3.connect(path).close()

    migrate(URL.create("sqlite", database=str(path)).render_as_string(), "thing", "none")

    with sqlite3.connect(path) as connection:
        assert connection.execute("select version_num from alembic_version").fetchall() == [(REVISION,)]
    connection.close()


def test_reading_before_opening_says_so_and_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="the store of thing is not open"):
        asyncio.run(made(tmp_path / "thing.db").state("doc/1"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "kind, again",
    [
        pytest.param("repeatable", ["act-1"], id="repeatable work is done again at once"),
        pytest.param("once", [], id="a call that may be under way keeps its lease"),
    ],
)
async def test_what_a_killed_owner_had_in_hand(tmp_path: Path, kind: str, again: list[str]) -> None:
    killed = made(tmp_path / "thing.db")
    await killed.open()
    await killed.start()
    given = {"id": "act-1", "name": "work", "args": None, "kind": kind, "lease": 600.0}
    await killed.take([say("doc/1", "m", activities=[given])])
    await logged(killed, "doc/1", 1)
    assert [claimed.id for claimed in await killed.claim(limit=1, names=["work"])] == ["act-1"]
    await killed.close()

    owner = made(tmp_path / "thing.db")
    await owner.open()
    await owner.start()
    claimed = await owner.claim(limit=1, names=["work"])
    assert [c.id for c in claimed] == again
    assert [await owner.finish(c, None) for c in claimed] == ["done"] * len(again)
    await owner.close()
