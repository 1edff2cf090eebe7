"""What only the embedded log does: one owner, retention of its own, a disk that may be full."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from shared.bus.embedded import EmbeddedBus
from shared.bus.logfile import RETAIN_STEP, LogFile
from shared.errors import ConfigurationError, UnavailableError
from tests.contract.bus.conftest import TOPIC, MakeStore, record, subscription
from tests.support.kinds import eventually, logged
from tests.support.limits import files_no_larger_than


async def kept(bus: EmbeddedBus, topic: str = TOPIC) -> list[str]:
    """Return the ids that are still in the log."""
    await bus.append([record("end", "end", topic=topic)])
    found: list[str] = []
    async for received in bus.tail(topic, from_start=True):
        if received.envelope.id == "end":
            return found
        found.append(received.envelope.id)
    return found


async def test_a_second_process_cannot_take_the_log(tmp_path: Path) -> None:
    first, second = EmbeddedBus(tmp_path / "bus.db"), EmbeddedBus(tmp_path / "bus.db")
    await first.start()
    with pytest.raises(ConfigurationError, match=r"bus\.db is in use by another process"):
        await second.start()
    await first.stop()
    await second.start()
    await second.stop()


async def test_a_stop_waits_for_the_read_in_hand_and_refuses_later_ones(tmp_path: Path) -> None:
    for _ in range(20):
        file = LogFile(tmp_path / "bus.db")
        file.open()
        await file.append([(TOPIC, "k", "{}", b"{}", 0.0)] * 50)
        begun = threading.Event()

        def read_on(file: LogFile = file, begun: threading.Event = begun) -> None:
            while True:
                file.read(TOPIC, 0, 500)
                begun.set()

        reading = asyncio.create_task(asyncio.to_thread(read_on))
        await asyncio.to_thread(begun.wait)
        await asyncio.to_thread(file.close)
        with pytest.raises(UnavailableError, match="the log is not open"):
            await reading


async def test_what_is_too_old_goes_however_much_it_is(tmp_path: Path) -> None:
    bus = EmbeddedBus(tmp_path / "bus.db", retention=0.0)
    await bus.start()
    await bus.append([record("k", f"e{n}") for n in range(2 * RETAIN_STEP + 1)])
    await bus.retain()
    assert await kept(bus) == []
    await bus.stop()


async def test_what_a_subscription_has_not_read_stays_however_old_it_is(tmp_path: Path, make_store: MakeStore) -> None:
    reading, full = await make_store("reading"), await make_store("full", start=False)
    bus = EmbeddedBus(tmp_path / "bus.db", retention=0.0, high_water=1)
    bus.subscribe(subscription(reading, name="reading"))
    bus.subscribe(subscription(full, name="full"))
    await bus.start()
    await bus.append([record("k", "e1")])
    await logged(reading, "doc/k", 1)

    async def one_waits() -> bool:
        return full.waiting() == 1

    await eventually(one_waits)
    await bus.append([record("k", "e2"), record("k", "e3")])
    await logged(reading, "doc/k", 3)
    await bus.retain()
    assert await kept(bus) == ["e2", "e3"]
    await bus.stop()


async def test_a_full_disk_is_told_and_nothing_is_taken_until_there_is_room(tmp_path: Path) -> None:
    bus = EmbeddedBus(tmp_path / "bus.db")
    await bus.start()
    await bus.append([record("k", "e1")])
    with files_no_larger_than(64 * 1024):
        with pytest.raises(UnavailableError, match="the log cannot be written"):
            await bus.append([record("k", "large", b'"' + b"x" * 60_000 + b'"')] * 2)
        assert "cannot be written" in (bus.problem() or "")
    await bus.append([record("k", "e2")])
    assert bus.problem() is None
    assert await kept(bus) == ["e1", "e2"]
    await bus.stop()


@pytest.mark.slow
async def test_a_log_that_cannot_be_read_for_a_while_is_read_on_afterwards(
    tmp_path: Path, make_store: MakeStore
) -> None:
    reading = await make_store("reading")
    bus = EmbeddedBus(tmp_path / "bus.db")
    bus.subscribe(subscription(reading, name="reading"))
    await bus.start()
    await bus.append([record("k", "e1")])
    await logged(reading, "doc/k", 1)
    assert bus._file._reader is not None
    is_refused = threading.Event()

    def refuse() -> int:
        is_refused.set()
        return 1

    bus._file._reader.set_progress_handler(refuse, 1)  # From here on SQLite interrupts every read.
    await bus.append([record("k", "e2")])
    await asyncio.to_thread(is_refused.wait, 60.0)
    bus._file._reader.set_progress_handler(None, 1)

    assert len(await logged(reading, "doc/k", 2)) == 2
    assert bus.problem() is None
    await bus.stop()
