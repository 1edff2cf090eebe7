"""One child process with its pipes: many questions may be open at once, each answer finds its own by id."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from shared.errors import UnavailableError
from shared.runtime.tasks import stop_tasks

log = logging.getLogger("signoff.diagnoser.engine")

ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, "-P", "-m", "services.diagnoser.engines")
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "PYTHONUTF8": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
LINE_MAX = 16 * 1024 * 1024
"""Bytes of one answer; a child that says more is broken."""
STOP_SECONDS = 2.0
SAID_MAX = 500


class EndedError(Exception):
    """The child ended, or said something that is no answer."""


class EngineChild:
    """A running child. It is of no more use once `ask` has raised EndedError."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._open: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._asked = 0
        self._tasks = (asyncio.create_task(self._read()), asyncio.create_task(_log_errors(process)))

    @classmethod
    async def start(cls, command: Sequence[str]) -> EngineChild:
        """Start one, with an explicit environment. Raises UnavailableError when it cannot be started."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=ENVIRONMENT,
                cwd=ROOT,
                limit=LINE_MAX,
                # A Ctrl-C at the terminal is for this process, which then ends the child itself.
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError(f"the engine cannot be started: {error.strerror}") from error
        return cls(process)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it still takes questions."""
        return self._process.returncode is None and not self._tasks[0].done()

    async def ask(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer to a question. Raises EndedError when the child ends first."""
        self._asked += 1
        name = f"case-{self._asked}"
        answer = self._open[name] = asyncio.get_running_loop().create_future()
        try:
            # What tells the kinds of questions apart comes first, the case last.
            line = await asyncio.to_thread(
                orjson.dumps, {**_without_case(question), "id": name, "case": question["case"]}
            )
            await self._write(line + b"\n")
            found: Mapping[str, Any] = await answer
        finally:
            del self._open[name]
        return found

    async def end(self) -> None:
        """End it; whoever waits for an answer gets EndedError."""
        process = self._process
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        await stop_tasks(*self._tasks)
        self._fail(EndedError("it was ended"))

    async def _write(self, line: bytes) -> None:
        if self._process.stdin is None or not self.is_running:
            raise EndedError("it has ended")
        try:
            self._process.stdin.write(line)
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise EndedError("it closed its input") from error

    async def _read(self) -> None:
        """Hand answers out until something is none."""
        try:
            while True:
                self._take(await self._line())
        except EndedError as error:
            self._fail(error)

    async def _line(self) -> bytes:
        if self._process.stdout is None:
            raise EndedError("it has no pipes")
        try:
            line = await self._process.stdout.readline()
        except ValueError as error:
            raise EndedError(f"its answer is longer than {LINE_MAX} bytes") from error
        if not line.endswith(b"\n"):
            raise EndedError(f"it ended with status {await self._process.wait()}")
        return line

    def _take(self, line: bytes) -> None:
        try:
            answer = orjson.loads(line)
            waiting = self._open.get(answer["id"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise EndedError(f"its answer cannot be read: {type(error).__name__}") from error
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _fail(self, error: EndedError) -> None:
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(error)


def _without_case(question: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in question.items() if name != "case"}


async def _log_errors(process: Process) -> None:
    """Pass what the child writes to standard error on to the log, so that the pipe never fills up."""
    if process.stderr is None:
        return
    while True:
        try:
            line = await process.stderr.readline()
        except ValueError:
            continue  # A line beyond all limits; the reader has dropped it.
        if not line:
            return
        log.warning("engine_said", extra={"said": line.decode(errors="replace").rstrip()[:SAID_MAX]})
