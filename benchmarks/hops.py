"""The floor of the pipeline: topics with nothing between them. `python -m benchmarks.hops IN [OUT]` is one hop.

Each record of IN goes on to OUT and IN is committed after OUT has acknowledged; without OUT its title is a line on
standard error, as the terminal of the notifier has one. No database, no order of incidents, nothing is taken once.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.bus.kafka import BATCH_BYTES

READY = "is ready"
_TITLE = re.compile(rb"burst-\d+")


async def hop(source: str, target: str | None) -> None:
    """Pass records on for ever."""
    servers = os.environ["BENCH_KAFKA"]
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=servers,
        group_id=f"hop-{source}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=BATCH_BYTES
    )
    await consumer.start()
    await producer.start()
    sys.stderr.write(f"{source} {READY}\n")
    while True:
        found = await consumer.getmany(timeout_ms=500)
        records = [record for some in found.values() for record in some]
        if target:
            await asyncio.gather(*[await producer.send(target, one.value, key=one.key) for one in records])
        else:
            sys.stderr.write(
                "".join(f"{title[0].decode()}\n" for one in records if (title := _TITLE.search(one.value)))
            )
            sys.stderr.flush()
        if records:
            await consumer.commit()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(hop(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
