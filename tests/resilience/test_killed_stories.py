"""Each service ends at each failpoint that it has in the embedded form; its next start mends it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from shared.store import failpoints
from tests.resilience.conftest import Enter
from tests.resilience.report import Line
from tests.resilience.test_await_points import run
from tests.resilience.test_crash import ACKNOWLEDGED

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1800)]

SERVICES = {"webhooks": "ingest and diagnoser", "calls": "executor", "posts": "notifier"}
"""Story -> whose failpoints end it. Those of ingest alone: tests/contract/ingest."""
EMBEDDED = sorted(failpoints.NAMES - ACKNOWLEDGED)


def ended(folder: Path, seed: int, points: Mapping[str, Iterable[str]], enter: Enter) -> dict[str, set[str]]:
    """End each story at its failpoints, and return those at which it did end."""
    found = run(folder, seed, {name: [f"--failpoints={point}" for point in points[name]] for name in points})
    for name, one in found.items():
        assert not one["broken"], "\n".join(map("\n".join, one["broken"]))
        assert one["not_met"] == []
        where = f"{SERVICES[name]}, sqlite, embedded"
        kills = str(len(one["ended"]))
        enter(Line("F2", "killed at failpoints, each alone", where, kills, 0, 0, within="60 s", seed="drawn"))
    return {name: {point["place"] for [point] in one["ended"]} for name, one in found.items()}


def test_each_failpoint_ends_a_service_which_its_next_start_mends(tmp_path: Path, enter: Enter) -> None:
    seed = random.SystemRandom().randrange(2**32)
    names: Sequence[str] = random.Random(seed).sample(EMBEDDED, len(EMBEDDED))
    # An approved call takes longest, so it gets the fewest.
    found = ended(tmp_path, seed, {"calls": names[:3], "posts": names[3:9], "webhooks": names[9:]}, enter)
    assert sorted(set().union(*found.values())) == EMBEDDED


@pytest.mark.nightly
def test_each_failpoint_ends_each_service_which_its_next_start_mends(tmp_path: Path, enter: Enter) -> None:
    seed = random.SystemRandom().randrange(2**32)
    found = ended(tmp_path, seed, dict.fromkeys(SERVICES, EMBEDDED), enter)
    assert found == {name: set(EMBEDDED) for name in SERVICES}
