"""The composition root of the executor."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Table
from starlette.types import ASGIApp

from services.executor.actions.calling import Calling
from services.executor.adapters.outside import ConnectedOutside
from services.executor.domain import work
from services.executor.domain.config import ExecutorConfig
from services.executor.domain.policy import Policy
from services.executor.entrypoints.consumer import route_decisions, route_incidents
from services.executor.entrypoints.control import control_routes
from services.executor.handlers.checking import check_runbooks
from services.executor.handlers.governor import GovernorKind
from services.executor.handlers.incident import Incident
from services.executor.handlers.patience import patient
from services.executor.handlers.preparing import Preparing
from services.executor.handlers.reading import Reading
from services.executor.handlers.rechecking import Rechecking
from services.executor.handlers.reconciling import Reconciling
from services.executor.handlers.redacting import redacted
from services.executor.settings import Settings, TrustedKey
from shared.bus.port import Bus, Subscription
from shared.bus.relay import Relay
from shared.bus.topics import UNHURRIED, group
from shared.errors import AuthoredError, ConfigurationError
from shared.events.payload import DECISIONS, INCIDENTS
from shared.integrations.registry import Integrations
from shared.runbooks.authored import read
from shared.runbooks.load import load_runbooks
from shared.runbooks.model import Runbook
from shared.runtime.people import load_people
from shared.runtime.secrets import public_key
from shared.runtime.service import Service, Surroundings
from shared.runtime.web import service_asgi
from shared.store.control import care_routes
from shared.store.model import Kind
from shared.store.port import Store
from shared.store.worker import ActivityWorker, Handler
from shared.telemetry.redacting import Redactor

NAME = "executor"
POLICY = Path(__file__).with_name("policy.yaml")
RECONCILE_TRIES = 12
"""About six minutes: a call in doubt is worth waiting for the vendor's record before a person must look."""
CALLS_MAX = 16
"""Calls at a time, beside the reads, so that a slow monitoring system holds up no approved call."""


def kinds(settings: Settings) -> list[Kind]:
    """Return the kinds of aggregates."""
    del settings
    return [Incident(), GovernorKind()]


def tables() -> list[Table]:
    """Return the relational tables: none."""
    return []


class Executor(Service):
    """Recommendations and signed decisions in; questions, exactly the approved calls, and verdicts out."""

    name = NAME

    def __init__(
        self,
        bus: Bus,
        relay: Relay,
        workers: Sequence[ActivityWorker],
        integrations: Integrations,
    ) -> None:
        self.asgi: ASGIApp
        self._bus = bus
        self._relay = relay
        self._workers = workers
        self._integrations = integrations

    async def start(self) -> None:
        """Begin to send, to read and to call."""
        self._relay.start()
        for worker in self._workers:
            worker.start()

    async def stop(self) -> None:
        """Stop; a call that is cut off is in doubt and is reconciled after the next start."""
        for worker in self._workers:
            await worker.stop()
        await self._relay.stop()
        await self._integrations.close()

    def problems(self) -> Mapping[str, str]:
        """Return what keeps it from being ready."""
        problem = self._bus.problem()
        return ({"bus": problem} if problem else {}) | self.ended()


def build_app(settings: Settings, bus: Bus, store: Store, surroundings: Surroundings) -> Service:
    """Wire the executor. Raises ConfigurationError without a trusted key, AuthoredError for a file that is wrong."""
    config = _config(settings)
    runbooks = _runbooks(settings.runbooks or surroundings.project / "runbooks")
    store.configure(config, _digest(config, settings.trusted_keys, runbooks))
    bus.subscribe(Subscription(group(NAME, INCIDENTS), INCIDENTS, route_incidents, store, pace=UNHURRIED))
    bus.subscribe(Subscription(group(NAME, DECISIONS), DECISIONS, route_decisions, store, above_high_water=True))
    integrations = Integrations(
        {"world_url": settings.world.url, "world_token": settings.world.token.get_secret_value()}
    )
    calling = Calling(integrations, store.now)
    outside = ConnectedOutside(integrations, calling.verbs)
    redactor = Redactor([settings.world.token.get_secret_value(), surroundings.service_token])
    calls = ActivityWorker(store, {work.CALL: redacted(calling.call, redactor)}, CALLS_MAX, redactor=redactor)
    reads = ActivityWorker(store, _reads(outside, runbooks, redactor, store.now), redactor=redactor)
    relay = Relay(store, bus)
    service = Executor(bus, relay, (calls, reads), integrations)
    service.running = {"store": store, "bus": bus, "relay": relay, "calls": calls, "reads": reads}
    routes = [*control_routes(store, config.trusted), *care_routes(store)]
    token = surroundings.service_token
    service.asgi = service_asgi(routes, token=token, problems=service.problems, ended=service.ended)
    return service


def _reads(
    outside: ConnectedOutside, runbooks: Mapping[str, Runbook], redactor: Redactor, now: Callable[[], Awaitable[float]]
) -> dict[str, Handler]:
    reads = {
        work.PREPARE_PLAN: patient(Preparing(outside, runbooks).prepare),
        work.RECHECK: patient(Rechecking(outside, runbooks, now).recheck),
        work.RECONCILE: patient(Reconciling(outside).reconcile, tries=RECONCILE_TRIES),
        work.VERIFY_READ: patient(Reading(outside, now).read),
    }
    return {name: redacted(look, redactor) for name, look in reads.items()}


def _config(settings: Settings) -> ExecutorConfig:
    if not settings.trusted_keys:
        raise ConfigurationError("executor.trusted_keys is missing: without it no decision of a person can count")
    keys = {kid: _key(given) for kid, given in settings.trusted_keys.items()}
    trusted = {kid: public_key(key.key) for kid, key in keys.items()}
    valid = {
        kid: (key.since.timestamp() if key.since else -math.inf, key.until.timestamp() if key.until else math.inf)
        for kid, key in keys.items()
    }
    return ExecutorConfig(_policy(settings.policy_file), load_people(settings.people_file), trusted, valid)


def _key(given: str | TrustedKey) -> TrustedKey:
    return given if isinstance(given, TrustedKey) else TrustedKey(key=given)


def _policy(path: Path | None) -> Policy:
    """Return the policy; without any file nothing is forbidden and everything needs approval."""
    if path is None and not POLICY.exists():
        return Policy()
    return read(path or POLICY, Policy)


def _runbooks(folder: Path) -> dict[str, Runbook]:
    if not folder.is_dir():
        raise AuthoredError(f"{folder}: there is no such folder of runbooks; set executor.runbooks")
    runbooks = load_runbooks(folder)
    check_runbooks(runbooks.values())
    return runbooks


def _digest(config: ExecutorConfig, trusted: Mapping[str, str | TrustedKey], runbooks: Mapping[str, Runbook]) -> str:
    """Return what an audit entry names the rules of its day by."""
    digests = sorted((runbook.id, runbook.sha256) for runbook in runbooks.values())
    parts = (config.policy.model_dump_json(), config.people.model_dump_json(), sorted(trusted.items()), digests)
    return hashlib.sha256(repr(parts).encode()).hexdigest()
