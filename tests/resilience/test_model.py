"""The pure transitions of all services against everything a bus, a process, a clock and a person can do to them."""

from __future__ import annotations

import os
import random
import time

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.resilience.conftest import Enter
from tests.resilience.model.machine import Machine
from tests.resilience.report import Line

LIFE, SURE = 50, 45
"""Steps that one life of the house may have, and those it has at least, on average."""
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


@pytest.mark.crash
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("steps", [20_000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
def test_whatever_happens_in_whatever_order_each_approved_step_has_one_effect_and_every_debt_ends(
    steps: int, enter: Enter
) -> None:
    given = os.environ.get("SIGNOFF_MODEL_SEED", "")
    number = int(given) if given else 20_000 if steps == 20_000 else random.SystemRandom().randrange(2**32)
    print(f"seed {number}: again with SIGNOFF_MODEL_SEED={number}")  # noqa: T201 -- pytest shows it with a failure
    Machine.steps = 0
    Machine.seen.clear()
    began = time.monotonic()
    run_state_machine_as_test(
        seed(number)(Machine),
        settings=settings(
            max_examples=steps // SURE,
            stateful_step_count=LIFE,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{Machine.steps} steps in {time.monotonic() - began:.0f} s: {dict(Machine.seen.most_common())}")  # noqa: T201 -- as above
    assert Machine.steps >= steps
    assert [name for name in EVERY if not Machine.seen[name]] == []
    what = f"{steps:,} steps of deliveries, copies, crashes, pauses, clock jumps and people, in any order"
    where = "all transitions, in memory"
    enter(Line("F3, F6, F10, F26, F32", what, where, "any", 0, 0, within="3 d of its clock", seed=str(given or number)))
