"""What all clients of a Kafka cluster share: how they connect, and how they are given up."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError

from shared.bus.settings import KafkaSettings
from shared.errors import ConfigurationError

log = logging.getLogger("signoff.bus")

ASK_LIMIT = 3.0


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


async def bounded(call: Awaitable[Any], limit: float) -> None:
    """Await a call that may hang or cancel itself; give it up after `limit` seconds."""
    task = asyncio.ensure_future(call)
    done, _ = await asyncio.wait([task], timeout=limit)
    if not done:
        task.cancel()
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.info("ignored while closing: %s", error)


async def end_producer(producer: AIOKafkaProducer, limit: float) -> None:
    """Flush and close a producer within `limit` seconds; what is not flushed then is given up."""
    await bounded(producer.stop(), limit)
    sender = producer._sender  # noqa: SLF001 -- a `stop` that is given up leaves this task retrying for ever
    if sender is not None:
        await bounded(sender.close(), 1.0)
    await bounded(producer.client.close(), 1.0)
