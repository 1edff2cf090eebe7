"""What vendors say of calls and reads may hold secrets; none of them reaches an event, a page or the audit."""

from __future__ import annotations

from shared.store.model import JSON
from shared.store.port import Claimed
from shared.store.worker import Handler, Renew
from shared.telemetry.redacting import Redactor

DETAIL_MAX = 2000
TOLD = ("detail", "before", "clauses")
"""What is told of a result. The plan is not among it: its bytes are what people approve."""


def redacted(handler: Handler, redactor: Redactor) -> Handler:
    """Return an activity that tells no secret. `detail` is cut last: half a secret would not be known."""

    async def handle(claimed: Claimed, renew: Renew) -> JSON:
        result = await handler(claimed, renew)
        told = {name: redactor.value(result[name]) for name in TOLD if name in result}
        return {**result, **told} | ({"detail": told["detail"][:DETAIL_MAX]} if "detail" in told else {})

    return handle
