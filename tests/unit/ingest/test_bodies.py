from __future__ import annotations

import json

import pytest

from services.ingest.app import PARSERS
from services.ingest.handlers.accept import Accepted, accept
from services.ingest.handlers.redacting import AlertRedactor
from shared.events.envelope import EVENT_MAX, read_headers
from tests.unit.ingest.bodies import ALERT, CASES, Case

NOW = 1_795_488_000.0


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.source}: {case.sentence}") for case in CASES])
def test_each_body_becomes_the_event_and_the_alert_that_the_table_says(case: Case) -> None:
    accepted = Accepted(case.source, "live", {}, case.body, NOW, len(case.body))
    [record] = accept(accepted, PARSERS[case.source], b"key", b"0123456789", AlertRedactor()).records
    assert read_headers(record.headers).type == case.event
    assert len(record.body) <= EVENT_MAX
    event = json.loads(record.body)
    found = event["alert"] if case.event == ALERT else event
    assert {name: found[name] for name in case.expected} == case.expected
