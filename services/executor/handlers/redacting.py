"""What vendors say of calls and reads may hold secrets; none of them reaches an event, a page or the audit."""

from __future__ import annotations

from shared.store.model import JSON
from shared.store.port import Claimed
from shared.store.worker import Handler, Renew
from shared.telemetry.redacting import Redactor

DETAIL_MAX = 2000


def redacted(handler: Handler, redactor: Redactor) -> Handler:
    """Return an activity whose `detail` holds no secret. It is cut last: half a secret would not be known."""

    async def handle(claimed: Claimed, renew: Renew) -> JSON:
        result = await handler(claimed, renew)
        return {**result, "detail": redactor.text(result["detail"])[:DETAIL_MAX]} if "detail" in result else result

    return handle
