"""Posting webhooks as vendors do: again and again until ingest has answered with 2xx."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import httpx

from shared.runtime.tasks import begin_task, stop_tasks
from simulation.webhooks import Webhook

log = logging.getLogger("signoff.world")

RETRY_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Wall seconds between the first attempts."""
RETRY_PAUSE_MAX = 30.0
"""Wall seconds between all later attempts."""

Via = Literal["webhook", "topic"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where webhooks go. `secrets` are the replay secrets by source; `token` opens ingest's control route."""

    webhooks: str
    control: str
    secrets: Mapping[str, str]
    token: str


@dataclass(frozen=True, slots=True)
class Untaken:
    """Why a webhook waits. `refused`: ingest said no to it, and will again as long as nobody changes anything."""

    why: str
    refused: bool = False


class Sender:
    """Keeps posting what it was given. `waiting` is what ingest has not taken, by name, and why."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client = httpx.AsyncClient(timeout=10.0)
        self._tasks: set[asyncio.Task[None]] = set()
        self.waiting: dict[str, Untaken] = {}

    def secret(self, vendor: str) -> str:
        """Return what a vendor signs or authenticates with in a replay."""
        return self._address.secrets.get(vendor, "")

    def send(
        self, name: str, request: Webhook, via: Via, *, is_late: Callable[[], bool], taken: Callable[[], None]
    ) -> None:
        """Post a request in the background until ingest takes it (then call `taken`) or it is too late for it."""
        task = begin_task(self._post(name, request, via, is_late, taken))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Stop posting."""
        await stop_tasks(*self._tasks)
        await self._client.aclose()

    async def _post(
        self, name: str, request: Webhook, via: Via, is_late: Callable[[], bool], taken: Callable[[], None]
    ) -> None:
        for pause in itertools.chain(RETRY_PAUSES, itertools.repeat(RETRY_PAUSE_MAX)):
            problem = await self._attempt(request, via)
            if not problem:
                self.waiting.pop(name, None)
                taken()
                return
            self.waiting[name] = problem
            if is_late():
                log.warning("gave up webhook %s: %s", name, problem.why)
                return
            await asyncio.sleep(pause)

    async def _attempt(self, request: Webhook, via: Via) -> Untaken | None:
        """Post once; return what is wrong, None when it was taken."""
        if via == "webhook":
            url, headers = f"{self._address.webhooks}/webhooks/{request.source}", request.headers
        else:
            url = f"{self._address.control}/control/deliveries/{request.source}"
            headers = request.headers | {"Authorization": f"Bearer {self._address.token}"}
        try:
            answer = await self._client.post(url, content=request.body, headers=headers)
        except httpx.HTTPError as error:
            return Untaken(f"ingest does not answer {url} ({type(error).__name__})")
        if answer.is_success:
            return None
        why = f"ingest answered {answer.status_code} at {url}: {answer.text[:200]}"
        return Untaken(why, refused=answer.is_client_error)
