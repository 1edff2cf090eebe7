"""The composition root of ingest."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr
from sqlalchemy import Table
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingest.adapters.delivery_log import CircuitLog
from services.ingest.domain.authentic import Secrets
from services.ingest.domain.parsed import Parser
from services.ingest.entrypoints.control import control_routes
from services.ingest.entrypoints.webhooks import PREFIX, Webhooks
from services.ingest.handlers.keep import Keeper
from services.ingest.handlers.spool import Spool
from services.ingest.settings import Settings, SourceSettings
from services.ingest.sources import datadog, generic, pagerduty
from shared.bus.port import Bus
from shared.bus.relay import Relay
from shared.errors import ConfigurationError
from shared.runtime.service import Service, Surroundings
from shared.runtime.web import service_asgi
from shared.store.control import care_routes
from shared.store.model import Kind
from shared.store.port import Store

PARSERS: Mapping[str, Parser] = {
    datadog.SOURCE: datadog.parse,
    pagerduty.SOURCE: pagerduty.parse,
    generic.SOURCE: generic.parse,
}


def kinds(settings: Settings) -> list[Kind]:
    """Return the kinds of aggregates; the store of ingest is its spool."""
    del settings
    return [Spool()]


def tables() -> list[Table]:
    """Return the relational tables: none."""
    return []


class Ingest(Service):
    """Webhooks in, `alerts.v1` out."""

    name = "ingest"

    def __init__(self, log: CircuitLog, relay: Relay, asgi: ASGIApp) -> None:
        self.asgi = asgi
        self._log = log
        self._relay = relay

    async def start(self) -> None:
        """Begin to pass on what the spool holds."""
        self._relay.start()
        await self._log.start()

    async def stop(self) -> None:
        """Stop; what is spooled stays."""
        await self._log.stop()
        await self._relay.stop()

    def problems(self) -> Mapping[str, str]:
        """Return nothing: with the bus away ingest still accepts, so it stays ready."""
        return {}


def build_app(settings: Settings, bus: Bus, store: Store, surroundings: Surroundings) -> Service:
    """Wire ingest. Raises ConfigurationError without a receipt key."""
    receipt_key = settings.receipt_key.get_secret_value().encode()
    if not receipt_key:
        raise ConfigurationError("ingest.receipt_key is missing; give ingest and diagnoser the same one")
    log = CircuitLog(bus, store, append_seconds=settings.append_seconds, spool_max=settings.spool_max)
    secrets = {source: _secrets(getattr(settings, source)) for source in PARSERS}
    keeper = Keeper(log, PARSERS, receipt_key)
    webhooks = Webhooks(secrets, keeper, body_seconds=settings.body_seconds)
    routes = [*control_routes(keeper), *care_routes(store)]
    inner = service_asgi(routes, token=surroundings.service_token, problems=dict)
    return Ingest(log, Relay(store, bus), _split(webhooks, inner))


def _secrets(source: SourceSettings) -> Secrets:
    def raw(secret: SecretStr) -> bytes:
        return secret.get_secret_value().encode()

    return Secrets(tuple(map(raw, source.secrets)), None if source.replay_secret is None else raw(source.replay_secret))


def _split(webhooks: ASGIApp, inner: ASGIApp) -> ASGIApp:
    """Keep the hot path away from routing and middleware."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        hot = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (webhooks if hot else inner)(scope, receive, send)

    return app
