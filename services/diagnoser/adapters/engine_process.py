"""The engine in a child process of its own, one case at a time.

One line of JSON in, one out: `{"id", "case"}`, then `{"id", "conclusion"}` or `{"id", "error": {"reason", "detail"}}`.
The child starts with the first case and with an explicit environment: it has no credentials and knows no address. It
reads cases from a pipe, so it sees an end when this process is gone. A child that ends in the middle of a case is
started again with the same case, once; one that thinks for too long is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import CaseJSON
from shared.errors import RefusedError, UnavailableError

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
TRIES = 2
STOP_SECONDS = 2.0
_SAID_MAX = 500


class _Problem(BaseModel):
    model_config = ConfigDict(extra="ignore")

    reason: str
    detail: str = ""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    conclusion: Conclusion | None = None
    error: _Problem | None = None


class _EndedError(Exception):
    """The child ended, or said something that is no answer."""


class EngineProcess:
    """Engines behind a pipe. `case_seconds` is the time one case may take in the child."""

    def __init__(self, *, case_seconds: float, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._case_seconds = case_seconds
        self._turn = asyncio.Lock()
        self._child: Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """The process that waits for cases or thinks about one; None when there is none."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def diagnose(self, case: CaseJSON, *, limit: float) -> Conclusion:
        """Return a conclusion; errors as the port says."""
        try:
            async with asyncio.timeout(limit), self._turn:
                return await self._conclude(case)
        except TimeoutError as error:
            raise UnavailableError(f"no conclusion within {limit:g} s, waiting for a turn included") from error

    async def stop(self) -> None:
        """End the child and take no more cases."""
        self._stopped = True
        await self._end()

    async def _conclude(self, case: CaseJSON) -> Conclusion:
        said = ""
        for _ in range(TRIES):
            try:
                return await self._ask(case)
            except _EndedError as error:
                said = str(error)
                log.warning("engine_ended", extra={"case": case.get("case_id"), "said": said})
        raise UnavailableError(f"the engine ended {TRIES} times over this case: {said}")

    async def _ask(self, case: CaseJSON) -> Conclusion:
        """Give the child one case. Whatever goes wrong, the child goes too: the next one starts clean."""
        child = await self._running()
        try:
            answer = await self._exchange(child, f"case-{next(self._numbers)}", case)
        except BaseException:
            await asyncio.shield(self._end())
            raise
        if answer.error is not None:
            raise RefusedError(f"{answer.error.reason}: {answer.error.detail}"[:_SAID_MAX])
        if answer.conclusion is None:
            raise RefusedError("the engine answered without a conclusion")
        return answer.conclusion

    async def _exchange(self, child: Process, number: str, case: CaseJSON) -> _Answer:
        question = await asyncio.to_thread(orjson.dumps, {"id": number, "case": case})
        try:
            async with asyncio.timeout(self._case_seconds):
                line = await _say(child, question + b"\n")
        except TimeoutError as error:
            raise UnavailableError(f"the engine had no conclusion after {self._case_seconds:g} s") from error
        try:
            answer = _Answer.model_validate_json(line)
        except ValidationError as error:
            raise _EndedError(f"its answer cannot be read: {error.errors()[0]['msg']}") from error
        if answer.id != number:
            raise _EndedError(f"it answered {answer.id!r} when asked {number!r}")
        return answer

    async def _running(self) -> Process:
        if self._stopped:
            raise UnavailableError("the diagnoser is stopping")
        if self._child is not None and self._child.returncode is None:
            return self._child
        await self._end()
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
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
        self._child = child
        self._listening = asyncio.create_task(_log_errors(child))
        return child

    async def _end(self) -> None:
        child, self._child = self._child, None
        listening, self._listening = self._listening, None
        if child is None:
            return
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        if child.stdin is not None:
            child.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await child.wait()
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])


async def _say(child: Process, question: bytes) -> bytes:
    """Return the line that answers a line."""
    if child.stdin is None or child.stdout is None:
        raise _EndedError("it has no pipes")
    try:
        child.stdin.write(question)
        await child.stdin.drain()
        line = await child.stdout.readline()
    except ConnectionError as error:
        raise _EndedError("it closed its input") from error
    except ValueError as error:
        raise _EndedError(f"its answer is longer than {LINE_MAX} bytes") from error
    if not line.endswith(b"\n"):
        raise _EndedError(f"it ended with status {await child.wait()}")
    return line


async def _log_errors(child: Process) -> None:
    """Pass what the child writes to standard error on to the log, so that the pipe never fills up."""
    if child.stderr is None:
        return
    while True:
        try:
            line = await child.stderr.readline()
        except ValueError:
            continue  # A line beyond all limits; the reader has dropped it.
        if not line:
            return
        log.warning("engine_said", extra={"said": line.decode(errors="replace").rstrip()[:_SAID_MAX]})
