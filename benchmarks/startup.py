"""How long `signoff up` takes until both listeners are ready, and what it weighs then.

Each round is a first start: an empty data directory, secrets and schemas to be made. The median of five counts; a round
before them fills the page cache. `make bench` runs it; it exits 1 above a limit.
"""

from __future__ import annotations

import http.client
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 5
READY_SECONDS = 2.0
IDLE_MEGABYTES = 180.0
SETTLE = 2.0
"""Seconds after which a process that nobody asks for anything counts as idle."""
GIVE_UP = 60.0
POLL = 0.005


@dataclass(frozen=True, slots=True)
class Start:
    """One start."""

    seconds: float
    megabytes: float


def measure() -> Start:
    """Start Signoff in an empty directory, wait until it is ready and idle, end it."""
    ports = _free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        command = Path(sys.executable).with_name("signoff")
        arguments = ["--port", str(ports[0]), "--webhook-port", str(ports[1]), "--data", f"{folder}/data"]
        begun = time.monotonic()
        process = subprocess.Popen([command, "up", *arguments], cwd=folder, stderr=subprocess.DEVNULL)
        try:
            while not all(_is_ready(port) for port in ports):
                assert process.poll() is None, f"`signoff up` ended with {process.returncode}"
                assert time.monotonic() - begun < GIVE_UP, f"not ready within {GIVE_UP:g} s"
                time.sleep(POLL)
            seconds = time.monotonic() - begun
            time.sleep(SETTLE)
            return Start(seconds, _resident_megabytes(process.pid))
        finally:
            process.terminate()
            process.wait(GIVE_UP)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _resident_megabytes(pid: int) -> float:
    """Return what the process and its children hold in memory."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True)  # noqa: S607 -- where `ps` is differs between systems
    found = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    return sum(rss for own, parent, rss in found if pid in (own, parent)) * 1024 / 1e6


def report(starts: Sequence[Start]) -> bool:
    """Print medians beside limits; return whether all are kept."""
    kept = True
    print(f"{'':<22}{'median':>10}{'worst':>10}{'limit':>10}")
    rows = (
        ("ready, seconds", [start.seconds for start in starts], READY_SECONDS),
        ("idle memory, MB", [start.megabytes for start in starts], IDLE_MEGABYTES),
    )
    for name, values, limit in rows:
        median = statistics.median(values)
        kept = kept and median <= limit
        print(f"{name:<22}{median:>10.2f}{max(values):>10.2f}{limit:>10.2f}{'' if median <= limit else '  ABOVE'}")
    return kept


def main() -> None:
    """Measure and exit 1 above a limit."""
    measure()
    sys.exit(0 if report([measure() for _ in range(ROUNDS)]) else 1)


if __name__ == "__main__":
    main()
