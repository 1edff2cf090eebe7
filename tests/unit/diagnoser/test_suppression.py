"""Reasons to stay quiet about an alert: silences, maintenance, flapping."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from services.diagnoser.domain.config import Config
from services.diagnoser.domain.rules import FlapRule, Maintenance, Rules
from services.diagnoser.handlers.scope import Scope
from services.diagnoser.handlers.scope_turn import ScopeState, state_json
from services.diagnoser.handlers.sightings import HELD_MAX
from shared.events.people import Silence, SilenceRequested
from shared.incident.alert import fingerprint
from shared.incident.enums import Severity
from shared.runtime.clock import at as wall_time
from shared.store.model import STATE_MAX, Decision, Message
from tests.unit.diagnoser.aggregates import NOW, Aggregate, message
from tests.unit.diagnoser.alerts import KEY, alert, delivery
from tests.unit.diagnoser.scopes import PERSON, RULES, ruling, told


@pytest.fixture
def scope() -> Aggregate:
    return Aggregate(Scope(), Config(rules=RULES, receipt_key=KEY))


def silence(verb: str = "add", **matchers: str) -> Message:
    body = SilenceRequested(
        request_id="q1",
        actor=PERSON,
        verb="add" if verb == "add" else "end",
        silence_id="s1",
        silence=Silence(
            id="s1",
            matchers=matchers,
            starts_at=wall_time(NOW - 1),
            ends_at=wall_time(NOW + 600),
            author=PERSON,
            reason="known",
        ),
    )
    return message("notifier/q1", body.type, body.model_dump(mode="json"))


def test_a_silenced_alert_is_suppressed_with_author_and_reason(scope: Aggregate) -> None:
    scope.give(silence(service="shop"))

    decision = scope.give(delivery("r1", alert()))

    assert ruling(decision) == ("suppressed", None)
    assert decision.records[0].values["reason"] == "silence s1 by Pat: known"


def test_a_silence_leaves_other_alerts_alone(scope: Aggregate) -> None:
    scope.give(silence(service="shop", host="h9"))

    assert ruling(scope.give(delivery("r1", alert())))[0] == "new_incident"


def test_an_alert_that_still_fires_when_its_silence_ends_opens_an_incident(scope: Aggregate) -> None:
    scope.give(silence(service="shop"))
    scope.give(delivery("r1", alert()))
    scope.now += 601

    assert ruling(scope.give(delivery("r2", alert(at=60))))[0] == "new_incident"


def test_a_silence_ended_by_a_person_ends_now(scope: Aggregate) -> None:
    scope.give(silence(service="shop"))
    scope.give(silence("end"))

    assert ruling(scope.give(delivery("r1", alert())))[0] == "new_incident"


def test_a_recovery_of_a_silenced_alert_is_a_recovery_without_incident(scope: Aggregate) -> None:
    scope.give(silence(service="shop"))
    scope.give(delivery("r1", alert()))

    assert ruling(scope.give(delivery("r2", alert(at=9, recovered=True)))) == ("recovered", None)


def test_maintenance_suppresses_by_plan() -> None:
    window = Maintenance(
        title="move",
        matchers={"service": "shop"},
        starts_at=wall_time(NOW),
        ends_at=wall_time(NOW) + timedelta(hours=1),
    )
    scope = Aggregate(Scope(), Config(rules=Rules(maintenance=(window,)), receipt_key=KEY))

    assert ruling(scope.give(delivery("r1", alert())))[0] == "suppressed"


def flapping(*, simulated: bool) -> Aggregate:
    rules = Rules(flap=FlapRule(changes=3, within_seconds=100, hold_seconds=60, simulated=simulated))
    return Aggregate(Scope(), Config(rules=rules, receipt_key=KEY))


def change(scope: Aggregate, number: int) -> Decision:
    fires = number % 2 == 0
    return scope.give(delivery(f"r{number}", alert(at=number * 10.0, cycle=f"c{number // 2}", recovered=not fires)))


def test_a_flapping_alert_is_held_and_acted_on_when_it_stays() -> None:
    scope = flapping(simulated=True)
    dispositions = [ruling(change(scope, number))[0] for number in range(3)]

    released = scope.wait(61)

    assert dispositions == ["new_incident", "recovered", "held"]
    assert [kind for _, kind in told(released)] == ["attach"]
    assert released.records == []


def test_a_held_alert_that_recovers_meanwhile_does_nothing() -> None:
    scope = flapping(simulated=True)
    for number in range(4):
        change(scope, number)

    assert scope.wait(61).messages == []


@pytest.mark.parametrize("order", [(2, 3, 4), (2, 4, 3), (4, 2, 3)])
def test_a_held_alert_that_fires_in_a_newer_cycle_is_acted_on_whatever_comes_late(order: tuple[int, ...]) -> None:
    scope = flapping(simulated=True)
    for number in (0, 1, *order):
        change(scope, number)

    [attached] = scope.wait(61).messages

    assert [one["alert"]["cycle"] for one in attached.body["alerts"]] == ["c2"]


LOST = [alert(cycle="c1", at=20), alert(cycle="c2", at=40), alert(cycle="c2", at=50, recovered=True)]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_a_recovery_ends_an_earlier_cycle_whose_own_was_lost_though_its_own_cycle_was_held(
    order: tuple[int, ...],
) -> None:
    scope = flapping(simulated=True)
    _, incident = ruling(scope.give(delivery("r0", alert(cycle="c0", at=0))))

    decisions = [scope.give(delivery(f"l{number}", LOST[number])) for number in order]

    assert [one for decision in decisions for one in told(decision)][-1] == (f"incident/{incident}", "recovered")
    assert scope.wait(61).messages == []


def test_a_held_alert_that_gets_worse_meanwhile_is_acted_on_as_it_is_then() -> None:
    scope = flapping(simulated=True)
    for number in range(3):
        change(scope, number)
    scope.give(delivery("worse", alert(at=25.0, cycle="c1", severity=Severity.SEV1)))

    [attached] = scope.wait(61).messages

    assert [one["alert"]["severity"] for one in attached.body["alerts"]] == ["sev1"]


def test_when_very_many_alerts_flap_the_next_is_acted_on_at_once_and_the_state_stays_bounded() -> None:
    scope = flapping(simulated=True)
    held: dict[str, float] = {fingerprint("datadog", f"other-{n}"): NOW + 60 for n in range(HELD_MAX)}
    scope.state = state_json(ScopeState(environment="sim:t", held=dict(held)))

    dispositions = [ruling(change(scope, number))[0] for number in range(3)]

    assert dispositions == ["new_incident", "recovered", "attached"]
    assert scope.state["held"] == held
    assert len(orjson.dumps(scope.state)) < STATE_MAX * 0.15


def test_simulated_runs_hold_nothing_by_default() -> None:
    scope = flapping(simulated=False)

    assert [ruling(change(scope, number))[0] for number in range(3)] == ["new_incident", "recovered", "attached"]


def test_alert_text_is_never_matched_but_by_equality(scope: Aggregate) -> None:
    scope.give(silence(title=".*"))

    assert ruling(scope.give(delivery("r1", alert(title="anything"))))[0] == "new_incident"
