"""Where a real server for tests comes from: a given address, a container, or a local server, in this order.

The order is a pure function over what a probe found. Nothing is skipped: what is missing is an error that names the
command which installs it, and a program that fails says what it printed.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Way = Literal["given", "container", "local"]


class MissingServerError(Exception):
    """No server can be had; the message names the command that installs one."""


class ProgramFailedError(Exception):
    """A program that fetches or prepares a server failed; the message ends with what it printed."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a machine offers for one server."""

    address: str | None
    docker_answers: Callable[[], bool]
    local_is_installed: Callable[[], bool]


def choose(server: str, probe: Probe) -> Way:
    """Return the first way that works. Raises MissingServerError when none does."""
    if probe.address:
        return "given"
    if probe.docker_answers():
        return "container"
    if probe.local_is_installed():
        return "local"
    raise MissingServerError(
        f"no {server} for the tests: no address was given, no Docker engine answers and no local one is installed; "
        "run `make test-servers`"
    )


def docker_answers() -> bool:
    """Say whether a Docker engine (not just its client) answers."""
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False)
    return asked.returncode == 0


def run_program(
    command: Sequence[str],
    *,
    seconds: float,
    cwd: Path | None = None,
    user: int | None = None,
    extra_environment: dict[str, str] | None = None,
) -> None:
    """Run a program to its end. Raises ProgramFailedError with the end of its output."""
    environment = os.environ | (extra_environment or {})
    called = f"`{' '.join(command)}`"
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            user=user,
            env=environment,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        printed = (error.stdout or b"").decode(errors="replace")
        raise ProgramFailedError(f"{called} did not end within {seconds:g} s:\n{printed[-2000:]}") from None
    if done.returncode != 0:
        raise ProgramFailedError(f"{called} ended with {done.returncode}:\n{done.stdout[-2000:]}")


def install_packages(what: str, packages: Sequence[str]) -> None:
    """Install Debian packages. Raises MissingServerError with the command to run when this user or system cannot."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingServerError(
            f"{what} is missing and only root on a Debian system can have it installed here; "
            f"run `sudo apt-get install {' '.join(packages)}`, or install it your system's way"
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run_program(["apt-get", "update", "-q"], seconds=300, extra_environment=quiet)
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    run_program(install, seconds=900, extra_environment=quiet)


def cache() -> Path:
    """Return the folder where fetched servers are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "signoff-test-servers"


_given: set[int] = set()


def free_port() -> int:
    """Return a free loopback port below the range of outgoing connections: a restarted server finds it free again.

    None is returned twice: whoever has it may not listen yet.
    """
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(20000, min(lowest_outgoing, 32768) - 1)
        if port in _given:
            continue
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
