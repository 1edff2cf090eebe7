"""The installed command, as a person or a script runs it, and the processes it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

COMMAND = Path(sys.executable).parent / "signoff"
STOP_SECONDS = 30.0


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: nothing of Signoff's own but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    return kept | dict(more or {})


def until(look: Callable[[], T | None], *, limit: float, what: str) -> T:
    """Return the first value of `look` that is not None. Raises AssertionError after `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = look()
        if found is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {limit:g} s")


@dataclass
class Signoff:
    """The command with one data directory. What it starts is ended by `stop`, by its own handle."""

    data: Path
    env: Mapping[str, str] = field(default_factory=dict)
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, *arguments: str, limit: float = 240.0) -> subprocess.CompletedProcess[str]:
        """Run a command of a client to its end."""
        return subprocess.run(
            [str(COMMAND), *arguments, "--data", str(self.data)],
            capture_output=True,
            text=True,
            timeout=limit,
            env=environment(self.env),
            cwd=self.data.parent,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 -- any JSON value
        """Return what a command prints as JSON. Raises AssertionError with what it said instead."""
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == 0, f"{arguments}: exit {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a server; what it says goes to a file."""
        return self.start_program(name, [str(COMMAND), *arguments, "--data", str(self.data)])

    def start_program(self, name: str, program: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start any program as a server of this Signoff."""
        with self.said_in(name).open("ab") as output:
            process = subprocess.Popen(
                program,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(self.env),
                cwd=self.data.parent,
                start_new_session=True,
            )
        self.started[name] = process
        return process

    def said_in(self, name: str) -> Path:
        """Return the file of what a server said."""
        return self.data.parent / f"{name}.log"

    def said(self, name: str) -> str:
        """Return what a server said so far."""
        path = self.said_in(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for(self, name: str, text: str, *, limit: float = 60.0) -> str:
        """Return the first whole line of a server that holds `text`."""

        def look() -> str | None:
            whole, _, _ = self.said(name).rpartition("\n")
            line = next((line for line in whole.splitlines() if text in line), None)
            assert line is not None or self.started[name].poll() is None, f"{name} ended: {self.said(name)}"
            return line

        try:
            return until(look, limit=limit, what=f"{text!r} of {name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said(name)[-4000:]}") from error

    def up(self, *arguments: str) -> None:
        """Start everything in one process and wait until it is ready."""
        self.start("up", "up", "--any-port", *arguments)
        self.wait_for("up", "signoff is ready")

    def address(self, name: str = "url") -> str:
        """Return where the running server listens."""
        return str(json.loads((self.data / "run.json").read_text())[name])

    def stop(self) -> None:
        """End what was started, in the opposite order, as a person would."""
        for process in reversed(self.started.values()):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.started.values()):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
