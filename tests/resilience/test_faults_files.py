"""Files that end in the middle, are in use, or have no room: databases, and what a process says."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from services.diagnoser import app as diagnoser
from services.diagnoser.settings import Settings as DiagnoserSettings
from services.ingest import app as ingest
from services.ingest.settings import Settings as IngestSettings
from tests.contract.ingest.conftest import alert
from tests.resilience.await_house import check_files, house_in
from tests.resilience.await_points import ROOT
from tests.resilience.checker import file_of
from tests.resilience.conftest import Enter
from tests.resilience.report import Line
from tests.support.limits import files_no_larger_than
from tests.support.signoff import COMMAND, Signoff, environment, until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]

SECRET, RECEIPT_KEY = "sender-secret", "receipt-key"
FULL_AFTER = 16 * 1024
"""Bytes by which a file may still grow."""
ENOUGH, MOST = 3, 400
"""Refusals that are no accident, and deliveries among which they must be."""


def largest_in(folder: Path) -> int:
    """Return the size of the largest file."""
    return max(path.stat().st_size for path in folder.iterdir())


def broken_in(folder: Path) -> list[str]:
    """Return the names of the databases that are not whole."""
    found = {
        path.name: sqlite3.connect(path).execute("pragma integrity_check").fetchone() for path in folder.glob("*.db")
    }
    return [name for name, said in found.items() if said != ("ok",)]


@pytest.mark.parametrize("kills", [6, pytest.param(200, marks=pytest.mark.nightly)])
def test_a_database_killed_while_its_log_is_moved_into_it_is_whole_and_has_all_it_acknowledged(
    kills: int, tmp_path: Path, enter: Enter
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    program = [sys.executable, "-m", "tests.resilience.checkpoint_main", str(tmp_path), str(kills), str(seed)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-3000:]}"
    fault = "killed while the log is moved into the database"
    enter(Line("F17", fault, "store, sqlite", str(kills), 0, 0, within="at the start", seed="drawn"))


async def test_while_no_file_can_grow_senders_are_asked_to_send_again_and_all_goes_on_when_there_is_room(
    tmp_path: Path, enter: Enter
) -> None:
    acked: list[str] = []
    refused: list[int] = []
    async with house_in(tmp_path) as house:
        given = {"receipt_key": RECEIPT_KEY, "datadog": {"secrets": [SECRET]}, "append_seconds": 0.5}
        taking = await house.add("ingest", ingest, IngestSettings.model_validate(given))
        await house.add("diagnoser", diagnoser, DiagnoserSettings.model_validate({"receipt_key": RECEIPT_KEY}))
        await house.start()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(taking.asgi), base_url="http://in") as sender:

            async def send(number: int) -> None:
                headers = {"X-Signoff-Token": SECRET}
                answer = await sender.post("/webhooks/datadog", content=alert(number, text="x" * 3000), headers=headers)
                if answer.status_code == httpx.codes.ACCEPTED:
                    acked.append(answer.json()["receipt"])
                else:
                    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
                    refused.append(number)

            await send(0)
            with files_no_larger_than(largest_in(tmp_path) + FULL_AFTER):
                for number in range(1, MOST):
                    await send(number)
                    if len(refused) == ENOUGH:
                        break
                assert len(refused) == ENOUGH
            for number in refused.copy():
                await send(number)
            assert len(refused) == ENOUGH
        await house.rest("ingest", "diagnoser")
    check_files(tmp_path, "ingest", "diagnoser")
    decided = Counter(row["message_id"] for row in file_of(tmp_path, "diagnoser")["disposition"])
    assert [decided[receipt] for receipt in acked] == [1] * len(acked)
    assert broken_in(tmp_path) == []
    where = "ingest and diagnoser, sqlite, embedded"
    enter(Line("F18", "no file can grow, then all can (RLIMIT_FSIZE)", where, "0", 0, 0, within="40 s"))


def test_a_server_whose_log_is_on_a_full_disk_starts_takes_webhooks_and_stops(signoff: Signoff, enter: Enter) -> None:
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [str(COMMAND), "up", "--any-port", "--data", str(signoff.data)],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=full,
            env=environment(signoff.env),
            cwd=signoff.data.parent,
        )
    signoff.started["up"] = process
    until(lambda: (signoff.data / "run.json").exists() or None, limit=60, what="a start")
    secret = (signoff.data / "secrets" / "datadog_webhook").read_text().strip()
    url = f"{signoff.address('webhook_url')}/webhooks/datadog"
    for number in range(3):
        answer = httpx.post(url, content=alert(number), headers={"X-Signoff-Token": secret})
        assert answer.status_code == httpx.codes.ACCEPTED
        assert httpx.post(url, content=alert(number)).status_code == httpx.codes.UNAUTHORIZED  # Which is logged.
    until(lambda: signoff.json("incidents", "list") or None, limit=30, what="an incident")
    process.terminate()
    assert process.wait(30) == 0
    enter(Line("F18", "the log on a full disk (/dev/full)", "`signoff up`", "0", 0, 0, within="30 s"))
