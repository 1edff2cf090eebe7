"""The conversation with a model: a few turns within hard budgets, one repair, then an answer that passed or none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson

from services.diagnoser.domain.model_use import Use
from services.diagnoser.domain.transcript import Turn
from services.diagnoser.engines.anthropic import prompts
from services.diagnoser.engines.anthropic.answer import Answer, read_answer, schema
from services.diagnoser.engines.anthropic.client import BusyError, Client, GivenUpError, Reply, Request
from services.diagnoser.engines.anthropic.estimate import tokens
from services.diagnoser.engines.anthropic.gate import problems
from services.diagnoser.engines.anthropic.ground import Ground
from services.diagnoser.engines.anthropic.pack import pack, plain
from services.diagnoser.engines.anthropic.prices import Price
from services.diagnoser.engines.anthropic.tools import Toolbox, definitions
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


class Conversation:
    """One conversation about one case. `used` is right whenever it ends, also when it ends with an error."""

    def __init__(self, client: Client, ground: Ground, veil: Veil, allowance: Use, price: Price) -> None:
        self.used = Use()
        self._transcriber = Transcriber(client)
        self._client = VeiledClient(self._transcriber, veil)
        self._ground, self._veil, self._allowance, self._price = ground, veil, allowance, price
        self._names: dict[str, str] = {}
        self._toolbox = Toolbox(ground, self._names)
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
        self._names |= {self._veil.hide(plain(entity)): entity for entity in self._ground.entities()}
        self._say([{"type": "text", "text": pack(self._ground, self._veil), "cache_control": _CACHED}])
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
            answer = self._real(read_answer(self._veil.reveal(reply.text())))
        except GivenUpError as error:
            return None, [str(error)]
        wrong = problems(answer, self._ground)
        return (None, wrong) if wrong else (answer, [])

    def _real(self, answer: Answer) -> Answer:
        """Return an answer with entities as they are called here."""
        hidden = {self._veil.reveal(name): entity for name, entity in self._names.items()}
        causes = [one.model_copy(update={"entity": hidden.get(one.entity, one.entity)}) for one in answer.causes]
        return answer.model_copy(update={"causes": tuple(causes)})

    def _results(self, reply: Reply) -> list[dict[str, Any]]:
        results = []
        for block in reply.calls():
            if self.used.tool_calls >= self._allowance.tool_calls:
                text = "no more tool calls; answer with what you have seen"
            else:
                self._use(tool_calls=1)
                text = self._veil.hide(self._toolbox.call(str(block.get("name")), block.get("input")))
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
                self._pay(reply.input_tokens, reply.output_tokens, self._price.of(reply))
                return reply
        raise GivenUpError("unavailable")

    def _request(self) -> Request:
        left = self._left()
        is_last = left.turns <= 1 or left.tool_calls <= 0
        request = Request(
            system=prompts.system(self._ground.causes),
            tools=definitions(),
            messages=self._messages,
            schema=schema(self._ground, list(self._names)),
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

    def _pay(self, input_tokens: int, output_tokens: int, cost_usd: float) -> None:
        self._use(turns=1, input_tokens=input_tokens, output_tokens=output_tokens, cost_usd=cost_usd)

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
