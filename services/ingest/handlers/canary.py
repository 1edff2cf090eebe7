"""The canary: a test delivery that Signoff sends itself, so that a broken path is noticed before an alert is lost.

It takes the way of every delivery from here on; the diagnoser gives it the disposition `test`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime

from services.ingest.domain.parsed import NotAnAlert, Parsed
from services.ingest.handlers.accept import Accepted
from services.ingest.handlers.keep import Keeper
from services.ingest.handlers.metrics import CANARY
from shared.errors import UnavailableError
from shared.incident.model import LIVE
from shared.runtime.clock import wall

log = logging.getLogger("signoff.ingest")

SOURCE = "canary"


def parse(body: bytes, headers: Mapping[str, str], received_at: datetime) -> Parsed:
    """Return the one thing that a canary is."""
    del body, headers, received_at
    return (NotAnAlert(SOURCE, "Signoff tests its own path", is_test=True),)


async def send_canaries(keeper: Keeper, every: float) -> None:
    """Send one every so many seconds, for ever."""
    while True:
        await asyncio.sleep(every)
        try:
            await keeper.keep(Accepted(SOURCE, LIVE, {}, b"{}", wall(), 2))
        except UnavailableError as error:
            log.warning("canary was not kept: %s", error)
        else:
            CANARY.set(wall())
