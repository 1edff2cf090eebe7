"""The scale-out with webhooks coming in, a broker that may be harmed, and a line to it that may be cut."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.events.payload import ALERTS, INCIDENTS
from tests.resilience import history
from tests.resilience.checker import Finding, Remains, check, told
from tests.resilience.cluster import Cluster, open_cluster
from tests.resilience.sender import Sender
from tests.resilience.topics import Topics
from tests.support.kafka import LocalKafka, open_private_kafka
from tests.support.provider import free_port
from tests.support.proxy import Proxy
from tests.support.signoff import until

REST_LIMIT = 180.0
"""Seconds from the last webhook and the last fault until nothing waits and nothing is owed."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A proxy that runs in a loop of its own, for tests that block."""

    proxy: Proxy
    loop: asyncio.AbstractEventLoop

    def do(self, harm: Callable[[Proxy], Awaitable[None]]) -> None:
        """Do something to the proxy and return when it is done."""

        async def done() -> None:
            await harm(self.proxy)

        asyncio.run_coroutine_threadsafe(done(), self.loop).result()


async def ended(proxy: Proxy) -> None:
    """End a proxy with all its connections."""
    await proxy.__aexit__(None, None, None)
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others)
    proxy.reset()
    await asyncio.sleep(0.1)  # Transports that were aborted close their sockets in the next turns of the loop.


@contextmanager
def open_wire(server: str, listen: int) -> Iterator[Wire]:
    """Carry bytes from a port to a server meanwhile."""
    host, _, port = server.partition(":")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    wire = Wire(Proxy(host, int(port), listen=listen), loop)
    try:
        wire.do(Proxy.up)
        yield wire
    finally:
        wire.do(ended)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def open_far_kafka(folder: Path) -> Iterator[tuple[LocalKafka, int]]:
    """Return a broker that tells everybody to come by another port, and that port."""
    listen = free_port()
    with open_private_kafka(folder) as broker:
        broker.stop()
        settings = broker.folder / "server.properties"
        told_by = f"advertised.listeners=PLAINTEXT://{broker.bootstrap_servers}"
        text = settings.read_text()
        assert told_by in text
        settings.write_text(text.replace(told_by, f"advertised.listeners=PLAINTEXT://127.0.0.1:{listen}"))
        broker.start()
        yield broker, listen


@dataclass
class House:
    """The services, their broker and the wire to it, and who sends them webhooks."""

    cluster: Cluster
    broker: LocalKafka
    wire: Wire
    topics: Topics
    sender: Sender
    findings: list[Finding] = field(default_factory=list)
    closed: Counter[str] = field(default_factory=Counter)
    """How much had been done about the incidents that were closed when everything was read again."""

    def replays_end(self) -> None:
        """Return once no replay is under way."""
        for name, process in self.cluster.signoff.started.items():
            if name.startswith("replay"):
                assert process.wait(REST_LIMIT) == 0, self.cluster.signoff.said(name)

    def replays_go(self) -> None:
        """End the programs that follow replays, however far they are; the world goes on without them."""
        for name, process in list(self.cluster.signoff.started.items()):
            if name.startswith("replay"):
                process.kill()
                process.wait()
                del self.cluster.signoff.started[name]

    def taken(self, most: int = 0) -> None:
        """Return once every group has taken all there is but so many records."""
        until(lambda: self.topics.lag() <= most or None, limit=REST_LIMIT, what="an end of all topics")

    def look_at_topics(self) -> None:
        """Check what lies on the topics now: who recreates one takes it away."""
        self.findings += history.overtaken(self.sender.history, self.topics.read(ALERTS))
        events = [(record.key, record.envelope.id) for record in self.topics.read(INCIDENTS)]
        self.findings += history.disordered(events)

    def at_rest(self) -> Remains:
        """Wait until all has converged, and return what is left."""
        refused = list(history.refused(self.sender.history))
        assert not refused, refused
        self.replays_end()
        self.taken()
        self.cluster.end_incidents(REST_LIMIT)
        self.look_at_topics()

        def resting() -> Remains | None:
            remains = self.cluster.remains()
            return None if self.broken(remains) else remains

        try:
            return until(resting, limit=REST_LIMIT, what="rest")
        except AssertionError as error:
            remains = self.cluster.remains()
            error.add_note(told(remains, self.broken(remains)))
            raise

    def broken(self, remains: Remains) -> list[Finding]:
        """Return every promise that is broken now."""
        sent = self.sender.history
        checks = (
            history.undisposed(sent, remains),
            history.disordered(history.journal(remains)),
            history.acted_again(self.closed, remains),
        )
        return [*check(remains).findings, *self.findings, *(finding for found in checks for finding in found)]


@contextmanager
def open_house(folder: Path, url: str) -> Iterator[House]:
    """Start broker, wire and services; nobody sends yet."""
    with (
        open_far_kafka(folder / "kafka") as (broker, listen),
        open_wire(broker.bootstrap_servers, listen) as wire,
        open_cluster(folder, f"127.0.0.1:{listen}", url) as cluster,
    ):
        secret = (cluster.signoff.data / "secrets" / "generic_webhook").read_text().strip()
        sender = Sender(cluster.ports["ingest"], secret)
        yield House(cluster, broker, wire, Topics(cluster.servers, cluster.prefix), sender)
