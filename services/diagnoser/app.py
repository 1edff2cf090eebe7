"""The composition root of the diagnoser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Table
from starlette.types import ASGIApp

from services.diagnoser.adapters.archive import StoredArchive
from services.diagnoser.adapters.backgrounds import StoredBackgrounds
from services.diagnoser.adapters.budget import StoredBudget
from services.diagnoser.adapters.cause_files import cause_names, cause_titles
from services.diagnoser.adapters.engine_process import EngineProcess
from services.diagnoser.adapters.memory import StoredMemory
from services.diagnoser.adapters.records import LOOK_EVERY, StoredRecords
from services.diagnoser.adapters.retention import PeriodicTask, Retention
from services.diagnoser.adapters.second_opinion import SecondOpinion
from services.diagnoser.adapters.tables import TABLES
from services.diagnoser.collectors import clock, collectors, topology
from services.diagnoser.domain.config import Config
from services.diagnoser.domain.model_use import ClientKind, Reach, Use
from services.diagnoser.domain.rules import Rules
from services.diagnoser.entrypoints.consumer import route_alert, route_incident, route_request
from services.diagnoser.entrypoints.reads import read_routes
from services.diagnoser.handlers import waiting
from services.diagnoser.handlers.advising import SmallSteps, Teller
from services.diagnoser.handlers.incident import Incident
from services.diagnoser.handlers.investigate import Investigator, Means
from services.diagnoser.handlers.investigating import ACTIVITY
from services.diagnoser.handlers.scope import Scope
from services.diagnoser.ports import Budget, Engine
from services.diagnoser.settings import Settings, use_of
from shared.bus.port import Bus, Subscription
from shared.bus.relay import Relay
from shared.bus.topics import UNHURRIED, group
from shared.errors import ConfigurationError
from shared.events.payload import ALERTS, INCIDENTS, REQUESTS
from shared.integrations.registry import Integrations
from shared.runbooks.authored import read
from shared.runbooks.load import load_runbooks
from shared.runtime.service import Running, Service, Surroundings
from shared.runtime.web import service_asgi
from shared.store.control import care_routes
from shared.store.model import Kind
from shared.store.port import Store
from shared.store.worker import ActivityWorker
from shared.telemetry.redacting import Redactor

NAME = "diagnoser"
ROUTES = {ALERTS: route_alert, REQUESTS: route_request, INCIDENTS: route_incident}


def kinds(settings: Settings) -> list[Kind]:
    """Return the kinds of aggregates."""
    del settings
    return [Scope(), Incident()]


def tables() -> list[Table]:
    """Return the relational tables: dispositions, and what investigations saw."""
    return list(TABLES)


class Diagnoser(Service):
    """Alerts and requests in; incidents, evidence, diagnoses and recommendations out."""

    name = NAME

    def __init__(
        self,
        bus: Bus,
        relay: Relay,
        worker: ActivityWorker,
        periodic: Sequence[PeriodicTask],
        closing: tuple[Engine, Integrations],
    ) -> None:
        self.asgi: ASGIApp
        self._bus = bus
        self._relay = relay
        self._worker = worker
        self._periodic = periodic
        self._engine, self._integrations = closing

    async def start(self) -> None:
        """Begin to send, to investigate and to forget what is old. The engine starts with the first case."""
        self._relay.start()
        self._worker.start()
        for task in self._periodic:
            task.start()

    async def stop(self) -> None:
        """Stop; an investigation that is cut off is done again after the next start."""
        for task in self._periodic:
            await task.stop()
        await self._worker.stop()
        await self._engine.stop()
        await self._relay.stop()
        await self._integrations.close()

    def problems(self) -> Mapping[str, str]:
        """Return what keeps it from being ready."""
        problem = self._bus.problem()
        return ({"bus": problem} if problem else {}) | self.ended()


def build_app(
    settings: Settings, bus: Bus, store: Store, surroundings: Surroundings, *, engine: Engine | None = None
) -> Service:
    """Wire the diagnoser. `engine`: another than the child process.

    Raises ConfigurationError without a receipt key, AuthoredError for a wrong rule file or runbook.
    """
    receipt_key = settings.receipt_key.get_secret_value().encode()
    if not receipt_key:
        raise ConfigurationError("diagnoser.receipt_key is missing; give ingest and diagnoser the same one")
    config = _config(settings, surroundings, receipt_key)
    store.configure(config, config.sha256)
    for topic, route in ROUTES.items():
        pace = UNHURRIED if topic == INCIDENTS else 0.0
        bus.subscribe(Subscription(group(NAME, topic), topic, route, store, pace=pace))
    integrations = Integrations(
        {**_world(settings), **_datadog(settings), "knowledge_folder": settings.knowledge}, live=_live(settings)
    )
    budget = StoredBudget(store, day=use_of(settings.model.day), incident=use_of(settings.model.incident))
    engine = engine or _engine(settings, surroundings, budget)
    archive, memory = StoredArchive(store), StoredMemory(store)
    adviser = engine if isinstance(engine, SecondOpinion) else None
    redact = Redactor(_secrets(settings, surroundings))
    means = Means(
        clock=clock(integrations),
        topology=topology(integrations),
        collectors=collectors(integrations),
        engine=engine,
        memory=memory,
        backgrounds=StoredBackgrounds(store),
        redact=redact,
        collect_seconds=settings.collect_seconds,
        small_steps=SmallSteps(adviser, tuple(config.runbooks.values()), redact) if adviser else None,
    )
    activities = {ACTIVITY: Investigator(means).investigate, waiting.ACTIVITY: Teller(adviser, redact).tell}
    worker = ActivityWorker(store, activities, redactor=redact)
    relay, retention, records = Relay(store, bus), Retention(store), StoredRecords(store)
    account = PeriodicTask(records.look, LOOK_EVERY)
    service = Diagnoser(bus, relay, worker, (retention, account), (engine, integrations))
    parts: Mapping[str, Running] = {"relay": relay, "worker": worker, "retention": retention, "account": account}
    service.running = {"store": store, "bus": bus, **parts}
    routes = [
        *read_routes(records, archive, budget, memory, titles=cause_titles(), bus=bus, receipt_key=receipt_key),
        *care_routes(store),
    ]
    service.asgi = service_asgi(
        routes, token=surroundings.service_token, problems=service.problems, ended=service.ended
    )
    return service


def _config(settings: Settings, surroundings: Surroundings, receipt_key: bytes) -> Config:
    return Config(
        rules=read(settings.rules_file, Rules),
        runbooks=load_runbooks(settings.runbooks or surroundings.project / "runbooks"),
        receipt_key=receipt_key,
        reopen_within=settings.reopen_within,
        close_after=settings.close_after,
        investigate_every=settings.investigate_every,
        answer_within=settings.answer_within,
        asks_model=settings.engine != "offline",
        causes=cause_names(),
    )


def _engine(settings: Settings, surroundings: Surroundings, budget: Budget) -> Engine:
    """Return the engine that is configured. Raises ConfigurationError for a model without its key."""
    process = EngineProcess(case_seconds=settings.engine_seconds)
    if settings.engine == "offline":
        return process
    terms = terms_of(settings, settings.engine, surroundings.project)
    return SecondOpinion(process, budget, *terms, small=use_of(settings.model.step))


def terms_of(settings: Settings, kind: ClientKind, project: Path) -> tuple[Reach, Use]:
    """Return how the model is reached and what one conversation may use.

    Raises ConfigurationError for a model without its key.
    """
    model = settings.model
    if kind == "anthropic" and not model.api_key.get_secret_value():
        raise ConfigurationError(
            "the engine 'anthropic' needs diagnoser.model.api_key, its _file or SIGNOFF_DIAGNOSER__MODEL__API_KEY"
        )
    reach = Reach(
        kind=kind,
        model=model.name,
        base_url=model.base_url,
        key=model.api_key if kind == "anthropic" else SecretStr(""),
        input_usd=model.input_usd,
        output_usd=model.output_usd,
        replies=str((model.replies or project / "fixtures/replies").absolute()),
    )
    return reach, use_of(model.conversation)


def _world(settings: Settings) -> Mapping[str, str]:
    return {"world_url": settings.world.url, "world_token": settings.world.token.get_secret_value()}


def _datadog(settings: Settings) -> Mapping[str, object]:
    given = settings.datadog
    keys = {"api_key": given.api_key.get_secret_value(), "app_key": given.application_key.get_secret_value()}
    return {f"datadog_{name}": value for name, value in {**keys, "url": given.url, "metrics": given.metrics}.items()}


def _live(settings: Settings) -> Mapping[str, str]:
    """Return who serves live environments: whom there are keys for, and the folder that is named."""
    keys = settings.datadog.api_key.get_secret_value(), settings.datadog.application_key.get_secret_value()
    return {
        **({"MonitoringProvider": "shared.integrations.datadog:DatadogMonitoring"} if all(keys) else {}),
        **({"KnowledgeProvider": "shared.integrations.articles:FolderKnowledge"} if settings.knowledge else {}),
    }


def _secrets(settings: Settings, surroundings: Surroundings) -> list[str]:
    """Return the secrets this process knows, so that no evidence repeats one."""
    vendors = (settings.datadog.api_key, settings.datadog.application_key)
    given = (settings.receipt_key, settings.world.token, settings.model.api_key, *vendors)
    return [*(secret.get_secret_value() for secret in given), surroundings.service_token]
