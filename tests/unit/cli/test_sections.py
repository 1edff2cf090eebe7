from __future__ import annotations

from pathlib import Path

import pytest

from cli.secrets import give_secrets
from cli.sections import read_sections
from cli.starting import answer_to, prepare
from shared.errors import ConfigurationError
from shared.runtime.configuration import Configuration, read_configuration
from shared.runtime.secrets import new_key, private_key, public_text


def given(folder: Path, **environment: str) -> Configuration:
    return read_configuration({f"SIGNOFF_{name}": value for name, value in environment.items()}, folder=folder)


def test_the_redactor_knows_every_secret_of_every_section(tmp_path: Path) -> None:
    configuration = given(
        tmp_path,
        STORE__URL="postgresql://u:store-password@db/s",
        KAFKA__SASL_PASSWORD="kafka-password",
        INGEST__DATADOG__SECRETS='["datadog-one", "datadog-two"]',
    )
    give_secrets(configuration, tmp_path, replay=True)

    known = set(read_sections(configuration).secrets())

    written = {path.read_text().strip() for path in (tmp_path / "secrets").iterdir()}
    replaced = (tmp_path / "secrets" / "datadog_webhook").read_text().strip()
    assert known >= written - {replaced}
    assert known >= {"kafka-password", "datadog-one", "datadog-two", "postgresql://u:store-password@db/s"}


def test_two_processes_of_one_data_directory_have_the_same_secrets(tmp_path: Path) -> None:
    def read() -> list[str]:
        configuration = given(tmp_path)
        give_secrets(configuration, tmp_path, replay=True)
        return sorted(read_sections(configuration).secrets())

    assert read() == read()


def test_the_executor_trusts_the_key_that_the_notifier_was_given(tmp_path: Path) -> None:
    configuration = given(tmp_path)
    give_secrets(configuration, tmp_path, replay=True)

    of = read_sections(configuration).of

    notifier, executor = of["notifier"].model_dump(), of["executor"].model_dump()
    public = public_text(private_key(notifier["signing_key"].get_secret_value()))
    assert executor["trusted_keys"] == {notifier["kid"]: public}


def test_who_brings_a_signing_key_also_says_who_trusts_it(tmp_path: Path) -> None:
    configuration = given(tmp_path, NOTIFIER__SIGNING_KEY=new_key())

    give_secrets(configuration, tmp_path, replay=True)

    assert not configuration.has(("executor", "trusted_keys"))
    assert not (tmp_path / "secrets" / "notifier_key.pem").exists()


def test_without_a_simulated_world_there_is_no_replay_secret(tmp_path: Path) -> None:
    configuration = given(tmp_path, MOCK__URL="")

    sections = prepare(configuration, tmp_path, ("ingest",), level="WARNING")

    ingest = sections.of["ingest"].model_dump()
    assert [ingest[source]["replay_secret"] for source in ("datadog", "pagerduty", "generic")] == [None, None, None]


@pytest.mark.parametrize("name", ["integrations", "people", "notifer"])
def test_a_section_that_nobody_reads_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown section \\[{name}\\]"):
        read_sections(given(tmp_path, **{f"{name.upper()}__KEY": "x"}))


def test_the_console_answers_to_its_own_address_beside_the_one_that_people_use(tmp_path: Path) -> None:
    configuration = given(
        tmp_path, NOTIFIER__BASE_URL="https://signoff.example", NOTIFIER__ALLOWED_HOSTS='["other.example"]'
    )

    answer_to(configuration, "http://127.0.0.1:8700")

    assert configuration.text(("notifier", "base_url")) == "https://signoff.example"
    assert configuration.values["notifier", "allowed_hosts"].value == ["other.example", "127.0.0.1:8700"]


@pytest.mark.parametrize(
    "name, value, said",
    [
        pytest.param("STORE__URL", "mysql://u:s3cret@db/s", "store.url", id="a database that nobody speaks to"),
        pytest.param("STORE__URL", "postgresql:///", "store.url", id="a database without a host"),
        pytest.param(
            "NOTIFIER__BASE_URL", "signoff.example.com", "notifier.base_url", id="an address without a scheme"
        ),
        pytest.param("NOTIFIER__BASE_URL", "ftp://example.com", "notifier.base_url", id="an address of something else"),
        pytest.param("NOTIFIER__BASE_URL", "http://host:port", "notifier.base_url", id="an address with no port in it"),
        pytest.param("NOTIFIER__BASE_URL", "https://a b/", "notifier.base_url", id="an address with a space"),
        pytest.param("NOTIFIER__BASE_URL", "", "notifier.base_url", id="no address"),
        pytest.param("SERVICES__EXECUTOR_URL", "executor:8704", "services.executor_url", id="a peer without a scheme"),
    ],
)
def test_an_address_that_cannot_be_one_is_named_with_its_place_and_without_its_password(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    configuration = given(tmp_path, **{name: value})

    with pytest.raises(ConfigurationError, match=f"env SIGNOFF_{name}: {said}: write ") as error:
        read_sections(configuration)

    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("url", ["https://signoff.example.com", "http://[::1]:8700/", "https://example.com/signoff"])
def test_an_address_that_can_be_one_is_taken_as_it_is(tmp_path: Path, url: str) -> None:
    sections = read_sections(given(tmp_path, NOTIFIER__BASE_URL=url, STORE__URL="postgres://db/s"))

    assert sections.of["notifier"].model_dump()["base_url"] == url
