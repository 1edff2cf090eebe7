"""The same suite for both databases: `open_store` opens the test's one database, again and again if it likes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from shared.store import factory
from shared.store.model import JSON
from shared.store.port import Store
from tests.support.kinds import KINDS, NOTES

Opener = Callable[..., Awaitable[Store]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the test's database is."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "thing.db")


@pytest.fixture
async def open_store(location: str) -> AsyncIterator[Opener]:
    """Open (and by default start) a store of service `thing`; whatever is still open is closed at the end."""
    opened: list[Store] = []

    async def opener(*, start: bool = True, **given: JSON) -> Store:
        arguments = {"service": "thing", "kinds": KINDS, "tables": (NOTES,), **given}
        store = factory.open_store(location, **arguments)
        opened.append(store)
        await store.open()
        if start:
            await store.start()
        return store

    yield opener
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: Opener) -> Store:
    """A running store with the kinds `doc` and `gate` and the table `note`."""
    return await open_store()
