"""A cluster that wants TLS and a password: who has both gets in, who has not is told and told why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from shared.bus.kafka import KafkaBus
from shared.bus.settings import KafkaSettings
from tests.contract.bus.conftest import MakeStore, ready, record, subscription
from tests.support.kafka import is_installed
from tests.support.kafka_secured import PASSWORD, USER, SecuredKafka, write_certificates
from tests.support.kinds import eventually, logged
from tests.support.provider import MissingServerError

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

MakeSecured = Callable[..., KafkaBus]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    if not is_installed():
        raise MissingServerError("a secured Kafka needs a local one; run `make test-servers`")
    with SecuredKafka(tmp_path_factory.mktemp("secured-kafka")) as server:
        server.start()
        yield server


@pytest.fixture
async def make_bus(secured: SecuredKafka) -> AsyncIterator[MakeSecured]:
    made: list[KafkaBus] = []

    def make(**changes: object) -> KafkaBus:
        given = {
            "bootstrap_servers": secured.secured_servers,
            "security_protocol": "SASL_SSL",
            "sasl_username": USER,
            "sasl_password": PASSWORD,
            "ca_file": secured.ca_file,
            "auto_create": True,
        }
        made.append(KafkaBus(KafkaSettings.model_validate({**given, **changes})))
        return made[-1]

    yield make
    for bus in made:
        await bus.stop()


async def problem_of(bus: KafkaBus, says: str) -> str:
    """Return what a bus tells once it holds `says`."""

    async def told() -> str:
        problem = bus.problem() or ""
        return problem if says in problem else ""

    return await eventually(told, limit=30)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_who_has_the_password_makes_topics_sends_and_reads(
    mechanism: str, make_bus: MakeSecured, make_store: MakeStore
) -> None:
    store, bus = await make_store(), make_bus(sasl_mechanism=mechanism, topic_prefix=f"{mechanism}.")
    bus.subscribe(subscription(store))
    await bus.start()
    await ready(bus)
    await bus.append([record("k", "e1"), record("k", "e2")])
    assert [entry[1] for entry in await logged(store, "doc/k", 2)] == ["e1", "e2"]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_a_wrong_password_is_told_and_not_shown(mechanism: str, make_bus: MakeSecured) -> None:
    bus = make_bus(sasl_mechanism=mechanism, sasl_password="wrong-secret")
    await bus.start()
    assert "wrong-secret" not in await problem_of(bus, "uthentication")


async def test_a_cluster_signed_by_nobody_we_trust_is_refused(make_bus: MakeSecured, tmp_path: Path) -> None:
    write_certificates(tmp_path / "other.pem", tmp_path / "keys.pem")
    bus = make_bus(ca_file=tmp_path / "other.pem")
    await bus.start()
    assert "certificate" in await problem_of(bus, "does not answer")
