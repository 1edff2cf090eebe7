"""Routes for the other services and the command: accounting, receipts, and bodies of simulated runs."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.ingest.domain.receipt import is_ours
from services.ingest.entrypoints.body import BODY_MAX
from services.ingest.entrypoints.webhooks import told
from services.ingest.handlers.accept import Accepted
from services.ingest.handlers.keep import Keeper
from shared.incident.model import is_environment
from shared.runtime.clock import wall


def control_routes(keeper: Keeper) -> list[Route]:
    """Return the routes; the caller wraps them in the service token."""

    async def account(_: Request) -> Response:
        found = keeper.account()
        return JSONResponse(asdict(found) | {"unaccounted": found.unaccounted})

    async def receipt(request: Request) -> Response:
        given = request.path_params["receipt"]
        # A message of a delivery (`receipt/n`) is as much in flight as the delivery.
        return JSONResponse({"receipt": given}, 200 if is_ours(keeper.receipt_key, given.partition("/")[0]) else 404)

    async def deliver(request: Request) -> Response:
        source, run = request.path_params["source"], request.headers.get("signoff-run", "")
        if source not in keeper.parsers or not is_environment(f"sim:{run}"):
            return JSONResponse({"error": "needs a known source and the header Signoff-Run"}, 400)
        body = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        accepted = Accepted(source, f"sim:{run}", headers, body[:BODY_MAX], wall(), len(body))
        said = await told(source, keeper.keep(accepted))
        return JSONResponse(said.body, said.status)

    return [
        Route("/control/account", account),
        Route("/control/receipts/{receipt:path}", receipt),
        Route("/control/deliveries/{source}", deliver, methods=["POST"]),
    ]
