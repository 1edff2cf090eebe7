"""The engine in a child process of its own: offline cases one at a time, questions to the model beside them.

The child starts with the first case and with an explicit environment: it has no credentials and knows no address but
what comes with a question to the model. It reads from a pipe, so it sees an end when this process is gone. A child that
ends in the middle of a case is started again with the same case, once; one that thinks for too long is ended, and what
else was in it is asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from services.diagnoser.adapters.engine_child import COMMAND, ENVIRONMENT, SAID_MAX, EndedError, EngineChild
from services.diagnoser.domain.advice import Advice, Facts, StepName
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import CaseJSON
from services.diagnoser.domain.opinion import Opinion
from services.diagnoser.ports import Recall
from shared.errors import RefusedError, UnavailableError

__all__ = ["COMMAND", "ENVIRONMENT", "EngineProcess"]

log = logging.getLogger("signoff.diagnoser.engine")

TRIES = 2
GRACE = 5.0
"""Seconds by which the child may be late with an opinion; it keeps the time limit itself."""


class _Problem(BaseModel):
    model_config = ConfigDict(extra="ignore")

    reason: str
    detail: str = ""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    conclusion: Conclusion | None = None
    opinion: Opinion | None = None
    advice: Advice | None = None
    error: _Problem | None = None


class EngineProcess:
    """Engines behind a pipe. `case_seconds` is the time one case may take in the child."""

    def __init__(self, *, case_seconds: float, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._case_seconds = case_seconds
        self._turn = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._child: EngineChild | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """The process that waits for cases or thinks about one; None when there is none."""
        return self._child.pid if self._child is not None and self._child.is_running else None

    async def diagnose(self, case: CaseJSON, *, limit: float, recall: Recall | None = None) -> Conclusion:
        """Return a conclusion; errors as the port says. Nothing that is past changes it."""
        del recall
        try:
            async with asyncio.timeout(limit), self._turn:
                return await self._conclude(case)
        except TimeoutError as error:
            raise UnavailableError(f"no conclusion within {limit:g} s, waiting for a turn included") from error

    async def consult(self, case: CaseJSON, terms: Mapping[str, Any], *, seconds: float) -> Opinion:
        """Return what the model makes of a case. The child may take `seconds`, and keeps them.

        Raises UnavailableError when the child ends meanwhile or is late, RefusedError when it cannot take the case.
        """
        answer = await self._converse({"terms": terms, "case": case}, seconds)
        if answer.opinion is None:
            raise RefusedError("the engine answered without an opinion")
        return answer.opinion

    async def advise(self, step: StepName, facts: Facts, terms: Mapping[str, Any], *, seconds: float) -> Advice:
        """Return what the model adds in a small step; time and errors as `consult`."""
        told = facts.model_dump(mode="json")
        answer = await self._converse({"terms": terms, "step": step, "case": told}, seconds)
        if answer.advice is None:
            raise RefusedError("the engine answered without advice")
        return answer.advice

    async def _converse(self, question: Mapping[str, Any], seconds: float) -> _Answer:
        child = await self._running()
        try:
            async with asyncio.timeout(seconds + GRACE):
                return _read(await child.ask(question))
        except TimeoutError as error:
            await self._end(child)
            raise UnavailableError(f"the engine had no opinion after {seconds:g} s") from error
        except EndedError as error:
            await self._end(child)
            raise UnavailableError(f"the engine ended: {error}") from error

    async def stop(self) -> None:
        """End the child and take no more cases."""
        self._stopped = True
        await self._end(self._child)

    async def _conclude(self, case: CaseJSON) -> Conclusion:
        said = ""
        for _ in range(TRIES):
            try:
                return await self._ask(case)
            except EndedError as error:
                said = str(error)
                log.warning("engine_ended", extra={"case": case.get("case_id"), "said": said})
        raise UnavailableError(f"the engine ended {TRIES} times over this case: {said}")

    async def _ask(self, case: CaseJSON) -> Conclusion:
        """Give the child one case. Whatever goes wrong, the child goes too: the next one starts clean."""
        child = await self._running()
        try:
            async with asyncio.timeout(self._case_seconds):
                answer = _read(await child.ask({"case": case}))
        except TimeoutError as error:
            await self._end(child)
            raise UnavailableError(f"the engine had no conclusion after {self._case_seconds:g} s") from error
        except (EndedError, asyncio.CancelledError):
            await asyncio.shield(self._end(child))
            raise
        if answer.conclusion is None:
            raise RefusedError("the engine answered without a conclusion")
        return answer.conclusion

    async def _running(self) -> EngineChild:
        async with self._starting:
            if self._stopped:
                raise UnavailableError("the diagnoser is stopping")
            if self._child is None or not self._child.is_running:
                await self._end(self._child)
                self._child = await EngineChild.start(self._command)
            return self._child

    async def _end(self, child: EngineChild | None) -> None:
        """End a child; one that has taken its place meanwhile stays."""
        if child is None:
            return
        if self._child is child:
            self._child = None
        with contextlib.suppress(ProcessLookupError):
            await child.end()


def _read(line: Mapping[str, Any]) -> _Answer:
    """Return an answer. Raises EndedError for what is none, RefusedError for what the child could not take."""
    try:
        answer = _Answer.model_validate(line)
    except ValidationError as error:
        raise EndedError(f"its answer cannot be read: {error.errors()[0]['msg']}") from error
    if answer.error is not None:
        raise RefusedError(f"{answer.error.reason}: {answer.error.detail}"[:SAID_MAX])
    return answer
