"""Replies that are kept: what was asked before in exactly these words is not asked and paid for again.

A request is the same when all that decides about the answer is: who is asked, the instructions, the pack and all that
was said after it, and what may be answered. Only replies of conversations that passed are kept.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import replace
from threading import Lock

import orjson

from services.diagnoser.domain.model_use import Reach
from services.diagnoser.engines.anthropic.client import Client, Reply, Request

KEPT_MAX = 200
"""Replies; each has a few KiB."""


class Kept:
    """Replies by what was asked, in memory, the latest ones. Shared by conversations in several threads."""

    def __init__(self) -> None:
        self._replies: OrderedDict[str, Reply] = OrderedDict()
        self._lock = Lock()

    def find(self, key: str) -> Reply | None:
        """Return a reply that is kept."""
        with self._lock:
            if key in self._replies:
                self._replies.move_to_end(key)
            return self._replies.get(key)

    def keep(self, replies: dict[str, Reply]) -> None:
        """Keep replies; the oldest go."""
        with self._lock:
            self._replies |= replies
            while len(self._replies) > KEPT_MAX:
                self._replies.popitem(last=False)


class KeepingClient:
    """Asks only what nobody has asked before. `keep` when its conversation has passed."""

    def __init__(self, client: Client, kept: Kept, reach: Reach) -> None:
        self._client, self._kept = client, kept
        self._whom = reach.model_dump(mode="json", include={"kind", "model", "base_url", "replies"})
        self._new: dict[str, Reply] = {}

    async def ask(self, request: Request) -> Reply:
        """Return the reply; raises as the client does."""
        key = self._key(request)
        known = self._kept.find(key)
        if known is not None:
            return replace(known, is_kept=True)
        self._new[key] = reply = await self._client.ask(request)
        return reply

    def keep(self) -> None:
        """Keep what is new."""
        self._kept.keep(self._new)

    def _key(self, request: Request) -> str:
        asked = [request.system, request.tools, request.messages, request.schema, request.may_use_tools]
        return hashlib.sha256(orjson.dumps([self._whom, *asked], default=str)).hexdigest()
