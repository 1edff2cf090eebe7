"""The pure transitions of all services against everything a bus, a process, a clock and a person can do to them."""

from __future__ import annotations

import os
import random
import time

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.resilience.conftest import Enter
from tests.resilience.model.machine import FarMachine, Machine
from tests.resilience.report import Line

BATCH, LIFE, SURE = 20_000, 50, 44
"""Steps of a run, steps that one life of the house may have, and those it has at least, on average."""
EVERY = (
    "approval.granted",
    "approval.rejected",
    "approval.expired",
    "approval.withdrawn",
    "approval.decision_refused",
    "execution.cancelled",
    "step.unknown",
    "step.reconciled",
    "verification.passed",
    "verification.failed",
    "rollback.finished",
    "handoff.requested",
    "incident.reopened",
    "incident.closed",
)
"""What a run must have been through, or it has shown nothing."""


def live(number: int, machine: type[Machine]) -> None:
    """Put the house through one batch of lives. The same seed gives the same ones."""
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=BATCH // SURE,
            stateful_step_count=LIFE,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.crash
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "machine, steps",
    [
        pytest.param(Machine, BATCH, id="one batch"),
        pytest.param(Machine, 1_000_000, marks=pytest.mark.nightly, id="a million steps"),
        pytest.param(FarMachine, BATCH, marks=pytest.mark.nightly, id="ten years at once"),
    ],
)
def test_whatever_happens_in_whatever_order_each_approved_step_has_one_effect_and_every_debt_ends(
    machine: type[Machine], steps: int, enter: Enter
) -> None:
    given = os.environ.get("SIGNOFF_MODEL_SEED", "")
    first = int(given) if given else BATCH if steps == BATCH else random.SystemRandom().randrange(2**32)
    Machine.steps = 0
    Machine.seen.clear()
    began = time.monotonic()
    for number in range(first, first + steps // BATCH):
        # One batch after the other, because the search keeps all of a batch in memory.
        print(f"seed {number}: again with SIGNOFF_MODEL_SEED={number}")  # noqa: T201 -- pytest shows it with a failure
        live(number, machine)
    print(f"{Machine.steps} steps in {time.monotonic() - began:.0f} s: {dict(Machine.seen.most_common())}")  # noqa: T201 -- as above
    assert Machine.steps >= steps
    assert [name for name in EVERY if not Machine.seen[name]] == []
    jumps = "clock jumps" if machine is Machine else "clock jumps of up to ten years"
    what = f"{steps:,} steps of deliveries, copies, crashes, pauses, {jumps} and people, in any order"
    where, drawn = "all transitions, in memory", "fixed" if steps == BATCH else "drawn"
    enter(Line("F3, F6, F10, F26, F32", what, where, "any", 0, 0, within="3 d of its clock", seed=drawn))
