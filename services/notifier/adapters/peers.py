"""The other services' reads and control routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from shared.errors import NotFoundError, RefusedError, UnavailableError


class HTTPPeer:
    """One service behind its client, which adds the service token."""

    def __init__(self, name: str, client: httpx.AsyncClient) -> None:
        self._name = name
        self._client = client

    async def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the JSON of a GET. Raises NotFoundError, RefusedError or UnavailableError."""
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any] | Sequence[Any]) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the JSON of a POST. Raises as `get`."""
        return await self._ask("POST", path, json=body)

    async def _ask(self, method: str, path: str, **given: Any) -> Any:  # noqa: ANN401 -- any JSON value
        if {".", ".."} & set(path.split("/")):  # The client would resolve them, and ask for something else.
            raise NotFoundError(f"{self._name} has nothing at {path}")
        try:
            answer = await self._client.request(method, path, **given)
        except httpx.TransportError as error:
            raise UnavailableError(f"{self._name} does not answer ({type(error).__name__})") from error
        if answer.is_success:
            return answer.json() if answer.content else None
        said = _said(answer)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFoundError(said)
        if answer.is_server_error or answer.status_code == httpx.codes.UNAUTHORIZED:
            raise UnavailableError(f"{self._name} answered {answer.status_code}: {said}")
        raise RefusedError(said)


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("error") or answer.text)[:500]
    except (ValueError, AttributeError):
        return answer.text[:500]
