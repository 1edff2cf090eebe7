"""`signoff up`: four services and the world in one process, two listeners, nothing needed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cli.composition import Composed, compose
from cli.errors import Exit, tell
from cli.output import say
from cli.project import FIXTURES
from cli.sections import SERVICES, Sections
from cli.starting import (
    LOOPBACK,
    answer_to,
    listen,
    prepare,
    read,
    remove_run_file,
    url_of,
    what_is_off,
    write_run_file,
)
from cli.world import address
from shared.errors import SignoffError
from shared.runtime.clock import wall
from shared.runtime.configuration import Configuration
from shared.runtime.server import Listener
from simulation.app import build_world_app
from simulation.driver import World

COMMAND = "signoff up"


@dataclass(frozen=True, slots=True)
class Ports:
    """The listeners of `up`; the world takes a free port on loopback."""

    console: int
    webhooks: int
    any_port: bool


@dataclass(frozen=True, slots=True)
class Up:
    """A running Signoff."""

    composed: Composed
    url: str
    webhook_url: str


@contextlib.asynccontextmanager
async def running(data: Path, ports: Ports, configuration: Configuration | None = None) -> AsyncIterator[Up]:
    """Start everything, give it when it answers, stop it. Raises ConfigurationError before anything has started."""
    configuration = configuration or read()
    console = listen(LOOPBACK, ports.console, command=COMMAND, any_port=ports.any_port)
    webhooks = listen(LOOPBACK, ports.webhooks, command=COMMAND, flag="--webhook-port", any_port=ports.any_port)
    outside = listen(LOOPBACK, 0, command=COMMAND)
    configuration.give(("mock", "url"), url_of(outside), "up")
    answer_to(configuration, url_of(console))
    sections = prepare(configuration, data, SERVICES, level="WARNING")
    composed = await compose(sections, data)
    try:
        world = World(data, FIXTURES, address(sections, url_of(webhooks)), wall)
        composed.stack.push_async_callback(world.stop)
        composed.listeners = [
            Listener(outside, build_world_app(world, sections.mock.token.get_secret_value())),
            Listener(webhooks, composed.service("ingest").asgi),
            Listener(console, composed.service("notifier").asgi),
        ]
        await composed.start()
        await world.start()
        composed.stack.callback(remove_run_file, write_run_file(sections, data, url_of(console), url_of(webhooks)))
        _greet(sections, data, url_of(console), url_of(webhooks))
        yield Up(composed, url_of(console), url_of(webhooks))
    finally:
        await composed.stop()


async def run_up(data: Path, ports: Ports, stop: asyncio.Event, *, replay: str | None) -> int:
    """Run until `stop`; replay a scenario first when asked."""
    configuration = read()
    if replay is not None:
        configuration.default(("notifier", "terminal"), value=False, place="the replay tells it all")
    async with running(data, ports, configuration):
        if replay is not None:
            threading.Thread(target=_replay, args=(replay, data, stop), daemon=True).start()
        await stop.wait()
    return Exit.DONE


def _replay(scenario: str, data: Path, stop: asyncio.Event) -> None:
    """Replay as a client of our own."""
    from cli.replay import Replay, follow

    try:
        follow(Replay(scenario, data, approve="ask", wait=True))
    except SignoffError as error:
        if not stop.is_set():
            tell(error)


def _greet(sections: Sections, data: Path, url: str, webhook_url: str) -> None:
    say(f"signoff is ready: everything in one process, data in {data}")
    say(f"  Console    {url}        sign in: signoff login")
    say(f"  Webhooks   {webhook_url}/webhooks/datadog, /pagerduty, /generic        set up: signoff config show")
    for text in what_is_off(sections):
        say(f"  Off        {text}")
    say("  Next       signoff replay high_cpu        (in another terminal)")
    say("  Stop       Ctrl-C")
