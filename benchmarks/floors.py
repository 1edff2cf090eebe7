"""What ingest is compared with: the least that makes a delivery durable, and what is written in ten minutes.

Both wait until the broker has acknowledged, with the producer that the product has. `bare`: ASGI, the body as it came.
`naive`: FastAPI with a pydantic model of the body. Neither asks who sent it, parses it into an alert, gives a receipt,
redacts, or keeps anything while the broker is away.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.types import Receive, Scope, Send

from shared.bus.kafka import BATCH_BYTES

_numbers = itertools.count()
_START = {
    "type": "http.response.start",
    "status": 202,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"15")],
}
_END = {"type": "http.response.body", "body": b'{"status":"ok"}'}


class _Log:
    """The topic that the environment names."""

    def __init__(self) -> None:
        self._topic = os.environ["BENCH_TOPIC"]
        self._producer: Any = None

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=os.environ["BENCH_KAFKA"],
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
        )
        await self._producer.start()

    async def append(self, body: bytes) -> None:
        """Return when the broker has it."""
        await self._producer.send_and_wait(self._topic, body, key=b"%d" % next(_numbers))

    async def stop(self) -> None:
        """Disconnect."""
        await self._producer.stop()


_log = _Log()


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 202 once the body is on the topic."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    await _log.append(b"".join(parts))
    await send(_START)
    await send(_END)


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await _log.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _log.stop()
    await send({"type": "lifespan.shutdown.complete"})


class _Reference(BaseModel):
    id: str
    type: str
    summary: str | None = None
    html_url: str | None = None


class _Incident(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    type: str
    number: int
    status: str
    title: str
    created_at: str
    urgency: str
    html_url: str
    incident_key: str | None = None
    service: _Reference
    assignees: list[_Reference] = []
    escalation_policy: _Reference | None = None
    teams: list[_Reference] = []
    priority: _Reference | None = None


class _Event(BaseModel):
    id: str
    event_type: str
    resource_type: str
    occurred_at: str
    agent: _Reference | None = None
    client: dict[str, Any] | None = None
    data: _Incident


class PagerDuty(BaseModel):
    """A V3 webhook."""

    event: _Event


class Datadog(BaseModel):
    """The recommended payload."""

    model_config = ConfigDict(extra="allow")

    id: str
    alert_id: str
    alert_transition: str
    alert_scope: str
    title: str
    text: str
    tags: str
    hostname: str
    date: str
    link: str
    org: dict[str, str]


@asynccontextmanager
async def _started(_: FastAPI) -> AsyncIterator[None]:
    await _log.start()
    yield
    await _log.stop()


naive = FastAPI(lifespan=_started)


@naive.post("/webhooks/datadog", status_code=202)
async def take_datadog(body: Datadog) -> dict[str, str]:
    """Take a delivery of Datadog."""
    return await _take(body)


@naive.post("/webhooks/pagerduty", status_code=202)
async def take_pagerduty(body: PagerDuty) -> dict[str, str]:
    """Take a delivery of PagerDuty."""
    return await _take(body)


async def _take(body: BaseModel) -> dict[str, str]:
    await _log.append(body.model_dump_json().encode())
    return {"status": "ok"}
