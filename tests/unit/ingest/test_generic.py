from __future__ import annotations

import json
from datetime import UTC, datetime

from services.ingest.domain.parsed import AlertFound, Unreadable
from services.ingest.sources.generic import parse

RECEIVED = datetime(2026, 11, 24, 3, tzinfo=UTC)


def test_several_alerts_in_one_body_have_the_key_of_their_delivery() -> None:
    body = {"alerts": [{"title": "a", "status": "resolved"}, {"key": "k", "services": ["shop", "cart"], "host": "h"}]}
    first, second = parse(json.dumps(body).encode(), {"webhook-id": "w"}, RECEIVED)
    assert isinstance(first, AlertFound)
    assert isinstance(second, AlertFound)
    assert (first.alert.status, first.delivery_key) == ("recovered", "w")
    assert (second.alert.title, second.alert.services, second.delivery_key) == ("k", ("cart", "shop"), "w")


def test_of_several_alerts_one_that_cannot_be_understood_takes_no_other_with_it() -> None:
    first, second, third = parse(b'[{"title": "a"}, {"severity": "P1"}, 7]', {}, RECEIVED)
    assert isinstance(first, AlertFound)
    assert isinstance(second, Unreadable)
    assert isinstance(third, Unreadable)


def test_more_alerts_than_allowed_are_kept_and_not_understood() -> None:
    [message] = parse(json.dumps({"alerts": [{"title": "a"}] * 101}).encode(), {}, RECEIVED)
    assert message == Unreadable("too_many", "101 alerts in one body; 100 are allowed")


def test_the_time_of_an_alert_may_be_a_date_or_seconds() -> None:
    for at in ("2026-11-24T02:00:00+00:00", 1795485600, "1795485600000"):
        [message] = parse(json.dumps({"title": "a", "at": at}).encode(), {}, RECEIVED)
        assert isinstance(message, AlertFound)
        assert message.alert.occurred_at == datetime(2026, 11, 24, 2, tzinfo=UTC)
