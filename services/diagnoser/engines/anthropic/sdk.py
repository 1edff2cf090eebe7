"""The model behind the Messages API. The only module that imports the SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

import anthropic

from services.diagnoser.domain.model_use import Reach
from services.diagnoser.engines.anthropic.client import BusyError, GivenUpError, Reply, Request
from shared.runtime.clock import wall

_CACHED = {"type": "ephemeral"}
_OVERLOADED = 529
_FAILED = 500
_TOKENS_MAX = 10**8
"""Of one answer; what says more is no account of it, and no column could hold it."""


class SdkClient:
    """Asks the configured model. It tries once: whether there is time and money for more is decided elsewhere."""

    def __init__(self, reach: Reach, connection: anthropic.AsyncAnthropic) -> None:
        self._model = reach.model
        self._connection = connection

    async def ask(self, request: Request) -> Reply:
        """Return the reply."""
        try:
            message = await self._connection.messages.create(**self._arguments(request))
        except anthropic.APITimeoutError as error:
            raise GivenUpError("timeout", "the model did not answer in time") from error
        except anthropic.APIResponseValidationError as error:
            raise GivenUpError("garbage", "the answer is not one of the Messages API") from error
        except anthropic.APIConnectionError as error:
            raise BusyError("unavailable", may_be_billed=True) from error
        except anthropic.APIStatusError as error:
            raise _of_status(error) from error
        except ValueError as error:
            raise GivenUpError("garbage", "the answer is no JSON") from error
        return _reply(message)

    def _arguments(self, request: Request) -> dict[str, Any]:
        tools = {
            "tools": list(request.tools),
            "tool_choice": {"type": "auto" if request.may_use_tools else "none"},
        }
        return {
            "model": self._model,
            "max_tokens": request.max_tokens,
            **(tools if request.tools else {}),
            # Tools and instructions are the same for every case: they stay in the cache between incidents.
            "system": [{"type": "text", "text": request.system, "cache_control": _CACHED}],
            "messages": list(request.messages),
            "output_config": {"format": {"type": "json_schema", "schema": request.schema}},
            "timeout": max(request.seconds, 0.1),
        }


@asynccontextmanager
async def sdk_client(reach: Reach) -> AsyncIterator[SdkClient]:
    """Yield a client; its connections are closed at the end."""
    async with anthropic.AsyncAnthropic(
        api_key=reach.key.get_secret_value(),
        base_url=reach.base_url or None,
        max_retries=0,
    ) as connection:
        yield SdkClient(reach, connection)


def _reply(message: Any) -> Reply:  # noqa: ANN401 -- a server may send anything; the SDK does not check it
    try:
        usage = message.usage
        written, read = _tokens(usage.cache_creation_input_tokens or 0), _tokens(usage.cache_read_input_tokens or 0)
        return Reply(
            content=tuple(block.model_dump(mode="json", exclude_none=True) for block in message.content),
            stop=str(message.stop_reason),
            input_tokens=_tokens(usage.input_tokens) + written + read,
            output_tokens=_tokens(usage.output_tokens),
            written=written,
            read=read,
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise GivenUpError("garbage", "the answer is not one of the Messages API") from error


def _tokens(count: Any) -> int:  # noqa: ANN401 -- as above
    if not 0 <= int(count) < _TOKENS_MAX:
        raise ValueError("no number of tokens")
    return int(count)


def _of_status(error: anthropic.APIStatusError) -> BusyError | GivenUpError:
    """Return what a status means. What the service says of it is not repeated: it may hold what was sent."""
    status = error.status_code
    if status == anthropic.RateLimitError.status_code:
        return BusyError("rate_limited", _retry_after(error.response.headers.get("retry-after", "")))
    if status >= _FAILED or status == _OVERLOADED:
        return BusyError("unavailable", _retry_after(error.response.headers.get("retry-after", "")))
    return GivenUpError("not_accepted", f"the service answered {status} ({type(error).__name__})")


def _retry_after(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        return max(seconds, 0.0) if isfinite(seconds) else None
    try:
        return max(parsedate_to_datetime(text).timestamp() - wall(), 0.0)
    except (TypeError, ValueError):
        return None
