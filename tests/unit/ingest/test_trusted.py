"""Alerts of parsers are not validated again, so whatever senders write they must be what validation would make."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.parsed import AlertFound
from services.ingest.domain.trusted import trusted_alert
from services.ingest.sources import datadog, generic, pagerduty
from shared.incident.alert import Alert
from shared.runtime.clock import at
from tests.unit.ingest.bodies import CASES, Case

PARSERS = {"datadog": datadog.parse, "pagerduty": pagerduty.parse, "generic": generic.parse}
NOW = at(1_764_000_000.0)
ODD = [
    *("", " ", "null", "$HOSTNAME", "{{x}}", "\ud83d", "\U0001f525" * 600, "a\x00\x1b[31m", "line\r\n\tline", "%%%"),
    *("&#xD800;&nGt;" * 400, "&lt;b&gt;", "[P1] [Recovered on {a:b}] [TEST] x", "a:b,c:d,c:e,,f", "a" * 9000),
    *("2026-11-24T02:59:30.781Z", "2026-11-24T04:59:30+02:00", "1999-01-01T00:00:00Z", "1764000000000", "nan", "1e400"),
    *(
        "https://app.datadoghq.eu/monitors/42?group=host%3Aa",
        "http://[/monitors/1",
        "incident",
        "firing",
        "p1",
        "success",
    ),
]
VALUE = st.recursive(
    st.sampled_from(ODD) | st.text(max_size=30) | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "a b", *ODD[:6]]), inner)
    ),
    max_leaves=6,
)
NAMES = {
    "datadog": [*json.loads(datadog.TEMPLATE), "org_id"],
    "pagerduty": ["status", "urgency", "title", "summary", "service", "priority", "html_url", "incident_key"],
    "generic": [
        *("title", "key", "status", "severity", "service", "services", "host", "labels", "description", "link", "at"),
        *("metric", "cycle", "test"),
    ],
}


def check(source: str, body: bytes) -> None:
    """Hold each alert of a body against its validation, the order of its fields too."""
    for found in PARSERS[source](body, {"webhook-id": "w"}, NOW):
        if isinstance(found, AlertFound):
            own = found.alert.__dict__
            assert [*own.items()] == [*Alert(**own).__dict__.items()]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.source}: {case.sentence}") for case in CASES])
def test_an_alert_of_a_known_body_is_a_valid_one(case: Case) -> None:
    check(case.source, case.body)


@pytest.mark.slow
@pytest.mark.parametrize("source", PARSERS)
@given(data=st.data())
def test_an_alert_of_any_body_is_a_valid_one(source: str, data: st.DataObject) -> None:
    fields: dict[str, Any] = data.draw(st.dictionaries(st.sampled_from(NAMES[source]), VALUE))
    if source == "pagerduty":
        event = {"event_type": "incident.triggered", "occurred_at": data.draw(VALUE)}
        fields = {"event": event | {"data": {"id": "1", "type": "incident"} | fields}}
    check(source, json.dumps({"title": "a", "aggreg_key": "b"} | fields).encode())


def test_what_is_left_out_has_its_default() -> None:
    fields: dict[str, Any] = {"fingerprint": "f", "source": "s", "source_key": "k", "title": "t", "occurred_at": NOW}
    trusted, validated = trusted_alert(**fields), Alert(**fields)
    assert trusted == validated
    assert trusted.model_fields_set == validated.model_fields_set
    assert trusted.model_copy(update={"title": "u"}) == validated.model_copy(update={"title": "u"})
