"""What is asked of other services: deliveries, silences, dead letters. Reads, and putting a message back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from services.notifier.ports import Peer, Session
from shared.errors import NotFoundError, RefusedError, UnavailableError
from shared.incident.enums import Role
from shared.runtime.people import People

IN_FLIGHT = "in_flight"


class Care:
    """Asks the peers; `own` is this service's control routes, asked the same way."""

    def __init__(self, peers: Mapping[str, Peer], people: People) -> None:
        self._peers = peers
        self._people = people

    async def delivery(self, receipt: str) -> Any:  # noqa: ANN401 -- one disposition, or a list where the body held several
        """Return what became of a delivery; `in_flight` for a valid receipt that is not decided yet.

        Raises NotFoundError for a receipt that we never gave.
        """
        try:
            found = await self._peer("diagnoser").get(f"/deliveries/{quote(receipt)}")
        except NotFoundError:
            found = []
        if found:
            return found[0] if isinstance(found, list) and len(found) == 1 else found
        try:
            await self._peer("ingest").get(f"/control/receipts/{quote(receipt)}")
        except NotFoundError:
            raise NotFoundError(f"no delivery has the receipt {receipt!r}") from None
        names = ("source", "received_at", "reason", "incident_id")
        return {"receipt": receipt, "disposition": IN_FLIGHT, "alerts": [], **dict.fromkeys(names)}

    async def account(self) -> dict[str, Any]:
        """Return the accounts of ingest and diagnoser."""
        ingest, diagnoser = await asyncio.gather(
            self._peer("ingest").get("/control/account"), self._peer("diagnoser").get("/deliveries/account")
        )
        return {"ingest": ingest, "diagnoser": diagnoser}

    async def budget(self) -> Any:  # noqa: ANN401 -- as the diagnoser tells it
        """Return what asking the model has used and what is left."""
        return await self._peer("diagnoser").get("/budget")

    async def investigations(self, incident_id: str) -> Any:  # noqa: ANN401 -- ids, as the diagnoser tells them
        """Return the investigations of an incident that are still kept, oldest first."""
        return await self._peer("diagnoser").get(f"/incidents/{quote(incident_id)}/investigations")

    async def evidence(self, investigation_id: str) -> Any:  # noqa: ANN401 -- as the diagnoser keeps it
        """Return everything an investigation saw and concluded. Raises NotFoundError when it is kept no longer."""
        return await self._peer("diagnoser").get(f"/evidence/{quote(investigation_id)}")

    async def silences(self) -> Any:  # noqa: ANN401 -- as the diagnoser tells them
        """Return the silences in force."""
        return await self._peer("diagnoser").get("/silences")

    async def reliability(self, environment: str) -> Any:  # noqa: ANN401 -- as the diagnoser tells them
        """Return how often each cause that people judged was right."""
        return await self._peer("diagnoser").get("/reliability", environment=environment)

    async def dead_letters(self) -> list[dict[str, Any]]:
        """Return the dead letters of all services; one that does not answer says so in its place."""
        return await self._everywhere("/control/dead-letters", ("message_id", "aggregate", "type"))

    async def parked_keys(self) -> list[dict[str, Any]]:
        """Return the keys of which no service sends any more, likewise."""
        return await self._everywhere("/control/parked-keys", ("topic", "key"))

    async def _everywhere(self, path: str, names: Sequence[str]) -> list[dict[str, Any]]:
        async def told(service: str) -> list[dict[str, Any]]:
            try:
                return list(await self._peers[service].get(path))
            except UnavailableError as error:
                return [{"service": service, **dict.fromkeys(names, ""), "reason": str(error)}]

        found = await asyncio.gather(*(told(name) for name in sorted(self._peers)))
        return [one for ones in found for one in ones]

    async def dead_letter(self, service: str, message_id: str) -> Any:  # noqa: ANN401 -- as the service tells it
        """Return one dead letter with its body."""
        return await self._peer(service).get(f"/control/dead-letters/{quote(message_id)}")

    async def requeue(self, session: Session, service: str, message_id: str) -> Any:  # noqa: ANN401 -- as the service tells it
        """Have a dead message handled again."""
        self._only_responders(session)
        return await self._peer(service).post(f"/control/dead-letters/requeue/{quote(message_id)}", {})

    async def release(self, session: Session, service: str, topic: str, key: str) -> Any:  # noqa: ANN401 -- as the service tells it
        """Have what waits under a parked key sent again."""
        self._only_responders(session)
        return await self._peer(service).post("/control/parked-keys/release", {"topic": topic, "key": key})

    def _only_responders(self, session: Session) -> None:
        person = self._people.find(session.person)
        if person is None or not person.has(Role.RESPONDER):
            raise RefusedError(f"{session.person} is no {Role.RESPONDER.value}")

    def _peer(self, service: str) -> Peer:
        if service not in self._peers:
            raise NotFoundError(f"no service {service!r}; there are {', '.join(sorted(self._peers))}")
        return self._peers[service]
