"""Reads for the other services: deliveries, accounts, silences, budgets, and all that an investigation saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.diagnoser.handlers.showing import show_delivery
from services.diagnoser.ports import Archive, Budget, Memory, Records
from shared.bus.port import Bus
from shared.errors import UnavailableError
from shared.events.payload import ALERTS
from shared.incident.model import LIVE


def read_routes(
    records: Records,
    archive: Archive,
    budget: Budget,
    memory: Memory,
    *,
    titles: Mapping[str, str],
    bus: Bus,
    receipt_key: bytes,
) -> list[Route]:
    """Return the routes; the caller wraps them in the service token. `titles` are those of the catalogue, by id."""

    async def account(_: Request) -> Response:
        return JSONResponse({**await records.account(), **await _waiting(bus)})

    async def delivery(request: Request) -> Response:
        return JSONResponse(await show_delivery(records, receipt_key, request.path_params["receipt"]))

    async def silences(_: Request) -> Response:
        return JSONResponse(await records.silences())

    async def reliability(request: Request) -> Response:
        found = await memory.standings(request.query_params.get("environment", LIVE))
        return JSONResponse([{"cause": cause, **asdict(one), "most": one.most} for cause, one in found.items()])

    async def causes(_: Request) -> Response:
        return JSONResponse([{"id": name, "title": title} for name, title in titles.items()])

    async def used(_: Request) -> Response:
        return JSONResponse(await budget.account())

    async def investigations(request: Request) -> Response:
        return JSONResponse(await archive.of_incident(request.path_params["incident"]))

    async def evidence(request: Request) -> Response:
        found = await archive.find(request.path_params["investigation"])
        return Response(orjson.dumps(asdict(found)), media_type="application/json")

    return [
        Route("/deliveries/account", account),
        Route("/deliveries/{receipt:path}", delivery),
        Route("/silences", silences),
        Route("/budget", used),
        Route("/reliability", reliability),
        Route("/causes", causes),
        Route("/incidents/{incident}/investigations", investigations),
        Route("/evidence/{investigation}", evidence),
    ]


async def _waiting(bus: Bus) -> dict[str, float | None]:
    """Return how many deliveries the bus holds that were not taken, and the age of the oldest; None: nobody can say."""
    try:
        lags = [lag for lag in await bus.lags() if lag.subscription.endswith(ALERTS)]
    except UnavailableError:
        return {"bus_lag": None, "bus_oldest_seconds": None}
    return {
        "bus_lag": sum(lag.records for lag in lags),
        "bus_oldest_seconds": max((lag.oldest_seconds for lag in lags), default=0.0),
    }
