"""One HTTP client of one run."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
import orjson

from shared.errors import NotFoundError, UnavailableError

NO_IDLE_CONNECTIONS = httpx.Limits(max_keepalive_connections=0)
"""Runs come and go by the hundred in one process; none of them may leave a socket behind."""


@cache
def _tls() -> ssl.SSLContext:
    """Return what all clients share: to make one takes 30 ms and most of a megabyte."""
    return httpx.create_ssl_context()


class RunClient:
    """Talks to `/runs/<run>` of the world. `settings` holds `world_url` and `world_token`."""

    def __init__(self, environment: str, settings: Mapping[str, Any]) -> None:
        self._run = environment.removeprefix("sim:")
        self._client = httpx.AsyncClient(
            base_url=settings["world_url"],
            headers={"Authorization": f"Bearer {settings['world_token']}"},
            timeout=10.0,
            verify=_tls(),
            limits=NO_IDLE_CONNECTIONS,
            transport=settings.get("world_transport"),
        )

    async def ask(self, path: str, question: Any = None, *, limit: float = 10.0) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the answer. Raises NotFoundError for what is not there, UnavailableError when the world is away."""
        try:
            answer = await self._client.request(
                "GET" if question is None else "POST",
                f"/runs/{self._run}/{path}",
                content=None if question is None else orjson.dumps(question),
                timeout=limit,
            )
        except httpx.HTTPError as error:
            raise UnavailableError(f"the simulated world does not answer: {type(error).__name__}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFoundError(str(answer.json().get("error")))
        if answer.is_error:
            raise UnavailableError(f"the simulated world answered {answer.status_code}: {answer.text[:200]}")
        return orjson.loads(answer.content)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
