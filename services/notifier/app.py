"""The composition root of the notifier."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping

from fastapi import FastAPI
from sqlalchemy import Table
from starlette.types import ASGIApp

from services.notifier.adapters.changes import ChangeFeed
from services.notifier.adapters.own import own_peer
from services.notifier.adapters.peers import HTTPPeer
from services.notifier.adapters.read_model import StoredReadModel
from services.notifier.adapters.sessions import StoredSessions
from services.notifier.adapters.tables import TABLES
from services.notifier.channels import slack, terminal
from services.notifier.console.pages import Pages
from services.notifier.console.rendering import templates
from services.notifier.console.routes import Console
from services.notifier.domain.config import Config
from services.notifier.domain.origin import place_of
from services.notifier.entrypoints import api
from services.notifier.entrypoints.consumer import route
from services.notifier.entrypoints.explaining import explain
from services.notifier.entrypoints.guard import Guard
from services.notifier.handlers.acting import Desk
from services.notifier.handlers.caring import Care
from services.notifier.handlers.catalogue import Catalogue
from services.notifier.handlers.incident import Incident
from services.notifier.handlers.posting import Posting
from services.notifier.handlers.request import Request as RequestKind
from services.notifier.handlers.signing import Signer
from services.notifier.handlers.signing_in import SigningIn
from services.notifier.handlers.signins import SignIns
from services.notifier.handlers.telling import POST
from services.notifier.ports import Channel, Peer
from services.notifier.settings import Settings
from shared.bus.port import Bus, Subscription
from shared.bus.relay import Relay
from shared.bus.topics import group
from shared.errors import ConfigurationError, UnavailableError
from shared.events.payload import INCIDENTS
from shared.integrations.registry import Integrations
from shared.runtime.people import load_people
from shared.runtime.secrets import private_key, public_key
from shared.runtime.service import Service, Surroundings
from shared.runtime.web import health_routes
from shared.store.model import Kind
from shared.store.port import Store
from shared.store.worker import ActivityWorker

NAME = "notifier"
HOUR = 3600


def kinds(settings: Settings) -> list[Kind]:
    """Return the kinds of aggregates."""
    del settings
    return [Incident(), RequestKind(), SignIns()]


def tables() -> list[Table]:
    """Return the relational tables: journal, list, approvals, sessions, logins."""
    return list(TABLES)


class Notifier(Service):
    """Events in; pages, posts and signed decisions out."""

    name = NAME

    def __init__(
        self,
        asgi: ASGIApp,
        bus: Bus,
        running: tuple[Relay, ActivityWorker],
        read_model: StoredReadModel,
        closing: tuple[ChangeFeed, Integrations],
    ) -> None:
        self.asgi = asgi
        self._bus = bus
        self._relay, self._worker = running
        self._read_model = read_model
        self._changes, self._integrations = closing

    async def start(self) -> None:
        """Begin to send and to post; fold again what other rules folded."""
        self._relay.start()
        self._worker.start()
        await self._read_model.refold()

    async def end_streams(self) -> None:
        """End the streams of pages; they come again where another replica answers."""
        await self._changes.stop()

    async def stop(self) -> None:
        """Stop; what is not posted or sent stays in the store."""
        await self._changes.stop()
        await self._worker.stop()
        await self._relay.stop()
        await self._integrations.close()

    def problems(self) -> Mapping[str, str]:
        """Return what keeps it from being ready."""
        problem = self._bus.problem()
        return ({"bus": problem} if problem else {}) | self.ended()


def build_app(settings: Settings, bus: Bus, store: Store, surroundings: Surroundings) -> Service:
    """Wire the notifier. Raises ConfigurationError without a signing key."""
    if not settings.signing_key.get_secret_value():
        raise ConfigurationError("notifier.signing_key is missing: without it no decision of a person can be sent")
    people = load_people(settings.people_file)
    place = place_of(settings.base_url, settings.allowed_hosts)
    read_model, changes = StoredReadModel(store), ChangeFeed(store)
    sessions = StoredSessions(store, session_seconds=settings.session_hours * HOUR)
    signing_in = SigningIn(
        store, sessions, people, run_token=settings.run_token.get_secret_value(), operator=settings.operator
    )
    peers: dict[str, Peer] = {name: HTTPPeer(name, client) for name, client in surroundings.peers.items()}
    signer = Signer(settings.kid, private_key(settings.signing_key.get_secret_value()))
    desk = Desk(store, read_model, signer, people, peers["executor"])
    integrations = Integrations(_world(settings))
    channels = _channels(settings, integrations, signing_in)
    bus.subscribe(Subscription(group(NAME, INCIDENTS), INCIDENTS, route, store))
    others = {kid: public_key(text) for kid, text in settings.other_keys.items()}
    keys = {**others, signer.kid: signer.key.public_key()}
    config = Config(place.base_url, tuple(channels), _live(channels), settings.answer_seconds, keys)
    store.configure(config, hashlib.sha256(repr(config).encode()).hexdigest())

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.parts = api.Parts(
        read_model, changes, desk, Care({**peers, NAME: own_peer(store, NAME)}, people), signing_in
    )
    app.include_router(api.router)
    pages = Pages(read_model, store, signing_in, templates(), catalogue=Catalogue(peers["diagnoser"]))
    console = Console(pages, changes, desk, signing_in, place, int(settings.session_hours * HOUR))

    def problem(title: str, text: str) -> str:
        return pages.plain("problem.html", {"title": title, "text": text})

    explain(app, problem)
    worker = ActivityWorker(store, {POST: Posting(store, channels).post})
    guarded = Guard(app, place, signing_in, problem)
    relay = Relay(store, bus)
    service = Notifier(guarded, bus, (relay, worker), read_model, (changes, integrations))
    service.running = {"store": store, "bus": bus, "relay": relay, "worker": worker, "changes": changes}
    app.router.routes.extend([*health_routes(service.problems, service.ended), *console.routes()])
    return service


def _world(settings: Settings) -> Mapping[str, str]:
    return {"world_url": settings.world.url, "world_token": settings.world.token.get_secret_value()}


def _channels(settings: Settings, integrations: Integrations, signing_in: SigningIn) -> dict[str, Channel]:
    """Return the channels of a simulated run."""
    channels: dict[str, Channel] = {}
    if settings.terminal:

        async def invite() -> str:
            return await signing_in.invite(settings.operator) if signing_in.knows(settings.operator) else ""

        channels[terminal.NAME] = terminal.Terminal(_write, invite)
    if settings.world.url:
        channels[slack.NAME] = slack.Slack(integrations)
    return channels


def _live(channels: Mapping[str, Channel]) -> tuple[str, ...]:
    """Return the channels of production: a vendor's Slack comes with its integration, the terminal is always one."""
    return tuple(name for name in channels if name == terminal.NAME)


def _write(text: str) -> None:
    """Write to the terminal. Raises UnavailableError, as when that is a file on a full disk."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError as error:
        raise UnavailableError(f"standard error cannot be written: {error.strerror}") from error
