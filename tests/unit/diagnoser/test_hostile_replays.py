"""A delivery that somebody recorded and sends again, much later: authentic, and of no effect."""

from __future__ import annotations

import pytest

from services.diagnoser.domain.config import Config
from services.diagnoser.handlers.scope import Scope
from services.diagnoser.handlers.scope_turn import ALERT_KEPT
from tests.unit.diagnoser.aggregates import NOW, Aggregate
from tests.unit.diagnoser.alerts import KEY, alert, delivery
from tests.unit.diagnoser.scopes import RULES, ruling, told

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
LATER = [
    pytest.param(MINUTE, id="after a minute"),
    pytest.param(49 * HOUR, id="after 49 hours, when no honest sender tries again"),
    pytest.param(31 * DAY, id="after 31 days"),
]


@pytest.fixture
def scope() -> Aggregate:
    return Aggregate(Scope(), Config(rules=RULES, receipt_key=KEY))


@pytest.mark.parametrize("later", LATER)
def test_the_same_delivery_opens_nothing_and_tells_nobody(scope: Aggregate, later: float) -> None:
    scope.give(delivery("r1", alert(), delivery_key="k"))
    scope.give(delivery("r2", alert(at=30, recovered=True), delivery_key="k2"))
    scope.wait(later)

    decision = scope.give(delivery("r3", alert(), delivery_key="k"))

    assert ruling(decision)[0] == "deduplicated"
    assert told(decision) == []


@pytest.mark.parametrize("later", LATER)
def test_its_key_with_another_body_is_quarantined_with_an_entry_for_the_audit(scope: Aggregate, later: float) -> None:
    scope.give(delivery("r1", alert(), delivery_key="k"))
    scope.wait(later)

    decision = scope.give(delivery("r2", alert(cycle="c2", at=later), delivery_key="k", body_sha256="c" * 64))

    assert ruling(decision) == ("quarantined", None)
    assert decision.audit[0]["quarantined"] == "r2"
    assert told(decision) == []


def test_keys_are_kept_longer_than_any_of_these_and_than_vendors_try() -> None:
    scope = Aggregate(Scope(), Config(rules=RULES, receipt_key=KEY))

    decision = scope.give(delivery("r1", alert(), delivery_key="k"))

    [expires] = [row.expires for key, row in decision.rows.items() if key.startswith("delivery/")]
    assert expires == NOW + ALERT_KEPT
    assert ALERT_KEPT > 31 * DAY
