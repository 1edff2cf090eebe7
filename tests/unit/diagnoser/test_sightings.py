"""What sightings of one alert mean together: recoveries, late and lost ones too."""

from __future__ import annotations

from itertools import permutations

import pytest

from services.diagnoser.domain.config import Config
from services.diagnoser.handlers.scope import Scope
from tests.unit.diagnoser.aggregates import Aggregate
from tests.unit.diagnoser.alerts import KEY, alert, delivery, time
from tests.unit.diagnoser.scopes import RULES, ruling, told


@pytest.fixture
def scope() -> Aggregate:
    return Aggregate(Scope(), Config(rules=RULES, receipt_key=KEY))


def test_a_recovery_tells_the_incident(scope: Aggregate) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert())))

    decision = scope.give(delivery("r2", alert(at=60, recovered=True)))

    assert ruling(decision) == ("recovered", incident)
    assert told(decision) == [(f"incident/{incident}", "recovered")]


def test_a_recovery_of_an_older_cycle_does_not_end_the_newer_one(scope: Aggregate) -> None:
    scope.give(delivery("r1", alert(cycle="c1", at=0)))
    scope.give(delivery("r2", alert(cycle="c2", at=60)))

    decision = scope.give(delivery("r3", alert(cycle="c1", at=30, recovered=True)))

    assert ruling(decision)[0] == "recovered"
    assert decision.messages == []


def test_a_recovery_ends_the_earlier_cycles_too_whose_own_recovery_was_lost(scope: Aggregate) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert(cycle="c1", at=0))))
    scope.give(delivery("r2", alert(cycle="c2", at=600)))

    decision = scope.give(delivery("r3", alert(cycle="c2", at=900, recovered=True)))

    assert told(decision) == [(f"incident/{incident}", "recovered")]


def test_a_cycle_that_begins_in_the_moment_in_which_another_ends_fires(scope: Aggregate) -> None:
    scope.give(delivery("r1", alert(cycle="c1", at=0)))
    scope.give(delivery("r2", alert(cycle="c1", at=100, recovered=True)))

    assert [kind for _, kind in told(scope.give(delivery("r3", alert(cycle="c2", at=100))))] == ["attach"]


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_a_cycle_that_was_over_before_it_is_heard_of_leaves_nothing_firing(order: tuple[int, ...]) -> None:
    scope = Aggregate(Scope(), Config(rules=RULES, receipt_key=KEY))
    story = [alert(cycle="c1", at=0), alert(cycle="c2", at=100), alert(cycle="c2", at=200, recovered=True)]

    decisions = [scope.give(delivery(f"r{n}", story[n])) for n in order]

    messages = [local for decision in decisions for local in decision.messages]
    assert len({local.aggregate for local in messages}) == 1
    assert messages[-1].type == "recovered"


CYCLE = [("f", alert(at=0)), ("r", alert(at=60, recovered=True)), ("again", alert(at=20, transition="Re-Triggered"))]


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_reordering_within_the_tolerance_changes_neither_the_incident_nor_its_end(order: tuple[int, ...]) -> None:
    scope = Aggregate(Scope(), Config(rules=RULES, receipt_key=KEY))

    decisions = [scope.give(delivery(CYCLE[n][0], CYCLE[n][1])) for n in order]

    messages = [local.type for decision in decisions for local in decision.messages]
    assert messages == ["open", "recovered"]
    assert all(len(decision.records) == 1 for decision in decisions)
    [cycle] = scope.rows[f"alert/{alert().fingerprint}"]["cycles"].values()
    assert cycle["recovered"] == time(60).timestamp()


def test_a_firing_long_before_its_known_recovery_opens_nothing(scope: Aggregate) -> None:
    scope.give(delivery("r1", alert(at=1000, recovered=True)))

    decision = scope.give(delivery("r2", alert(at=0)))

    assert ruling(decision) == ("deduplicated", None)
    assert decision.messages == []


def test_a_firing_behind_its_own_recovery_does_not_end_a_newer_cycle(scope: Aggregate) -> None:
    scope.give(delivery("r1", alert(at=60, recovered=True)))
    _, incident = ruling(scope.give(delivery("r2", alert(at=90, cycle="c2"))))

    decision = scope.give(delivery("r3", alert(at=0)))

    assert ruling(decision) == ("attached", incident)
    assert told(decision) == [(f"incident/{incident}", "attach")]
