"""Who is it? Sessions of this machine, begun by a one-time login or by the run token."""

from __future__ import annotations

import hmac
import secrets

import orjson

from services.notifier.handlers.signins import AGGREGATE
from services.notifier.ports import Session, Sessions
from shared.errors import NotFoundError, RefusedError
from shared.runtime.people import People, Person
from shared.store.model import Incoming
from shared.store.port import Store

PAGE = "page:local"
COMMAND = "cli:local"


class SigningIn:
    """Begins, finds and ends sessions. Every beginning and end is in the audit chain before it counts."""

    def __init__(self, store: Store, sessions: Sessions, people: People, *, run_token: str, operator: str) -> None:
        self._store = store
        self._sessions = sessions
        self._people = people
        self._run_token = run_token.encode()
        self._operator = operator

    def person(self, person_id: str) -> Person:
        """Return a person. Raises NotFoundError with the people there are."""
        found = self._people.find(person_id)
        if found is None:
            known = ", ".join(person.id for person in self._people.people)
            raise NotFoundError(f"no person {person_id!r}; known: {known}")
        return found

    def name(self, person_id: str) -> str:
        """Return what a person is called; the id of somebody who is not known any more."""
        found = self._people.find(person_id)
        return found.name if found else person_id

    def knows(self, person_id: str) -> bool:
        """Say whether there is such a person."""
        return self._people.find(person_id) is not None

    async def by_bearer(self, token: str, *, is_local: bool) -> Session | None:
        """Return the session of an API token: the run token, from this machine only, or a session's."""
        if self._run_token and hmac.compare_digest(token.encode(), self._run_token):
            if not is_local or not self.knows(self._operator):
                return None
            return Session(self._operator, COMMAND, await self._store.now(), is_operator=True)
        return await self._known(token)

    async def by_cookie(self, token: str) -> Session | None:
        """Return the session of a browser."""
        return await self._known(token)

    async def _known(self, token: str) -> Session | None:
        session = await self._sessions.find(token)
        # Who has left `people.yaml` is signed out at once.
        return session if session is not None and self.knows(session.person) else None

    async def invite(self, person_id: str) -> str:
        """Return a one-time login token for a person."""
        return await self._sessions.invite(self.person(person_id).id)

    async def invited(self, token: str) -> Person | None:
        """Return whom a login token is for; changes nothing."""
        found = await self._sessions.invited(token)
        return self._people.find(found) if found else None

    async def accept(self, token: str) -> str:
        """Use a login token up and return a session token. Raises RefusedError."""
        found = await self._sessions.accept(token)
        if found is None:
            raise RefusedError("this login link was used already or has expired; get a new one with `signoff login`")
        return await self.begin(found, PAGE)

    async def begin(self, person_id: str, via: str) -> str:
        """Begin a session and return its token."""
        person = self.person(person_id)
        await self._audit("signed_in", person.id, via)
        return await self._sessions.begin(person.id, via)

    async def end(self, token: str, session: Session) -> None:
        """End a session."""
        await self._sessions.end(token)
        await self._audit("signed_out", session.person, session.via)

    async def _audit(self, what: str, person: str, via: str) -> None:
        body = orjson.dumps({"person": person, "via": via})
        await self._store.ask(Incoming(AGGREGATE, f"{what}/{secrets.token_hex(16)}", what, body))
