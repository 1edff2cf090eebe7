"""What a bench is given: a folder, servers and processes of its own, all of them ended when it is left."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.measuring import on_processor
from tests.support.kafka import LocalKafka, open_private_kafka
from tests.support.postgres import PostgresServer, open_postgres
from tests.support.signoff import Signoff

BROKER_PROCESSOR = 1
"""The broker and whoever makes load run on another processor than what is measured."""


@dataclass
class Bench:
    """One run of one bench. `quick`: a few seconds that show that it works; its numbers mean nothing."""

    quick: bool = False
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def either(self, whole: float, quick: float) -> float:
        """Return the size of something in a whole run, and in a quick one."""
        return quick if self.quick else whole

    @cached_property
    def folder(self) -> Path:
        """A folder for what is written meanwhile."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-bench-")))

    @cached_property
    def kafka(self) -> LocalKafka:
        """An Apache Kafka of this bench alone."""
        with on_processor(BROKER_PROCESSOR):
            return self._stack.enter_context(open_private_kafka(self.folder / "kafka"))

    @cached_property
    def postgres(self) -> PostgresServer:
        """A PostgreSQL server."""
        return self._stack.enter_context(open_postgres())

    def postgres_url(self) -> str:
        """Return a fresh database."""
        url = self.postgres.create()
        self._stack.callback(self.postgres.drop, url)
        return url

    def kafka_environment(self, bootstrap_servers: str = "") -> dict[str, str]:
        """Return the settings of a cluster with topics of its own on the broker; `topics apply` makes them."""
        return {
            "SIGNOFF_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers or self.kafka.bootstrap_servers,
            "SIGNOFF_KAFKA__TOPIC_PREFIX": f"b{uuid.uuid4().hex[:8]}.",
            "SIGNOFF_KAFKA__REPLICAS": "1",
        }

    def signoff(self, environment: Mapping[str, str] | None = None) -> Signoff:
        """Return the command with a fresh data directory; what it starts ends with the bench."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        made = Signoff(folder / "data", environment or {})
        self._stack.callback(made.stop)
        return made
