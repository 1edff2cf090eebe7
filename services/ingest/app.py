"""The composition root of ingest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from sqlalchemy import Table
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingest.adapters.delivery_log import CircuitLog
from services.ingest.domain.authentic import Secrets
from services.ingest.domain.parsed import Parser
from services.ingest.entrypoints.body import BodyReader
from services.ingest.entrypoints.control import control_routes
from services.ingest.entrypoints.webhooks import PREFIX, Webhooks
from services.ingest.handlers import canary
from services.ingest.handlers.keep import Keeper
from services.ingest.handlers.metrics import CIRCUIT_OPEN, IN_SPOOL, UNACCOUNTED
from services.ingest.handlers.redacting import AlertRedactor
from services.ingest.handlers.spool import Spool
from services.ingest.settings import Settings, SourceSettings
from services.ingest.sources import datadog, generic, pagerduty
from shared.bus.port import Bus
from shared.bus.relay import Relay
from shared.errors import ConfigurationError
from shared.runtime.http import Answer as Say
from shared.runtime.service import Service, Surroundings
from shared.runtime.tasks import begin_task, stop_tasks, why_ended
from shared.runtime.web import service_asgi
from shared.store.control import care_routes
from shared.store.model import Kind
from shared.store.port import Store

log = logging.getLogger("signoff.ingest")

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

    def __init__(
        self, settings: Settings, delivery_log: CircuitLog, relay: Relay, keeper: Keeper, secrets: Mapping[str, Secrets]
    ) -> None:
        self._settings = settings
        self._log = delivery_log
        self._relay = relay
        self._keeper = keeper
        self._secrets = secrets
        self._canaries: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to pass on what the spool holds; say which sources are off."""
        for source in (name for name, secrets in self._secrets.items() if secrets.off):
            log.warning(
                "source %s is off and answers 503: set SIGNOFF_INGEST__%s__SECRETS to use it", source, source.upper()
            )
        self._relay.start()
        await self._log.start()
        self._canaries = begin_task(canary.send_canaries(self._keeper, self._settings.canary_seconds))
        CIRCUIT_OPEN.set_function(lambda: self._log.is_open)
        IN_SPOOL.set_function(lambda: self._keeper.account().in_spool)
        UNACCOUNTED.set_function(lambda: self._keeper.account().unaccounted)

    async def stop(self) -> None:
        """Stop; what is spooled stays."""
        await stop_tasks(self._canaries)
        await self._log.stop()
        await self._relay.stop()

    def ended(self) -> dict[str, str]:
        """Return what should run until `stop` and has ended by itself, by its name; sending canaries too."""
        canaries = why_ended(self._canaries)
        return super().ended() | ({"canaries": canaries} if canaries else {})

    def problems(self) -> Mapping[str, str]:
        """Return why senders are told 503. With the bus away deliveries are spooled, and ingest stays ready."""
        problem = self._log.problem()
        found = ({"spool": problem} if problem else {}) | self.ended()
        unaccounted = self._keeper.account().unaccounted
        return found | ({"account": f"{unaccounted} messages are unaccounted for"} if unaccounted else {})


def build_app(settings: Settings, bus: Bus, store: Store, surroundings: Surroundings) -> Service:
    """Wire ingest. Raises ConfigurationError without a receipt key."""
    receipt_key = settings.receipt_key.get_secret_value().encode()
    if not receipt_key:
        raise ConfigurationError("ingest.receipt_key is missing; give ingest and diagnoser the same one")
    delivery_log = CircuitLog(bus, store, limit=settings.append_seconds, spool_max=settings.spool_max)
    secrets = {source: _secrets(getattr(settings, source)) for source in PARSERS}
    redactor = AlertRedactor(_known(settings, surroundings))
    keeper = Keeper(delivery_log, {**PARSERS, canary.SOURCE: canary.parse}, receipt_key, redactor)
    relay = Relay(store, bus)
    ingest = Ingest(settings, delivery_log, relay, keeper, secrets)
    ingest.running = {"store": store, "bus": bus, "relay": relay, "spool": delivery_log}
    webhooks = Webhooks(secrets, keeper, BodyReader(seconds=settings.body_seconds))
    routes = [*control_routes(keeper), *care_routes(store)]
    token = surroundings.service_token
    inner = service_asgi(routes, token=token, problems=ingest.problems, ended=ingest.ended)
    ingest.asgi = _Split(webhooks, inner)
    return ingest


def _secrets(source: SourceSettings) -> Secrets:
    replay = source.replay_secret
    return Secrets.of(
        [secret.get_secret_value() for secret in source.secrets], replay.get_secret_value() if replay else None
    )


def _known(settings: Settings, surroundings: Surroundings) -> list[str]:
    """Return the secrets this process knows, so that no event repeats one."""
    sources: list[SourceSettings] = [getattr(settings, source) for source in PARSERS]
    given = [
        settings.receipt_key,
        *(secret for source in sources for secret in (*source.secrets, source.replay_secret)),
    ]
    return [*(secret.get_secret_value() for secret in given if secret is not None), surroundings.service_token]


class _Split:
    """Keeps the hot path away from routing and middleware."""

    def __init__(self, webhooks: Webhooks, app: ASGIApp) -> None:
        self._webhooks = webhooks
        self._app = app

    def take(self, scope: Scope, body: bytes, say: Say) -> bool:
        """Take what is a webhook."""
        return scope["path"].startswith(PREFIX) and self._webhooks.take(scope, body, say)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the one or the other."""
        hot = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (self._webhooks if hot else self._app)(scope, receive, send)
