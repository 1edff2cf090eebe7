"""What a sender is told, on the wire."""

from __future__ import annotations

import asyncio
import base64
import logging
import zlib
from typing import Any

import orjson
import pytest

from tests.contract.ingest.conftest import NEW, OLD, REPLAY, TOKEN, Running, StartIngest, alert, headers_for, locked
from tests.unit.ingest.bodies import CASES

MEGABYTE = 1024 * 1024
PING = orjson.dumps({"event": {"event_type": "pagey.ping", "data": {"type": "ping"}}})
GENERIC = orjson.dumps({"title": "disk is full"})
BODIES = {"datadog": alert(), "pagerduty": PING, "generic": GENERIC}


@pytest.mark.parametrize("source", BODIES)
async def test_a_delivery_with_either_live_secret_is_told_its_receipt(running: Running, source: str) -> None:
    answers = [await running.post(source, BODIES[source], secret) for secret in (OLD, NEW)]
    assert [answer.status_code for answer in answers] == [202, 202]
    for answer, (envelope, body) in zip(answers, await running.told(2), strict=True):
        receipt = answer.headers["Signoff-Receipt"]
        assert answer.json() == {"receipt": receipt}
        assert (envelope.id, envelope.environment) == (f"ingest/{receipt}", "live")
        assert (body["receipt"], body["message_id"], body["source"]) == (receipt, receipt, source)
        assert zlib.decompress(base64.b64decode(body["raw"])) == BODIES[source]


async def test_the_replay_secret_puts_a_delivery_into_its_run_and_a_live_one_does_not(running: Running) -> None:
    for source, body in BODIES.items():
        for secret in (REPLAY, OLD):
            assert (await running.post(source, body, secret, **{"Signoff-Run": "r1"})).status_code == 202
    assert [envelope.environment for envelope, _ in await running.told(6)] == ["sim:r1", "live"] * 3


@pytest.mark.parametrize(
    "secret, headers",
    [
        pytest.param("someone-else", {}, id="an unknown secret"),
        pytest.param("", {}, id="an empty secret"),
        pytest.param(REPLAY, {}, id="the replay secret without a run"),
        pytest.param(REPLAY, {"Signoff-Run": "../live"}, id="the replay secret with a run that is no name"),
    ],
)
async def test_who_is_not_authentic_is_refused_and_leaves_nothing(
    running: Running, secret: str, headers: dict[str, str]
) -> None:
    for source, body in BODIES.items():
        assert (await running.post(source, body, secret, **headers)).status_code == 401
    assert running.on_bus() == []


async def test_without_any_proof_or_with_bytes_that_are_no_ascii_nobody_gets_in(running: Running) -> None:
    for source, body in BODIES.items():
        assert (await running.client.post(f"/webhooks/{source}", content=body)).status_code == 401
        for name in headers_for(source, body):
            given = [(n.encode(), v.encode()) for n, v in headers_for(source, body).items() if n != name]
            given.append((name.encode(), b"v1=\xc3\xa9,v1,\xff"))
            answer = await running.client.post(f"/webhooks/{source}", content=body, headers=given)
            assert answer.status_code == 401


async def test_a_signature_is_over_the_bytes_not_over_what_they_mean(running: Running) -> None:
    given = headers_for("pagerduty", PING)
    again = PING.replace(b":", b": ")
    assert (await running.client.post("/webhooks/pagerduty", content=again, headers=given)).status_code == 401


async def test_several_signatures_are_tried_also_with_spaces(running: Running) -> None:
    mine = headers_for("pagerduty", PING)["X-PagerDuty-Signature"]
    for given in (f"v1={'0' * 64},{mine}", f"v0=1, {mine}", f"{mine},v2=1"):
        answer = await running.client.post(
            "/webhooks/pagerduty", content=PING, headers={"X-PagerDuty-Signature": given}
        )
        assert answer.status_code == 202


@pytest.mark.parametrize("secrets", [[], [""], ["  "], ["whsec_"]], ids=["none", "empty", "blank", "an empty key"])
async def test_a_source_without_a_secret_is_off_and_start_up_says_so(
    start: StartIngest, secrets: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        running = await start(**{source: {"secrets": secrets} for source in BODIES})
    for source, body in BODIES.items():
        assert f"source {source} is off" in caplog.text
        for headers in ({}, headers_for(source, body, "".join(secrets).strip())):
            answer = await running.client.post(f"/webhooks/{source}", content=body, headers=headers)
            assert (answer.status_code, answer.json()) == (503, {"error": f"source {source} is off: it has no secret"})


async def test_one_secret_after_the_other_is_replaced_without_a_refusal(start: StartIngest) -> None:
    running = await start(pagerduty={"secrets": [OLD]})
    assert (await running.post("pagerduty", PING, OLD)).status_code == 202
    running = await start(pagerduty={"secrets": [OLD, NEW]})
    assert (await running.post("pagerduty", PING, OLD)).status_code == 202
    assert (await running.post("pagerduty", PING, NEW)).status_code == 202
    running = await start(pagerduty={"secrets": [NEW]})
    assert (await running.post("pagerduty", PING, NEW)).status_code == 202
    assert (await running.post("pagerduty", PING, OLD)).status_code == 401


def chunked(body: bytes) -> Any:  # noqa: ANN401 -- an async iterator of bytes for httpx
    """Send a body without saying how long it is."""

    async def parts() -> Any:  # noqa: ANN401 -- as above
        for begin in range(0, len(body), 64 * 1024):
            yield body[begin : begin + 64 * 1024]

    return parts()


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with its length", "in chunks"])
@pytest.mark.parametrize("size", [MEGABYTE + 1, 3 * MEGABYTE, 40 * MEGABYTE])
async def test_of_a_too_large_body_from_a_sender_known_by_its_header_the_start_is_kept(
    start: StartIngest, size: int, *, is_chunked: bool
) -> None:
    running = await start(body_seconds=20.0)
    body = b"x" * size
    content = chunked(body) if is_chunked else body
    answer = await running.client.post("/webhooks/datadog", content=content, headers={"X-Signoff-Token": OLD})
    assert answer.status_code == 202
    [(envelope, found)] = await running.told(1)
    assert (envelope.type, found["why"], found["raw_truncated"]) == ("delivery.unreadable", "too_large", True)
    assert found["raw_size"] >= min(size, 32 * MEGABYTE)
    assert zlib.decompress(base64.b64decode(found["raw"])) == body[:MEGABYTE]


async def test_a_body_too_large_to_verify_its_signature_is_refused_as_too_large(running: Running) -> None:
    for source in ("pagerduty", "generic"):
        assert (await running.post(source, b"x" * (MEGABYTE + 1))).status_code == 413
        assert running.on_bus() == []
    for source in BODIES:
        assert (await running.post(source, b"x" * MEGABYTE)).status_code == 202


async def test_with_neither_bus_nor_spool_the_sender_is_asked_to_send_again(start: StartIngest) -> None:
    running = await start(append_seconds=0.3)
    with locked(running.folder / "bus.db"), locked(running.folder / "ingest.db"):
        answer = await running.post("pagerduty", PING)
        assert answer.status_code == 503
        assert "send it again" in answer.json()["error"]
    assert (await running.account())["accepted"] == 0
    await running.spool_is_empty()
    assert (await running.post("pagerduty", PING)).status_code == 202


async def test_only_a_post_to_a_known_source_is_a_webhook(running: Running) -> None:
    for method, path, status in (
        ("POST", "/webhooks/nobody", 404),
        ("POST", "/webhooks/canary", 404),
        ("GET", "/webhooks/datadog", 405),
        ("POST", "/webhooks/datadog/", 202),
    ):
        answer = await running.client.request(method, path, content=alert(), headers={"X-Signoff-Token": OLD})
        assert answer.status_code == status


async def test_health_and_metrics_are_for_everybody_and_the_rest_is_not(running: Running) -> None:
    await running.post("datadog", alert())
    await running.post("datadog", alert(), "nobody")
    assert (await running.client.get("/livez")).status_code == 200
    assert (await running.client.get("/readyz")).json() == {"ready": True, "problems": {}}
    metrics = (await running.client.get("/metrics")).text
    for line in (
        'signoff_ingest_answers_total{source="datadog",status="202"}',
        'signoff_ingest_answers_total{source="datadog",status="401"}',
        'signoff_ingest_authenticated_total{secret="1",source="datadog"}',
        'signoff_ingest_accepted_total{source="datadog",type="delivery.received"}',
        "signoff_ingest_unaccounted 0.0",
        "signoff_ingest_circuit_open 0.0",
    ):
        assert line in metrics
    for path in ("/control/account", "/control/receipts/x", "/control/dead-letters"):
        assert (await running.client.get(path)).status_code == 401


async def test_a_receipt_that_was_given_out_is_told_from_one_that_was_invented(running: Running) -> None:
    receipt = (await running.post("datadog", alert())).json()["receipt"]
    headers = {"authorization": f"Bearer {TOKEN}"}
    for given, status in ((receipt, 200), (f"{receipt}/2", 200), (receipt[:-1] + "!", 404), ("x", 404)):
        answer = await running.client.get(f"/control/receipts/{given}", headers=headers)
        assert answer.status_code == status


async def test_a_canary_takes_the_path_of_every_delivery(start: StartIngest) -> None:
    running = await start(canary_seconds=0.05)
    [(envelope, body), *_] = await running.told(2)
    assert (envelope.type, envelope.environment) == ("delivery.not_an_alert", "live")
    assert (body["source"], body["is_test"]) == ("canary", True)


async def on_the_wire(running: Running, source: str, secret: str, *, whole: bool) -> tuple[int, dict[str, str], Any]:
    """Send a delivery in one write, or the body once we have asked for it; return status, fields and body."""
    body = BODIES[source]
    given = headers_for(source, body, secret) | {"Host": "a", "Content-Length": str(len(body)), "Connection": "close"}
    expects = "" if whole else "Expect: 100-continue\r\n"
    fields = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    head = f"POST /webhooks/{source} HTTP/1.1\r\n{fields}{expects}\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", running.listener.port)
    writer.write(head + body if whole else head)
    found = await reader.readuntil(b"\r\n\r\n")
    if found.startswith(b"HTTP/1.1 100 "):
        writer.write(body)
        found = await reader.readuntil(b"\r\n\r\n")
    said = orjson.loads(await reader.read())
    writer.close()
    first, *lines = found.decode().rstrip().split("\r\n")
    return int(first.split()[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, said


@pytest.mark.slow
@pytest.mark.parametrize("source", BODIES)
async def test_a_delivery_is_answered_alike_in_one_piece_and_in_two(start: StartIngest, source: str) -> None:
    running = await start(append_seconds=0.3)
    for secret, status in ((OLD, 202), ("nobody", 401)):
        found = [await on_the_wire(running, source, secret, whole=whole) for whole in (True, False)]
        assert [code for code, _, _ in found] == [status, status]
        assert [fields.pop("signoff-receipt", None) for _, fields, _ in found] == [
            said.get("receipt") for _, _, said in found
        ]
        assert found[0][1] == found[1][1]
    with locked(running.folder / "bus.db"), locked(running.folder / "ingest.db"):
        found = [await on_the_wire(running, source, OLD, whole=whole) for whole in (True, False)]
    assert [code for code, _, _ in found] == [503, 503]
    assert found[0][1:] == found[1][1:]
    assert (await running.account())["accepted"] == 2


@pytest.mark.slow
async def test_every_odd_body_of_an_authentic_sender_is_told_202_and_becomes_one_event(running: Running) -> None:
    answers = [(case, await running.post(case.source, case.body)) for case in CASES]
    found: dict[str, list[str]] = {}
    for envelope, body in running.on_bus():
        found.setdefault(body["receipt"], []).append(envelope.type)
    for case, answer in answers:
        assert answer.status_code == 202, case.sentence
        assert found.pop(answer.json()["receipt"]) == [case.event], case.sentence
    assert not found


@pytest.mark.slow
async def test_many_at_a_time_are_each_told_once(running: Running) -> None:
    answers = await asyncio.gather(*(running.post("datadog", alert(n, monitor=str(n % 7))) for n in range(300)))
    receipts = [answer.json()["receipt"] for answer in answers]
    assert len(set(receipts)) == 300
    found = await running.told(300)
    assert sorted(body["receipt"] for _, body in found) == sorted(receipts)
    assert len(running.on_bus()) == 300
    account = await running.account()
    assert (account["accepted"], account["acked"], account["unaccounted"]) == (300, 300, 0)
