"""Bodies of people's programs that are almost JSON, or more than a program can hold: told so, and nothing happens."""

from __future__ import annotations

import pytest

from tests.contract.notifier.conftest import Running
from tests.unit.notifier.story import INCIDENT, until_asked

DECISIONS = f"/api/incidents/{INCIDENT}/decisions"
BROKEN = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"{", id="half an object"),
    pytest.param(b"[" * 60_000, id="sixty thousand lists"),
    pytest.param(b'{"a":' * 12_000, id="twelve thousand objects"),
    pytest.param(b'{"verb": "approve", "reason": ' + b"9" * 5000 + b"}", id="a number of five thousand digits"),
    pytest.param(b'{"verb": "approve", "reason": NaN}', id="a number that is none"),
    pytest.param(b'{"verb": "approve", "reason": -Infinity}', id="a number without end"),
    pytest.param(b'{"verb": "\xff\xfe", "reason": "x"}', id="bytes that are no UTF-8"),
    pytest.param('{"verb": "approve"}'.encode("utf-16"), id="UTF-16"),
    pytest.param(b'{"verb": "approve", "reason": "\\ud800"}', id="half a character in the reason"),
    pytest.param(b'{"verb": "\\udfff"}', id="half a character in the verb"),
    pytest.param(b'{"verb": "reject", "verb": "approve"}', id="a verb that stands twice"),
    pytest.param(b'{"verb": "approve", "actor": "sample-approver"}', id="a field that nobody may set"),
    pytest.param(b'{"verb": "approve", "arguments": {"person": 1}}', id="an argument that is no text"),
    pytest.param(b'["approve"]', id="a list"),
    pytest.param(b'"approve"', id="a text"),
    pytest.param(b"null", id="null"),
]


@pytest.mark.parametrize("body", BROKEN)
async def test_a_body_that_cannot_be_meant_decides_nothing(running: Running, body: bytes) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    async with running.operator() as operator:
        answer = await operator.post(DECISIONS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 409, 411, 413, 422), answer.text
    assert answer.json()["error"]
    assert not [entry for entry in await running.journaled(6) if entry["type"] == "decision.submitted"]


@pytest.mark.parametrize("text", ["\\ud800", "a\\u0000b", "\\udfff\\ud800"])
async def test_a_note_with_what_no_database_holds_is_refused_or_kept_and_never_a_failure(
    running: Running, text: str
) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    async with running.operator() as operator:
        body = f'{{"verb": "note", "arguments": {{"text": "{text}"}}}}'.encode()
        headers = {"content-type": "application/json"}
        answer = await operator.post(f"/api/incidents/{INCIDENT}/requests", content=body, headers=headers)
        silence = f'{{"matchers": {{"service": "{text}"}}, "reason": "{text}"}}'.encode()
        second = await operator.post("/api/silences", content=silence, headers=headers)
    assert answer.status_code in (202, 400, 409, 422), answer.text
    assert second.status_code in (202, 400, 409, 422), second.text
