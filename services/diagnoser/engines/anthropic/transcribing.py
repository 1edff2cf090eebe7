"""Writes down what a model is asked and what comes of it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import orjson

from services.diagnoser.domain.transcript import Turn
from services.diagnoser.engines.anthropic.client import BusyError, Client, GivenUpError, Reply, Request


class Transcriber:
    """Passes requests on. `turns` is right whenever the conversation ends."""

    def __init__(self, client: Client) -> None:
        self.turns: list[Turn] = []
        self._client = client

    async def ask(self, request: Request) -> Reply:
        """Return the reply; raises as the client does."""
        try:
            reply = await self._client.ask(request)
        except BusyError as error:
            self._keep(request, outcome="busy", reason=error.reason, may_be_billed=error.may_be_billed)
            raise
        except GivenUpError as error:
            self._keep(request, outcome="given_up", reason=error.reason, detail=error.detail)
            raise
        except (asyncio.CancelledError, TimeoutError):
            self._keep(request, outcome="late")
            raise
        reply = replace(reply, content=tuple(_text_only(dict(block)) for block in reply.content))
        self._keep(
            request,
            outcome="answered",
            content=tuple(dict(block) for block in reply.content),
            stop=reply.stop,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            written=reply.written,
            read=reply.read,
        )
        return reply

    def _keep(self, request: Request, **came: Any) -> None:  # noqa: ANN401 -- fields of a turn
        # What the model said itself is in the turns before, so only what it was told is counted here.
        told = [message for message in request.messages if message["role"] != "assistant"]
        prompt, pack = _sha256([request.system, request.tools]), _sha256([told, request.schema])
        self.turns.append(Turn.model_construct(prompt_sha256=prompt, pack_sha256=pack, **came))


def _text_only(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    """Return JSON that can be written: a half of a character, which a reply may hold, is replaced."""
    if isinstance(value, str):
        return value.encode(errors="surrogatepass").decode(errors="replace")
    if isinstance(value, dict):
        return {_text_only(name): _text_only(inner) for name, inner in value.items()}
    return [_text_only(inner) for inner in value] if isinstance(value, list) else value


def _sha256(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, default=str)).hexdigest()
