"""Sessions and one-time logins in two plain tables, each row changed by one conditional statement."""

from __future__ import annotations

import hashlib
import hmac

from sqlalchemy import delete, insert, select

from services.notifier.adapters.tables import LOGIN, SESSION
from services.notifier.ports import Session
from shared.runtime.secrets import random_secret
from shared.store.port import Store

LOGIN_SECONDS = 15 * 60.0


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_of(token: str) -> str:
    """Return the CSRF token of a session: bound to it, and of no use to find it."""
    return hmac.new(token.encode(), b"signoff csrf", hashlib.sha256).hexdigest()


class StoredSessions:
    """Sessions in the notifier's store. Time is the database's."""

    def __init__(self, store: Store, *, session_seconds: float) -> None:
        self._store = store
        self._session_seconds = session_seconds

    async def invite(self, person: str) -> str:
        """Return a one-time login token."""
        token, now = random_secret(), await self._store.now()
        await self._store.execute(delete(LOGIN).where(LOGIN.c.expires_at < now))
        values = {"digest": digest(token), "person": person, "expires_at": now + LOGIN_SECONDS}
        await self._store.execute(insert(LOGIN).values(values))
        return token

    async def invited(self, token: str) -> str | None:
        """Return whom a login token is for, while it can be used. Changes nothing."""
        now = await self._store.now()
        statement = select(LOGIN.c.person).where(LOGIN.c.digest == digest(token), LOGIN.c.expires_at > now)
        rows = await self._store.select(statement)
        return str(rows[0]["person"]) if rows else None

    async def accept(self, token: str) -> str | None:
        """Use a login token up and return whom it is for; None when it is used, expired or unknown."""
        now = await self._store.now()
        statement = delete(LOGIN).where(LOGIN.c.digest == digest(token), LOGIN.c.expires_at > now)
        rows = await self._store.execute(statement.returning(LOGIN.c.person))
        return str(rows[0]["person"]) if rows else None

    async def begin(self, person: str, via: str) -> str:
        """Begin a session and return its token."""
        token, now = random_secret(), await self._store.now()
        await self._store.execute(delete(SESSION).where(SESSION.c.expires_at < now))
        values = {
            "digest": digest(token),
            "person": person,
            "via": via,
            "authenticated_at": now,
            "expires_at": now + self._session_seconds,
        }
        await self._store.execute(insert(SESSION).values(values))
        return token

    async def find(self, token: str) -> Session | None:
        """Return the session of a token, None when there is none or it has expired."""
        now = await self._store.now()
        statement = select(SESSION).where(SESSION.c.digest == digest(token), SESSION.c.expires_at > now)
        rows = await self._store.select(statement)
        if not rows:
            return None
        row = rows[0]
        return Session(row["person"], row["via"], row["authenticated_at"], csrf_of(token))

    async def end(self, token: str) -> None:
        """End a session."""
        await self._store.execute(delete(SESSION).where(SESSION.c.digest == digest(token)))
