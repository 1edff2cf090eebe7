"""A conversation with a model: a few turns within hard budgets, one repair, then an answer that passed or none.

It is the same for every step; what is asked, shown and checked is the step's.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Generic

import orjson

from services.diagnoser.domain.model_use import Use
from services.diagnoser.domain.transcript import Turn
from services.diagnoser.engines.anthropic import prompts
from services.diagnoser.engines.anthropic.client import BusyError, Client, GivenUpError, Reply, Request
from services.diagnoser.engines.anthropic.estimate import tokens
from services.diagnoser.engines.anthropic.prices import Price
from services.diagnoser.engines.anthropic.step import Answer, Step
from services.diagnoser.engines.anthropic.transcribing import Transcriber
from services.diagnoser.engines.anthropic.veil import Veil, VeiledClient

TURN_OUTPUT = 2000
"""Output tokens of one turn, as long as the budget has more; a turn that is cut off cannot be read."""
LEAST_OUTPUT = 300
TRIES = 3
PAUSE = 1.0
"""Seconds before the second try when a busy service does not say how long to wait; each further pause is longer."""
_ENDS = frozenset({"refusal", "max_tokens", "model_context_window_exceeded"})
_CACHED = {"type": "ephemeral"}


class Conversation(Generic[Answer]):
    """One conversation. `used` and `saved` are right whenever it ends, also when it ends with an error."""

    def __init__(self, client: Client, step: Step[Answer], veil: Veil, allowance: Use, price: Price) -> None:
        self.used = Use()
        self.saved = Use()
        self._transcriber = Transcriber(client)
        self._client = VeiledClient(self._transcriber, veil)
        self._step, self._veil, self._allowance, self._price = step, veil, allowance, price
        self._messages: list[dict[str, Any]] = []
        self._began = asyncio.get_running_loop().time()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What was asked and said so far."""
        return tuple(self._transcriber.turns)

    async def answer(self) -> Answer:
        """Return an answer that passed the gate. Raises GivenUpError when there is none within the budgets."""
        try:
            async with asyncio.timeout(self._allowance.seconds):
                return await self._turns()
        except TimeoutError as error:
            raise GivenUpError("timeout", f"no answer within {self._allowance.seconds:g} s") from error
        finally:
            self._use(seconds=min(self._elapsed(), self._allowance.seconds))

    async def _turns(self) -> Answer:
        self._say([{"type": "text", "text": self._step.pack(), "cache_control": _CACHED}])
        is_repaired = False
        while True:
            reply = await self._ask()
            self._messages.append({"role": "assistant", "content": [dict(block) for block in reply.content]})
            if reply.stop == "tool_use":
                self._say(self._results(reply))
            elif reply.stop in {"end_turn", "stop_sequence"}:
                answer, wrong = self._judge(reply)
                if answer is not None:
                    return answer
                if is_repaired or self.used.turns >= self._allowance.turns:
                    raise GivenUpError("gate", f"the answer does not pass; problems: {len(wrong)}")
                is_repaired = True
                self._say([{"type": "text", "text": self._veil.hide(prompts.repair(wrong))}])
            elif reply.stop != "pause_turn":
                raise GivenUpError(reply.stop if reply.stop in _ENDS else "garbage")

    def _judge(self, reply: Reply) -> tuple[Answer | None, list[str]]:
        try:
            answer = self._step.read(self._veil.reveal(reply.text()))
        except GivenUpError as error:
            return None, [str(error)]
        wrong = self._step.problems(answer)
        return (None, wrong) if wrong else (answer, [])

    def _results(self, reply: Reply) -> list[dict[str, Any]]:
        results = []
        for block in reply.calls():
            if self.used.tool_calls >= self._allowance.tool_calls:
                text = "no more tool calls; answer with what you have seen"
            else:
                self._use(tool_calls=1)
                text = self._veil.hide(self._step.call(str(block.get("name")), block.get("input")))
            results.append({"type": "tool_result", "tool_use_id": str(block.get("id")), "content": text})
        if not results:
            raise GivenUpError("garbage", "a call of no tool")
        return results

    async def _ask(self) -> Reply:
        """Return the next reply, paid for. A busy service is asked again within the time and the budget that is left.

        When nobody knows whether a request was billed, all that it may have cost counts as used.
        """
        for attempt in range(1, TRIES + 1):
            request = self._request()
            try:
                reply = await self._client.ask(request)
            except BusyError as error:
                if error.may_be_billed:
                    self._pay_most(request)
                pause = error.retry_after if error.retry_after is not None else PAUSE * 2 ** (attempt - 1)
                if attempt == TRIES or self._elapsed() + pause >= self._allowance.seconds:
                    raise GivenUpError(error.reason, f"tried {attempt} times") from error
                await asyncio.sleep(pause)
            except asyncio.CancelledError:
                self._pay_most(request)
                raise
            except GivenUpError as error:
                if error.reason in {"timeout", "garbage"}:
                    self._pay_most(request)
                raise
            else:
                self._pay(reply.input_tokens, reply.output_tokens, self._price.of(reply), is_kept=reply.is_kept)
                return reply
        raise GivenUpError("unavailable")

    def _request(self) -> Request:
        left = self._left()
        is_last = left.turns <= 1 or left.tool_calls <= 0 or not self._step.tools
        request = Request(
            step=self._step.name,
            system=self._step.system(),
            tools=self._step.tools,
            messages=self._messages,
            schema=self._step.schema(),
            max_tokens=min(TURN_OUTPUT, left.output_tokens),
            seconds=left.seconds,
            may_use_tools=not is_last,
        )
        spent = tokens(_text(request))
        affordable = int((left.cost_usd - self._price.most(spent, 0)) / max(self._price.most(0, 1), 1e-12))
        most = min(request.max_tokens, affordable)
        if left.turns <= 0 or spent > left.input_tokens or most < LEAST_OUTPUT:
            raise GivenUpError("budget", "of this conversation")
        return replace(request, max_tokens=most)

    def _pay_most(self, request: Request) -> None:
        spent = tokens(_text(request))
        self._pay(spent, request.max_tokens, self._price.most(spent, request.max_tokens))

    def _pay(self, input_tokens: int, output_tokens: int, cost_usd: float, *, is_kept: bool = False) -> None:
        spent = Use(turns=1, input_tokens=input_tokens, output_tokens=output_tokens, cost_usd=cost_usd)
        if is_kept:
            self.saved = self.saved.plus(spent)
        else:
            self.used = self.used.plus(spent)

    def _use(self, **more: float) -> None:
        self.used = self.used.plus(Use(**more))  # type: ignore[arg-type]  # each name has a number of its own kind

    def _left(self) -> Use:
        return self._allowance.minus(self.used.model_copy(update={"seconds": self._elapsed()}))

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def _say(self, content: list[dict[str, Any]]) -> None:
        self._messages.append({"role": "user", "content": content})


def _text(request: Request) -> str:
    parts = [request.tools, request.messages, request.schema]
    return request.system + orjson.dumps(parts, default=str).decode()
