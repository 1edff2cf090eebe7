"""The activity that posts the newest version to one channel."""

from __future__ import annotations

from collections.abc import Mapping

from services.notifier.domain.notice import Notice
from services.notifier.handlers.incident_state import aggregate
from services.notifier.handlers.telling import ROW
from services.notifier.ports import Channel
from shared.errors import NotFoundError, UnavailableError
from shared.store.model import JSON
from shared.store.port import Claimed, Store
from shared.store.worker import Renew


class Posting:
    """Reads the newest version when it runs, so that what waited for a channel is never posted out of date."""

    def __init__(self, store: Store, channels: Mapping[str, Channel]) -> None:
        self._store = store
        self._channels = channels

    async def post(self, claimed: Claimed, renew: Renew) -> JSON:
        """Post, and return which version it was."""
        args = claimed.args
        channel = self._channels.get(args["channel"])
        if channel is None:
            raise NotFoundError(f"no channel {args['channel']!r} in this process")
        row = (await self._store.rows(aggregate(args["incident"]), ROW))[ROW]
        notice = Notice.model_validate(row["notice"])
        if notice.stage == args["stage"]:
            # The thread gets a line for a new stage only.
            notice = notice.model_copy(update={"line": ""})
        if not await renew():
            raise UnavailableError("the post belongs to another worker now")
        await channel.post(args["environment"], args["incident"], notice)
        return {"version": row["version"], "stage": notice.stage, "approval": notice.approval}
