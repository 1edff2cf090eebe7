"""The bus goes away and comes back: nothing is lost, and the order of a key stays."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import orjson
import pytest

from shared.bus.embedded import EmbeddedBus
from shared.bus.kafka import KafkaBus
from shared.bus.port import Rejected, WireRecord
from shared.bus.settings import KafkaSettings
from shared.errors import UnavailableError
from shared.events.payload import ALERTS
from tests.contract.ingest.conftest import Running, StartIngest, alert, locked, running_ingest
from tests.support.kafka import LocalKafka
from tests.support.kinds import eventually

pytestmark = pytest.mark.slow

LIMIT = 0.3
"""Seconds that bus and spool have here."""
CIRCUIT = "signoff_ingest_circuit_open"


async def send(running: Running, *numbers: int, monitor: str = "42") -> None:
    """Send deliveries of one key, each after the answer to the one before, as PagerDuty does."""
    for number in numbers:
        answer = await running.post("datadog", alert(number, monitor=monitor))
        assert answer.status_code == 202, answer.text


def order(found: Sequence[tuple[object, Mapping[str, object]]]) -> list[int]:
    """Return the numbers of deliveries."""
    return [int(str(body["delivery_key"]).rpartition("-")[2]) for _, body in found]


async def metric(running: Running, name: str) -> float:
    """Return the value of a metric without labels."""
    text = (await running.client.get("/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


async def test_while_the_bus_does_not_answer_deliveries_are_spooled_and_passed_on_in_order(start: StartIngest) -> None:
    running = await start(append_seconds=LIMIT)
    await send(running, 0, 1)
    with locked(running.folder / "bus.db"):
        await send(running, *range(2, 12))
        assert await metric(running, CIRCUIT) == 1.0
        assert (await running.account())["in_spool"] == 10
        assert (await running.client.get("/readyz")).status_code == 200
    await send(running, *range(12, 30))
    assert order(await running.told(30)) == list(range(30))
    await running.spool_is_empty()
    account = await running.account()
    assert (account["accepted"], account["acked"] + account["spooled"], account["unaccounted"]) == (30, 30, 0)


async def test_a_probe_closes_the_circuit_and_then_nothing_is_spooled(start: StartIngest) -> None:
    running = await start(append_seconds=LIMIT)
    with locked(running.folder / "bus.db"):
        await send(running, 0)

    async def is_closed() -> bool:
        await send(running, 1, monitor=uuid.uuid4().hex)
        return await metric(running, CIRCUIT) == 0.0

    await eventually(is_closed)
    await running.spool_is_empty()
    before = await running.account()
    await send(running, *range(5))
    after = await running.account()
    assert (after["acked"] - before["acked"], after["spooled"] - before["spooled"]) == (5, 0)


async def test_while_the_circuit_is_open_only_a_probe_waits_for_the_bus(start: StartIngest) -> None:
    running = await start(append_seconds=2.5)
    loop = asyncio.get_running_loop()
    with locked(running.folder / "bus.db"):
        await send(running, 0)
        begin = loop.time()
        await asyncio.gather(*(send(running, 1, monitor=str(n)) for n in range(20)))
        assert loop.time() - begin < 2.4


async def test_other_keys_need_not_wait_for_a_key_in_the_spool(start: StartIngest) -> None:
    running = await start(append_seconds=LIMIT)
    with locked(running.folder / "bus.db"):
        await send(running, 0)
    with locked(running.folder / "ingest.db"):  # What is spooled cannot leave: its transition cannot commit.

        async def is_closed() -> bool:
            return (await running.post("datadog", alert(1, monitor=uuid.uuid4().hex))).status_code == 202

        await eventually(is_closed)
        assert (await running.post("datadog", alert(2))).status_code == 503
    await send(running, 3)

    async def has_all() -> list[int]:
        found = order(await running.told(1))
        return found if 3 in found else []

    found = await eventually(has_all)
    assert found.index(1) < found.index(3)
    assert [number for number in found if number in (0, 3)] == [0, 3]


async def test_a_full_spool_is_told_to_senders_and_by_readiness_until_it_has_run_empty(start: StartIngest) -> None:
    running = await start(append_seconds=LIMIT, spool_max=3)
    with locked(running.folder / "bus.db"):
        await send(running, 0, 1, 2)
        answer = await running.post("datadog", alert(3))
        assert answer.status_code == 503
        assert "the spool is full (3 messages)" in answer.json()["error"]
        ready = await running.client.get("/readyz")
        assert (ready.status_code, list(ready.json()["problems"])) == (503, ["spool"])
    await running.spool_is_empty()
    await send(running, 4)
    assert order(await running.told(4)) == [0, 1, 2, 4]
    assert (await running.client.get("/readyz")).status_code == 200


async def test_a_restart_keeps_the_spool_its_size_and_its_order(start: StartIngest) -> None:
    running = await start(append_seconds=LIMIT, spool_max=6)
    with locked(running.folder / "bus.db"):
        await send(running, *range(5))
        await running.end()
    await running.bus.stop()
    with locked(running.folder / "bus.db"):
        running = await start(append_seconds=LIMIT, spool_max=6)
        assert (await running.account())["in_spool"] == 5
        await send(running, 5)
        assert (await running.post("datadog", alert(6))).status_code == 503
    await running.spool_is_empty()
    await send(running, 7)
    assert order(await running.told(7)) == [0, 1, 2, 3, 4, 5, 7]


async def test_a_slow_bus_that_kept_a_delivery_after_all_gets_it_twice_under_one_id(start: StartIngest) -> None:
    running = await start(append_seconds=LIMIT)
    with locked(running.folder / "bus.db"):
        await send(running, 0)
    await running.spool_is_empty()

    async def twice() -> bool:
        return len(running.on_bus()) == 2

    await eventually(twice)
    assert len({envelope.id for envelope, _ in running.on_bus()}) == 1


class OneIsNeverAnswered(EmbeddedBus):
    """A bus that does not answer for one alert."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.waits = asyncio.Event()

    async def append(self, records: Sequence[WireRecord], *, limit: float = 10.0) -> list[Rejected]:
        if "unanswered" in records[0].body.decode():
            self.waits.set()
            await asyncio.sleep(limit)
            raise UnavailableError("no answer in time")
        return await super().append(records, limit=limit)


async def test_one_late_answer_opens_no_circuit_while_the_bus_answers_others(tmp_path: Path) -> None:
    bus = OneIsNeverAnswered(tmp_path / "bus.db")
    async with running_ingest(tmp_path, bus, append_seconds=LIMIT) as running:
        late = asyncio.create_task(send(running, 0, monitor="unanswered"))
        await bus.waits.wait()
        await send(running, 1)
        await late
        assert await metric(running, CIRCUIT) == 0.0
        assert ((await running.account())["acked"], (await running.account())["spooled"]) == (1, 1)


@contextlib.asynccontextmanager
async def on_kafka(folder: Path, kafka: LocalKafka, **changes: object) -> AsyncIterator[Running]:
    """Run ingest on a real cluster, with topics of its own."""
    settings = KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        topic_prefix=f"t{uuid.uuid4().hex[:10]}.",
        auto_create=True,
        replicas=1,
    )
    async with running_ingest(folder, KafkaBus(settings), append_seconds=2.0, **changes) as running:
        yield running


async def read(running: Running, count: int) -> list[int]:
    """Return the numbers of the first `count` different deliveries on Kafka, in order."""
    seen: dict[str, int] = {}
    async with asyncio.timeout(40):
        async for record in running.bus.tail(ALERTS, from_start=True):
            key = orjson.loads(record.body)["delivery_key"]
            seen.setdefault(record.envelope.id, int(key.rpartition("-")[2]))
            if len(seen) == count:
                break
    return list(seen.values())


async def connected(running: Running) -> None:
    """Return when the cluster answers."""

    async def no_problem() -> bool:
        return running.bus.problem() is None

    await eventually(no_problem, limit=40.0)


@pytest.mark.kafka
@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", ["frozen", "stopped", "killed"])
async def test_kafka_away_and_back_loses_nothing_and_keeps_the_order(
    tmp_path: Path, private_kafka: LocalKafka, fault: str
) -> None:
    async with on_kafka(tmp_path, private_kafka) as running:
        await connected(running)
        await send(running, 0, 1, 2)
        await running.spool_is_empty()  # A cluster that has just come may answer late.
        away, back = {
            "frozen": (private_kafka.freeze, private_kafka.thaw),
            "stopped": (private_kafka.stop, private_kafka.start),
            "killed": (private_kafka.kill, private_kafka.start),
        }[fault]
        await asyncio.to_thread(away)
        try:
            await send(running, *range(3, 20))
            assert await metric(running, CIRCUIT) == 1.0
            assert (await running.account())["spooled"] >= 16
        finally:
            await asyncio.to_thread(back)
        await send(running, *range(20, 40))
        assert await read(running, 40) == list(range(40))

        async def is_empty() -> bool:
            return int((await running.account())["in_spool"]) == 0

        await eventually(is_empty, limit=30.0)
        assert (await running.account())["unaccounted"] == 0


@pytest.mark.kafka
@pytest.mark.timeout(180)
async def test_kafka_that_was_never_there_at_start_gets_everything_once_it_comes(
    tmp_path: Path, private_kafka: LocalKafka
) -> None:
    await asyncio.to_thread(private_kafka.stop)
    try:
        async with on_kafka(tmp_path, private_kafka) as running:
            await send(running, *range(5))
            assert (await running.account())["spooled"] == 5
            await asyncio.to_thread(private_kafka.start)
            await connected(running)
            await send(running, *range(5, 10))
            assert await read(running, 10) == list(range(10))
    finally:
        if private_kafka._process is not None and private_kafka._process.poll() is not None:
            await asyncio.to_thread(private_kafka.start)
