"""Fixtures of all tests: real servers and the installed command, ended by their own handles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.kafka import KafkaServer, LocalKafka, open_kafka, open_private_kafka
from tests.support.no_skips import NoSkips
from tests.support.postgres import LocalPostgres, PostgresServer, open_postgres, open_private_postgres
from tests.support.signoff import Signoff

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # A busy machine is no wrong answer.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let single tests be skipped by hand, never in a whole run."""
    parser.addoption("--allow-skips", action="store_true", help="do not fail the run because of skipped tests")


def pytest_configure(config: pytest.Config) -> None:
    """Make skips fail."""
    if not config.getoption("--allow-skips"):
        config.pluginmanager.register(NoSkips())


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A running broker that all tests share; each makes its own topic prefix and groups."""
    with open_kafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture(scope="session")
def private_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker that a fault test may stop, freeze and kill; it must run again when the test ends."""
    with open_private_kafka(tmp_path_factory.mktemp("private-kafka")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server that all tests share."""
    with open_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def private_postgres() -> Iterator[LocalPostgres]:
    """A server that a fault test may kill; it must run again when the test ends."""
    with open_private_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """A fresh database."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture
def signoff(tmp_path: Path) -> Iterator[Signoff]:
    """The command with a data directory of its own; nothing runs yet."""
    found = Signoff(tmp_path / "data")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signoff]:
    """Everything in one process, running. Each replay is an environment of its own, so tests do not meet."""
    found = Signoff(tmp_path_factory.mktemp("shared") / "data")
    found.up()
    yield found
    found.stop()
