"""`signoff serve NAME`: one service as a process of its own; `signoff world serve`: the world."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from urllib.parse import urlsplit

from cli.composition import compose
from cli.errors import Exit
from cli.project import FIXTURES
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
from shared.runtime.clock import wall
from shared.runtime.configuration import Configuration
from shared.runtime.server import Listener
from simulation.app import build_world_app
from simulation.driver import World

log = logging.getLogger("signoff")

PORTS = {"ingest": 8701, "diagnoser": 8703, "executor": 8704, "notifier": 8700}
WORLD_PORT = 8705


def _configuration() -> Configuration:
    configuration = read()
    # The world of this machine, unless it is said to be elsewhere or, by an empty text, that there is none.
    configuration.default(("mock", "url"), f"http://{LOOPBACK}:{WORLD_PORT}", "serve")
    return configuration


async def serve_one(name: str, *, data: Path, host: str, port: int, stop: asyncio.Event) -> int:
    """Run one service until `stop`."""
    configuration = _configuration()
    listening = listen(host, port, command=f"signoff serve {name}")
    if name == "notifier":
        answer_to(configuration, url_of(listening))
    sections = prepare(configuration, data, (name,), level="INFO")
    composed = await compose(sections, data)
    try:
        composed.listeners = [Listener(listening, composed.service(name).asgi)]
        await composed.start()
        if name == "notifier":
            run_file = write_run_file(sections, data, url_of(listening), sections.services.ingest_url)
            composed.stack.callback(remove_run_file, run_file)
        log.info("%s is ready on %s", name, url_of(listening))
        for text in what_is_off(sections) if name == "ingest" else ():
            log.warning(text)
        await stop.wait()
    finally:
        await composed.stop()
    return Exit.DONE


async def serve_world(data: Path, port: int | None, stop: asyncio.Event) -> int:
    """Run the simulated world until `stop`."""
    configuration = _configuration()
    if port is None:
        port = urlsplit(configuration.text(("mock", "url"))).port or WORLD_PORT
    listening = listen(LOOPBACK, port, command="signoff world serve")
    sections = prepare(configuration, data, ("ingest",), level="INFO")
    world = World(data, FIXTURES, address(sections, sections.services.ingest_url), wall)
    listener = Listener(listening, build_world_app(world, sections.mock.token.get_secret_value()))
    try:
        await listener.start()
        await world.start()
        log.info("the world is ready on %s", url_of(listening))
        await stop.wait()
    finally:
        await listener.stop()
        await world.stop()
    return Exit.DONE
