"""The activity `call`: one approved verb on one target, once.

Nothing is tried again here. What is certain not to have happened is `failed_safe`; every doubt is `unknown`, and the
vendor's own record settles it later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from services.executor.domain.work import Call, Called
from shared.errors import UnavailableError
from shared.integrations.acting import CallResult, InfrastructureActuator
from shared.integrations.registry import Integrations
from shared.store.port import Claimed
from shared.store.worker import Renew

_LOG = logging.getLogger(__name__)


class Calling:
    """Calls verbs through the actuator of an environment. `now` is the database's clock."""

    def __init__(self, integrations: Integrations, now: Callable[[], Awaitable[float]]) -> None:
        self._integrations = integrations
        self._now = now

    def verbs(self, environment: str) -> Collection[str] | None:
        """Return the verbs that can be called in an environment, None when it has no actuator."""
        actuator = self._integrations.find(InfrastructureActuator, environment)
        return None if actuator is None else actuator.verbs()

    async def call(self, claimed: Claimed, renew: Renew) -> Called:
        """Call, if the lease is still ours right before the bytes go out."""
        args: Call = claimed.args
        result = await self._call(args, renew)
        said = {"incident_id": args["incident_id"], "execution_id": args["execution_id"], "step": args["step_id"]}
        _LOG.info("called", extra={**said, "verb": args["verb"], "target": args["target"], "outcome": result.outcome})
        return {
            "execution_id": args["execution_id"],
            "step_id": args["step_id"],
            "outcome": result.outcome,
            "detail": result.detail,
        }

    async def _call(self, args: Call, renew: Renew) -> CallResult:
        actuator = self._integrations.find(InfrastructureActuator, args["environment"])
        if actuator is None:
            return CallResult("failed_safe", f"nothing can be changed in environment {args['environment']!r}")
        if args["verb"] not in actuator.verbs():
            return CallResult("failed_safe", f"unknown verb {args['verb']!r}")
        late = await self._too_late(args, renew)
        if late:
            return CallResult("failed_safe", f"{late}, so nothing was sent")
        try:
            async with asyncio.timeout(args["limit"]):
                return await actuator.call(
                    args["verb"], args["target"], args["arguments"], token=args["token"], limit=args["limit"]
                )
        except TimeoutError:
            return CallResult("unknown", f"no answer within {args['limit']:g} s")
        except Exception as error:  # noqa: BLE001 -- whatever it was, the bytes may have gone out: that is doubt, no crash
            _LOG.exception("call_failed")
            return CallResult("unknown", f"{type(error).__name__}: {error}")

    async def _too_late(self, args: Call, renew: Renew) -> str:
        """Return why the call must not begin any more; the renewal of the lease is the last thing before the bytes."""
        try:
            if await self._now() > args["begin_by"]:
                return "the time in which it may begin is over"
            return "" if await renew() else "the lease could not be renewed"
        except UnavailableError:
            return "the lease could not be renewed"
