"""What only a database server can do: die and come back, be somewhere else, plan a statement badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import orjson
import pytest
from sqlalchemy import text

from shared.errors import ConfigurationError, UnavailableError
from shared.store.factory import open_store
from shared.store.migrations import migrate
from shared.store.model import JSON
from shared.store.port import Claimed
from shared.store.postgres import database as database_module
from shared.store.postgres.queries import OUTBOX
from shared.store.postgres.statements import CLAIM
from shared.store.postgres.store import PostgresStore
from shared.store.worker import ActivityWorker, Renew
from tests.support.kinds import KINDS, NOTES, eventually, logged, say
from tests.support.postgres import LocalPostgres

pytestmark = pytest.mark.postgres


def made(url: str) -> PostgresStore:
    store = open_store(url, service="thing", kinds=KINDS, tables=(NOTES,))
    assert isinstance(store, PostgresStore)
    return store


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresStore]:
    """A store that decides nothing until it is started."""
    one = made(postgres_url)
    await one.open()
    yield one
    await one.close()


@pytest.mark.parametrize(
    "setting", ["default_transaction_isolation to serializable", "statement_timeout to '1ms'", "lock_timeout to '1ms'"]
)
async def test_what_a_database_sets_for_everybody_changes_nothing_here(postgres_url: str, setting: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f'alter database "{urlsplit(postgres_url).path[1:]}" set {setting}')
    await connection.close()
    store = made(postgres_url)
    await store.open()
    try:
        await store.start()
        await store.take([say("doc/1", "m")])

        assert await logged(store, "doc/1", 1) == [["said", "m"]]
        name = setting.partition(" ")[0]
        [found] = await store.select(text(f"show {name}"))
        assert found[name] in ("read committed", "0")
    finally:
        await store.close()


async def test_a_server_that_is_killed_at_work_loses_and_doubles_nothing(private_postgres: LocalPostgres) -> None:
    store = made(private_postgres.create())
    alarms: list[str] = []
    store.on_alarm(lambda reason, _: alarms.append(reason))
    await store.open()
    await store.start()
    worker = ActivityWorker(store, {"work": _work})
    worker.start()
    feeding = asyncio.create_task(_feed(store))
    try:
        for aggregate in ("doc/0", "doc/1"):
            await logged(store, aggregate, 10)
            await asyncio.to_thread(private_postgres.kill)
            await eventually(lambda: _refused(store))
            await asyncio.to_thread(private_postgres.start)
            await eventually(lambda: _answers(store))
        async with asyncio.timeout(40):
            await feeding

        for n in range(3):
            log = await logged(store, f"doc/{n}", 82)
            assert [entry[1] for entry in log if entry[0] == "said"] == [f"m{n}-{i}" for i in range(80)]
            assert [entry[0] for entry in log if entry[0] != "said"].count("timer") == 1
            assert ["activity.done", f"a{n}", "worked"] in log
        assert [row.id for row in await store.outbox(limit=1000) if row.aggregate == "doc/0"] == [
            f"thing/doc/0:{i + 1}" for i in range(80)
        ]
        assert await store.dead() == []
        assert "store_unavailable" in alarms
        assert "aggregate_parked" not in alarms
    finally:
        feeding.cancel()
        await worker.stop()
        await store.close()


async def _work(_: Claimed, __: Renew) -> JSON:
    await asyncio.sleep(0.2)
    return "worked"


async def _feed(store: PostgresStore) -> None:
    """Take everything in small steps, each again until the database has it."""
    for i in range(80):
        first: dict[str, JSON] = {"timers": {"t": 0.2}} if i == 0 else {}
        batch = [
            say(
                f"doc/{n}",
                f"m{n}-{i}",
                events=[{"key": f"k{n}"}],
                records=[{"table": "note", "values": {"id": f"{n}-{i}", "text": "x"}, "feed": f"{n}"}],
                activities=[{"id": f"a{n}", "name": "work", "args": None}] if i == 0 else [],
                **first,
            )
            for n in range(3)
        ]
        while True:
            try:
                await store.take(batch)
            except UnavailableError:
                await asyncio.sleep(0.05)
            else:
                break
        await asyncio.sleep(0.02)


async def _refused(store: PostgresStore) -> bool:
    try:
        await store.now()
    except UnavailableError:
        return True
    return False


async def _answers(store: PostgresStore) -> bool:
    return not await _refused(store)


async def test_a_store_waits_for_a_server_that_is_not_there_yet(private_postgres: LocalPostgres) -> None:
    store = made(private_postgres.create())
    await asyncio.to_thread(private_postgres.kill)
    opening = asyncio.create_task(store.open())
    try:
        await asyncio.sleep(0.7)
        assert not opening.done()
    finally:
        await asyncio.to_thread(private_postgres.start)
    await opening
    assert await store.now() > 0
    await store.close()


async def test_a_server_that_stays_away_is_named_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "OPEN_LIMIT", 0.0)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1/signoff does not serve thing now") as told:
        await made("postgresql://me:geheim@127.0.0.1:1/signoff").open()
    assert "geheim" not in str(told.value)


async def test_a_database_that_does_not_exist_is_a_mistake_of_the_settings(postgres_url: str) -> None:
    elsewhere = urlunsplit(urlsplit(postgres_url)._replace(path="/nowhere"))
    with pytest.raises(ConfigurationError, match=r"/nowhere for thing: .*does not exist; check \[store\] url"):
        await made(elsewhere).open()


async def test_a_database_of_a_newer_version_is_refused(postgres_url: str, store: PostgresStore) -> None:
    await store._database.fetch("update alembic_version set version_num='9999'")
    with pytest.raises(ConfigurationError, match=r"at revision 9999, this version needs 0001, and migrating failed"):
        await made(postgres_url).open()


async def test_migrations_bring_a_database_to_the_newest_revision(postgres_url: str, store: PostgresStore) -> None:
    await store._database.fetch("delete from alembic_version")
    await asyncio.to_thread(migrate, postgres_url, "thing", "none")
    assert [row[0] for row in await store._database.fetch("select version_num from alembic_version")] == ["0001"]


async def test_a_table_that_lacks_a_column_is_refused(postgres_url: str, store: PostgresStore) -> None:
    await store._database.fetch("alter table note drop column size")
    with pytest.raises(ConfigurationError, match=r"table note of thing in .* lacks size: a migration is missing"):
        await made(postgres_url).open()


async def test_services_have_schemas_of_their_own_in_one_database(postgres_url: str, store: PostgresStore) -> None:
    other = open_store(postgres_url, service="other", kinds=KINDS)
    await other.open()
    await store.take([say("doc/1", "a")])

    assert (store.waiting(), other.waiting()) == (1, 0)
    assert await other.take([say("doc/1", "a")]) == 1
    assert await store.lead()
    assert await other.lead()
    await other.close()


async def test_a_decision_its_table_refuses_parks_the_aggregate_alone(store: PostgresStore) -> None:
    await store.execute(NOTES.insert().values(id="1", text="x"))
    await store._database.fetch("create unique index one_text on note(text)")
    record = {"table": "note", "values": {"id": "2", "text": "x"}}
    await store.take([say("doc/1", "a", records=[record]), *(say(f"doc/{i}", f"m{i}") for i in range(2, 9))])

    await store.start()

    for i in range(2, 9):
        assert await logged(store, f"doc/{i}", 1) == [["said", f"m{i}"]]

    async def parked() -> bool:
        return bool(await store.dead("a"))

    await eventually(parked)
    (dead,) = await store.dead("a")
    assert "one_text" in dead.reason
    await store.execute(NOTES.delete())
    assert await store.requeue("a")
    assert await logged(store, "doc/1", 1) == [["said", "a"]]


async def test_an_aggregate_of_a_kind_that_is_gone_is_parked_until_it_is_known_again(
    postgres_url: str, store: PostgresStore
) -> None:
    await store.take([say("gate/1", "a"), say("doc/1", "b")])
    await store.close()
    smaller = open_store(postgres_url, service="thing", kinds=KINDS[:1], tables=(NOTES,))
    await smaller.open()
    await smaller.start()
    assert await logged(smaller, "doc/1", 1) == [["said", "b"]]

    async def parked() -> bool:
        return bool(await smaller.dead("a"))

    await eventually(parked)
    await smaller.close()

    again = made(postgres_url)
    await again.open()
    await again.start()
    assert await again.requeue("a")
    assert await logged(again, "gate/1", 1) == [["said", "a"]]
    await again.close()


async def test_what_a_caller_asks_with_odd_text_is_just_not_there(store: PostgresStore) -> None:
    assert await store.state("doc/\0") is None
    assert await store.dead("\ud800") == []
    assert await store.requeue("a\0") is False
    assert await store.select(NOTES.select().where(NOTES.c.id == "\0")) == []


FILL = """with h as (insert into key_head(agg,lane,done,tail,due)
    select 'doc/'||i, i%2, 0, 1, extract(epoch from clock_timestamp())+$1::float8*(i%10)
    from generate_series(1,50000) i returning agg),
  a as (insert into aggregate select agg,'{}',1,0,0,'','{}',0 from h),
  o as (insert into outbox(agg,seq,topic,key,id,headers,body) select agg,1,'t','k','','{}','' from h)
  insert into inbox select h.agg,n,h.agg||n,'said','{}','',0 from h cross join generate_series(1,4) n"""


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("later", [0.0, 1e6])
async def test_finding_work_reads_a_few_rows_of_an_index(store: PostgresStore, later: float, *, analyzed: bool) -> None:
    await store._database.fetch(FILL, later)
    if analyzed:
        await store._database.fetch("analyze key_head, aggregate, inbox, outbox")
    async with store._database.transaction() as connection:
        await connection.execute("set local plan_cache_mode=force_generic_plan")
        claim = await _plan(connection, CLAIM, 5.0)
        outbox = await _plan(connection, OUTBOX, 500)

    assert claim.count("Index Scan key_head key_head_due") == 2
    assert not {line for line in claim if "Seq Scan" in line}
    assert "Index Scan outbox outbox_pkey" in outbox


async def _plan(connection: Any, sql: str, parameter: float) -> list[str]:  # noqa: ANN401 -- asyncpg has no types
    """Return the steps of the plan with their tables and indexes."""
    (found,) = await connection.fetchrow(f"explain (format json) {sql}", parameter)
    lines: list[str] = []
    nodes = [orjson.loads(found)[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        words = [node["Node Type"], *(node[name] for name in ("Relation Name", "Index Name") if name in node)]
        lines.append(" ".join(words))
    return lines
