"""What every server does before it serves: read settings, generate secrets, take a port, say where it is found."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from cli.client import RUN_FILE, Running
from cli.errors import Exit, HintedError
from cli.importing import importing
from cli.secrets import SOURCES, give_secrets
from cli.sections import Sections, read_sections
from shared.runtime.configuration import Configuration, read_configuration
from shared.runtime.environment import environment_variables
from shared.runtime.secrets import private_folder, write_private
from shared.runtime.server import PortInUseError, bind
from shared.telemetry.logging import configure_logging
from shared.telemetry.redacting import Redactor

LOOPBACK = "127.0.0.1"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 -- compared with, not bound to
_HOSTS = ("notifier", "allowed_hosts")


def read() -> Configuration:
    """Return what file, `.env` and environment of this folder give."""
    return read_configuration(environment_variables(), folder=Path.cwd())


def prepare(configuration: Configuration, data: Path, names: Sequence[str], *, level: str) -> Sections:
    """Make the data directory, fill in generated secrets, check all settings and turn logging on."""
    private_folder(data)
    give_secrets(configuration, data, replay=bool(configuration.text(("mock", "url"))))
    with importing():
        sections = read_sections(configuration, names)
    configure_logging(Redactor(sections.secrets()), level=level)
    return sections


def listen(host: str, port: int, *, command: str, flag: str = "--port", any_port: bool = False) -> socket.socket:
    """Return a listening socket. Raises HintedError when the port is taken and no other one will do."""
    try:
        return bind(host, port, name=command)
    except PortInUseError as error:
        if any_port:
            return bind(host, 0, name=command)
        hints = [("use another port", f"{command} {flag} {port + 100}")]
        if command == "signoff up":
            hints.append(("or pick a free one", f"{command} --any-port"))
        raise HintedError(str(error), Exit.USAGE, *hints) from error


def url_of(found: socket.socket) -> str:
    """Return the address under which this machine reaches a socket."""
    host, port = found.getsockname()[:2]
    if host in _EVERYWHERE:
        host = LOOPBACK
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def answer_to(configuration: Configuration, url: str) -> None:
    """Let the console answer to its own address too: the command comes that way, whatever people use."""
    configuration.default(("notifier", "base_url"), url, "own address")
    given = configuration.values.get(_HOSTS)
    hosts = given.value if given else []
    if isinstance(hosts, list | tuple):
        configuration.give(_HOSTS, [*hosts, urlsplit(url).netloc], given.place if given else "own address")


def write_run_file(sections: Sections, data: Path, url: str, webhook_url: str) -> Path:
    """Write down, for commands on this machine, where the server is and its token; return the file."""
    notifier = sections.of["notifier"].model_dump()
    running = Running(
        url=url,
        webhook_url=webhook_url,
        token=notifier["run_token"].get_secret_value(),
        pid=os.getpid(),
        world_url=sections.mock.url,
        world_token=sections.mock.token.get_secret_value(),
        base_url=notifier["base_url"].rstrip("/"),
    )
    write_private(data / RUN_FILE, json.dumps(asdict(running)))
    return data / RUN_FILE


def remove_run_file(path: Path) -> None:
    """Remove the file unless another server has written its own meanwhile."""
    try:
        if json.loads(path.read_text()).get("pid") == os.getpid():
            path.unlink()
    except (OSError, ValueError):
        return


def what_is_off(sections: Sections) -> list[str]:
    """Return a line about each source that has no secret and therefore answers 503."""
    ingest = sections.of["ingest"].model_dump()
    off = [source for source in SOURCES if not ingest[source]["secrets"]]
    return [f"{source} is off: it has no secret (ingest.{source}.secrets) and answers 503" for source in off]
