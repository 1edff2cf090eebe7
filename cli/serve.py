"""`signoff serve NAME`: one service as a process of its own; `signoff world serve`: the world."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path

from cli.client import RUN_FILE, Running
from cli.composition import compose, until_stopped
from cli.errors import Exit
from cli.output import say
from cli.project import FIXTURES
from cli.secrets import give_secrets
from cli.settings import SECTIONS, MockSettings, ServicesSettings
from cli.up import HOST, world_address
from shared.runtime.clock import wall
from shared.runtime.configuration import Configuration, read_configuration
from shared.runtime.environment import environment_variables
from shared.runtime.secrets import private_folder, write_private
from shared.runtime.server import Listener, bind
from shared.telemetry.logging import Redactor, configure_logging
from simulation.app import build_world_app
from simulation.driver import World

PORTS = {"ingest": 8701, "diagnoser": 8703, "executor": 8704, "notifier": 8700}


def _configuration(data: Path) -> Configuration:
    configuration = read_configuration(environment_variables(), folder=Path.cwd())
    configuration.check_sections(SECTIONS)
    private_folder(data)
    give_secrets(configuration, data)
    return configuration


def _stopped() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def serve_one(name: str, *, data: Path, host: str, port: int) -> int:
    """Run one service until a signal."""
    configuration = _configuration(data)
    configure_logging(Redactor(), level="INFO")
    listening = bind(host, port, name=f"signoff serve {name}")
    url = f"http://{host}:{listening.getsockname()[1]}"
    if name == "notifier":
        configuration.default(("notifier", "base_url"), url, "serve")
    composed = await compose(configuration, (name,), data)
    composed.listeners = [Listener(listening, composed.service(name).asgi)]
    stop = _stopped()
    await composed.start()
    await composed.listeners[0].start()
    if name == "notifier":
        _write_run_file(configuration, data, url)
    say(f"{name} is ready on {url}")
    await until_stopped(stop, composed)
    return Exit.DONE


def _write_run_file(configuration: Configuration, data: Path, url: str) -> None:
    world = configuration.section("mock", MockSettings)
    services = configuration.section("services", ServicesSettings)
    token = str(configuration.values["notifier", "run_token"].value)
    running = Running(url, services.ingest_url, token, os.getpid(), world.url, world.token.get_secret_value())
    write_private(data / RUN_FILE, json.dumps(asdict(running)))


async def serve_world(data: Path, port: int) -> int:
    """Run the simulated world until a signal."""
    configuration = _configuration(data)
    configure_logging(Redactor(), level="INFO")
    listening = bind(HOST, port, name="signoff world serve")
    services = configuration.section("services", ServicesSettings)
    world = World(data, FIXTURES, world_address(configuration, services.ingest_url), wall)
    token = configuration.section("mock", MockSettings).token.get_secret_value()
    listener = Listener(listening, build_world_app(world, token))
    stop = _stopped()
    await listener.start()
    await world.start()
    say(f"the world is ready on http://{HOST}:{listener.port}")
    await stop.wait()
    await listener.stop()
    await world.stop()
    return Exit.DONE
