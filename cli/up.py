"""`signoff up`: four services and the world in one process, two listeners, nothing needed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from cli.client import RUN_FILE, Running
from cli.composition import SERVICES, Composed, compose
from cli.errors import Exit, HintedError
from cli.output import say
from cli.project import FIXTURES
from cli.secrets import SOURCES, give_secrets
from cli.settings import SECTIONS, MockSettings, ServicesSettings
from shared.errors import ConfigurationError
from shared.runtime.clock import wall
from shared.runtime.configuration import Configuration, read_configuration
from shared.runtime.environment import environment_variables
from shared.runtime.secrets import private_folder, write_private
from shared.runtime.server import Listener, bind
from shared.telemetry.logging import Redactor, configure_logging
from simulation.app import build_world_app
from simulation.driver import Address, World

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """The listeners of `up`; the world takes a free port on loopback."""

    console: int
    webhooks: int
    any_port: bool


@dataclass(slots=True)
class Up:
    """A running Signoff."""

    composed: Composed
    world: World
    running: Running
    run_file: Path

    async def stop(self) -> None:
        """Stop everything."""
        await self.world.stop()
        await self.composed.stop()
        self.run_file.unlink(missing_ok=True)


async def start_up(data: Path, ports: Ports, configuration: Configuration | None = None) -> Up:
    """Start everything and return when it answers. Raises ConfigurationError before anything has started."""
    configuration = configuration or read_configuration(environment_variables(), folder=Path.cwd())
    configuration.check_sections(SECTIONS)
    console, webhooks = _bind(ports.console, ports, "--port"), _bind(ports.webhooks, ports, "--webhook-port")
    world_socket = bind(HOST, 0, name="world")
    private_folder(data)
    give_secrets(configuration, data)
    world_url = _url(world_socket)
    configuration.give(("mock", "url"), world_url, "up")
    configuration.default(("notifier", "base_url"), _url(console), "up")
    composed = await compose(configuration, SERVICES, data)
    world = World(data, FIXTURES, world_address(configuration, _url(webhooks)), wall)
    token = configuration.section("mock", MockSettings).token.get_secret_value()
    composed.listeners = [
        Listener(world_socket, build_world_app(world, token)),
        Listener(webhooks, composed.service("ingest").asgi),
        Listener(console, composed.service("notifier").asgi),
    ]
    await composed.start()
    for listener in composed.listeners:
        await listener.start()
    await world.start()
    run_token = str(configuration.values["notifier", "run_token"].value)
    running = Running(_url(console), _url(webhooks), run_token, os.getpid(), world_url, token)
    write_private(data / RUN_FILE, json.dumps(asdict(running)))
    return Up(composed, world, running, data / RUN_FILE)


def _bind(port: int, ports: Ports, flag: str) -> socket.socket:
    try:
        return bind(HOST, port, name="signoff up")
    except ConfigurationError:
        if ports.any_port:
            return bind(HOST, 0, name="signoff up")
        raise HintedError(
            f"port {port} is in use",
            Exit.USAGE,
            ("use another port", f"signoff up {flag} {port + 100}"),
            ("or pick a free one", "signoff up --any-port"),
        ) from None


def _url(found: socket.socket) -> str:
    return f"http://{HOST}:{found.getsockname()[1]}"


def world_address(configuration: Configuration, webhooks: str) -> Address:
    """Return where the world posts, with the replay secrets of the sources."""
    token = configuration.section("services", ServicesSettings).token.get_secret_value()
    secrets = {
        source: str(given.value)
        for source in SOURCES
        if (given := configuration.values.get(("ingest", source, "replay_secret"))) is not None
    }
    return Address(webhooks=webhooks, control=webhooks, secrets=secrets, token=token)


async def run_up(data: Path, ports: Ports, *, replay: str | None) -> int:
    """Run until a signal; replay a scenario first when asked."""
    secrets_folder = data / "secrets"
    configure_logging(Redactor(_secrets(secrets_folder)), level="WARNING")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    up = await start_up(data, ports)
    configure_logging(Redactor(_secrets(secrets_folder)), level="WARNING")
    _greet(up, data)
    task = None
    if replay is not None:
        from cli.replay import Replay, follow

        task = asyncio.create_task(
            asyncio.to_thread(follow, Replay(replay, data, approve="ask", speed=10.0, wait=True))
        )
    try:
        await stop.wait()
    finally:
        await up.stop()
        if task is not None:
            task.cancel()
    return Exit.DONE


def _secrets(folder: Path) -> list[str]:
    return [path.read_text().strip() for path in folder.glob("*")] if folder.exists() else []


def _greet(up: Up, data: Path) -> None:
    running = up.running
    say(f"signoff is ready: everything in one process, data in {data}")
    say(f"  Console    {running.url}")
    say(f"  Webhooks   {running.webhook_url}/webhooks/datadog, /pagerduty, /generic")
    say("  Next       signoff replay high_cpu        (in another terminal)")
    say("  Stop       Ctrl-C")
