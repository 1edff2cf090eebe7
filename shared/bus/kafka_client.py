"""What all clients of a Kafka cluster share: how they connect, and how they are given up."""

from __future__ import annotations

import asyncio
import logging
import ssl
import traceback
from collections.abc import Awaitable
from itertools import chain
from typing import Any, Never

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.bus.settings import KafkaSettings
from shared.errors import ConfigurationError

log = logging.getLogger("signoff.bus")

ASK_LIMIT = 3.0
CLOSE_LIMIT = 1.0
"""Seconds in which all that a client has left behind ends."""


def client_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Return what every client of the cluster is constructed with."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        arguments["ssl_context"] = tls_context(settings)
    if settings.security_protocol.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    return arguments


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Return the TLS context. Raises ConfigurationError for files that cannot be used."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except OSError as error:
        raise ConfigurationError(f"kafka: TLS files cannot be used: {error}") from error
    return context


async def refusal(settings: KafkaSettings) -> str:
    """Return why the first broker refuses a connection, empty when it does not: the library tells only its log."""
    arguments = client_arguments(settings)
    [(host, port, _), *_] = collect_hosts(arguments.pop("bootstrap_servers"), randomize=False)
    try:
        async with asyncio.timeout(ASK_LIMIT):
            connection = await create_conn(host, port, **arguments)
    except (TimeoutError, KafkaError, OSError) as error:
        return f"{type(error).__name__} {error}"
    connection.close()
    return ""


async def begin(client: Any) -> None:  # noqa: ANN401 -- whatever of this untyped library has a `start`
    """Start a client. However that ends, no connection is left open that nobody knows.

    aiokafka forgets its first one when it is cancelled while the broker owes it the metadata: nothing but the frame
    that was left then knows it.
    """
    try:
        await client.start()
    except BaseException as error:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if (forgotten := frame.f_locals.get("bootstrap_conn")) is not None:
                forgotten.close()
        raise


async def bounded(call: Awaitable[Any], limit: float) -> None:
    """Await a call that may hang or cancel itself; give it up after `limit` seconds, or when this is cancelled."""
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait([task], timeout=limit)
    finally:
        task.cancel()
    if done and not task.cancelled() and (error := task.exception()) is not None:
        log.info("ignored while closing: %s", error)


async def end_consumer(consumer: AIOKafkaConsumer, limit: float) -> None:
    """Leave the group and close a consumer within `limit` seconds; after that it is given up."""
    await bounded(consumer.stop(), limit)
    group, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001 -- as for `end_client`
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
    tasks = [getattr(group, name, None) for name in names]
    if fetcher is not None:
        tasks += [fetcher._fetch_task, *fetcher._pending_tasks]  # noqa: SLF001 -- as above
    await end_client(consumer._client, *tasks)  # noqa: SLF001 -- as above


async def end_producer(producer: AIOKafkaProducer, limit: float) -> None:
    """Flush and close a producer within `limit` seconds; what is not flushed then is given up."""
    await bounded(producer.stop(), limit)
    unsent = producer._message_accumulator  # noqa: SLF001 -- as for `end_client`
    for batch in chain(*unsent._batches.values(), unsent._pending_batches):  # noqa: SLF001 -- as above
        batch.future.cancel()  # Else a task that flushes waits for it for ever.
    await end_client(producer.client, producer._sender.sender_task)  # noqa: SLF001 -- as above


async def end_client(client: AIOKafkaClient, *tasks: asyncio.Task[Any] | None) -> None:
    """End what `stop` leaves behind when it hangs or comes to grief: tasks that would go on for ever, and connections.

    Returns within about `CLOSE_LIMIT`. No connection of the client is open afterwards, and none is made any more.
    """
    left = [task for task in (client._sync_task, *tasks) if task is not None]  # noqa: SLF001 -- no public name tells it
    for task in left:
        task.cancel()
    connections = list(client._conns.values())  # noqa: SLF001 -- as above
    client._conns = _Ended()  # noqa: SLF001 -- as above
    left += [connection.close() for connection in connections]
    if left:
        await asyncio.wait(left, timeout=CLOSE_LIMIT)
    for connection in connections:
        # A broker that takes nothing keeps a connection open that has something left to send.
        if (transport := connection._protocol._transport) is not None:  # noqa: SLF001 -- as above
            transport.abort()


class _Ended(dict[Any, AIOKafkaConnection]):
    """The connections of a client that has ended: what was still being made when it did is not taken in."""

    def __setitem__(self, key: Any, connection: AIOKafkaConnection) -> Never:  # noqa: ANN401 -- the library's own
        connection.close()
        raise KafkaConnectionError("this client has ended")
