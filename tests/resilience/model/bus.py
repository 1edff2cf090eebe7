"""A bus in memory: order within a key of a topic, none across keys; what was read may be read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from shared.bus.intake import routed
from shared.bus.port import Received, Route, Subscription
from shared.events.envelope import read_headers
from tests.resilience.model.store import MemoryStore

Place = tuple[str, str]
"""A subscription and a key."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One service reading one topic."""

    name: str
    topic: str
    route: Route
    store: MemoryStore


class MemoryBus:
    """Keeps every record of every key; each reader has a place in each."""

    def __init__(self, readers: list[Reader], heard: Callable[[Received], None]) -> None:
        self.readers = {reader.name: reader for reader in readers}
        self.records: dict[tuple[str, str], list[Received]] = {}
        self._places: dict[Place, int] = {}
        self._pending: dict[Place, None] = {}
        self._heard = heard

    def append(self, topic: str, key: str, headers: Mapping[str, str], body: bytes) -> None:
        """Take one record in."""
        known = self.records.setdefault((topic, key), [])
        record = Received(topic, key, read_headers(headers), headers, body, len(known))
        known.append(record)
        self._heard(record)
        for reader in self.readers.values():
            if reader.topic == topic:
                self._pending[reader.name, key] = None

    def pending(self) -> list[Place]:
        """Return where there is something to read."""
        return list(self._pending)

    def deliver(self, place: Place, count: int) -> None:
        """Give a reader its next records of a key."""
        reader, start = self.readers[place[0]], self._places.get(place, 0)
        known = self.records[reader.topic, place[1]]
        records = known[start : start + count]
        subscription = Subscription(reader.name, reader.topic, reader.route, None)  # type: ignore[arg-type]  # routing looks at names only
        reader.store.take(routed(subscription, records))
        self._places[place] = start + len(records)
        if self._places[place] == len(known):
            self._pending.pop(place, None)

    def rewind(self, chance: Random, *, service: str = "", whole: bool = False) -> None:
        """Let readers forget how far they were: what they read comes again."""
        places = [place for place in self._places if place[0].startswith(service)]
        for place in places if whole or service else chance.sample(places, min(1, len(places))):
            self._places[place] = 0 if whole else max(0, self._places[place] - chance.randrange(1, 6))
            self._pending[place] = None
