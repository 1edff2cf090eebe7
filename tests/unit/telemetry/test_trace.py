from __future__ import annotations

import re

import pytest

from shared.telemetry.trace import traceparent

SENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def test_a_delivery_continues_the_trace_of_its_sender_with_a_span_of_its_own() -> None:
    found = traceparent(SENT, "receipt-1")

    assert FORM.fullmatch(found)
    assert found[:36] == SENT[:36]
    assert found[36:52] != SENT[36:52]
    assert found[-2:] == "00"


@pytest.mark.parametrize(
    "received",
    [
        pytest.param("", id="nothing was sent"),
        pytest.param("not a trace", id="what was sent is none"),
        pytest.param("00-" + "0" * 32 + "-00f067aa0ba902b7-01", id="its trace id is zero"),
        pytest.param("ff" + SENT[2:], id="its version is forbidden"),
    ],
)
def test_a_new_trace_begins_when(received: str) -> None:
    assert FORM.fullmatch(traceparent(received, "receipt-1"))
    assert traceparent(received, "receipt-1")[:36] != traceparent(received, "receipt-2")[:36]


def test_the_same_delivery_has_the_same_trace_when_it_is_kept_again() -> None:
    assert traceparent("", "receipt-1") == traceparent("", "receipt-1")
