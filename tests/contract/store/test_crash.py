from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.store.transition import chain
from tests.contract.store.conftest import Opener
from tests.contract.store.crash_main import AGGREGATES, MESSAGES
from tests.support.kinds import NOTES

ROOT = Path(__file__).parents[3]
POINTS = [
    "store.before_commit:1",
    "store.before_commit:6",
    "store.after_commit:2",
    "store.after_commit:9",
    "store.before_reply:4",
    "intake.after_take:5",
    "activity.after_claim:2",
    "activity.after_call:1",
    "activity.before_finish:3",
    "activity.after_finish:1",
    "relay.before_send:7",
    "relay.after_send:1",
    "relay.before_delete:1",
    "relay.after_delete:1",
]


def run(location: str, world: Path, failpoint: str = "") -> int:
    """Run the program to its end and return its exit code, negative for a signal."""
    environment = {**os.environ, "SIGNOFF_TEST_BUILD": "1", "SIGNOFF_FAILPOINT": failpoint}
    program = [sys.executable, "-m", "tests.contract.store.crash_main", location, str(world)]
    return subprocess.run(program, cwd=ROOT, env=environment, timeout=50, check=False).returncode


def first_occurrences(path: Path) -> list[str]:
    return list(dict.fromkeys(path.read_text("utf-8").split()))


@pytest.mark.crash
@pytest.mark.parametrize("failpoint", POINTS)
async def test_killed_and_started_again_everything_has_happened_once(
    failpoint: str, location: str, tmp_path: Path, open_store: Opener
) -> None:
    (tmp_path / "calls").touch()

    assert run(location, tmp_path, failpoint) == -signal.SIGKILL
    assert run(location, tmp_path) == 0

    store = await open_store(start=False)
    calls = (tmp_path / "calls").read_text("utf-8").split()
    assert len(calls) == len(set(calls))
    for n in range(AGGREGATES):
        log = (await store.state(f"doc/{n}"))["log"]
        told = [entry for entry in log if entry[0] == "said"]
        assert told == [["said", f"{n}-{i}"] for i in range(MESSAGES)]
        assert [entry for entry in log if entry[0] == "timer"] == [["timer", "t", f"{n}-{MESSAGES - 1}"]]
        results = {entry[1]: entry[0] for entry in log if entry[0].startswith("activity.")}
        assert results.pop(f"repeatable-{n}") == "activity.done"
        # Late: on a machine so slow that the lease ends under the call.
        assert results.pop(f"once-{n}") in {"activity.done", "activity.lost", "activity.late"}
        assert [entry[1] for entry in (await store.state(f"gate/{n}"))["log"]] == [
            f"{n}-{i}!told" for i in range(MESSAGES)
        ]
        sent = [line for line in first_occurrences(tmp_path / "wire") if line.startswith(f"thing/doc/{n}:")]
        assert sent == [f"thing/doc/{n}:{i + 1}" for i in range(MESSAGES)]
        previous = b""
        for entry in await store.audit(f"doc/{n}"):
            assert entry.hash == chain(previous, entry.entry)
            previous = entry.hash
        assert len(await store.audit(f"doc/{n}")) == MESSAGES
    assert len(await store.select(NOTES.select())) == AGGREGATES * MESSAGES
    feeds = [feed for _, feed in await store.changes(0)]
    assert sorted(feeds) == sorted(f"{n}-{i}" for n in range(AGGREGATES) for i in range(MESSAGES))
    assert await store.position("crash") == MESSAGES
    assert store.waiting() == 0
