"""Proofs that are nearly right: refused or taken, on the wire, and never a failure."""

from __future__ import annotations

import pytest

from tests.contract.ingest.conftest import OLD, Running, alert, headers_for
from tests.contract.ingest.test_slow_senders import HEAD, raw

GOOD = headers_for("pagerduty", alert())["X-PagerDuty-Signature"]
NAME = "X-PagerDuty-Signature"


@pytest.mark.parametrize(
    "given, status",
    [
        pytest.param([GOOD], 202, id="the signature"),
        pytest.param([GOOD.upper().replace("V1", "v1")], 401, id="in capitals"),
        pytest.param([GOOD[:-1]], 401, id="a character short"),
        pytest.param([GOOD + "0"], 401, id="a character long"),
        pytest.param([GOOD.replace("v1=", "v1 = ")], 401, id="with blanks inside"),
        pytest.param([f",,{GOOD},"], 202, id="among empty ones"),
        pytest.param([GOOD.replace("v1", "v0")], 401, id="of another version"),
        pytest.param(["v1="], 401, id="empty"),
        pytest.param([""], 401, id="nothing"),
        pytest.param([GOOD, "v1=0"], 401, id="twice, the last of them wrong"),
        pytest.param(["v1=0", GOOD], 202, id="twice, the last of them right"),
        pytest.param([",".join(["v1=" + "0" * 64] * 200)], 401, id="two hundred wrong ones"),
    ],
)
async def test_a_signature_is_right_or_wrong(running: Running, given: list[str], status: int) -> None:
    headers = [(NAME.encode(), value.encode()) for value in given]
    answer = await running.client.post("/webhooks/pagerduty", content=alert(), headers=headers)
    assert answer.status_code == status
    assert len(running.on_bus()) == (status == 202)


async def test_ten_thousand_signatures_are_too_large_a_head(running: Running) -> None:
    async with raw(running) as [one]:
        await one.send(HEAD % b"pagerduty" + NAME.encode() + b": " + b"v1=0," * 10_000 + b"\r\n\r\n")
        assert (await one.rest())[:13] in (b"HTTP/1.1 431 ", b"")
    assert running.on_bus() == []


@pytest.mark.parametrize("token", [OLD.upper(), OLD + "\x7f", OLD * 2, OLD[:-1], f"{OLD}, {OLD}", "\u00e9" + OLD])
async def test_nearly_the_token_is_no_token(running: Running, token: str) -> None:
    headers = [(b"X-Signoff-Token", token.encode())]
    answer = await running.client.post("/webhooks/datadog", content=alert(), headers=headers)
    assert answer.status_code in (400, 401)
    assert running.on_bus() == []
