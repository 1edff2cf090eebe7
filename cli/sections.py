"""All sections of the configuration, checked: those of the process and those of the services it runs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from cli.settings import MockSettings, ServicesSettings, StoreSettings
from shared.bus.settings import KafkaSettings
from shared.runtime.configuration import Configuration
from shared.runtime.settings import Section

SERVICES = ("ingest", "diagnoser", "executor", "notifier")
_PROCESS = ("kafka", "store", "mock", "services")
WORLD = "world"


@dataclass(frozen=True, slots=True)
class Sections:
    """What a process reads. `of` holds the settings of its services by name."""

    kafka: KafkaSettings
    store: StoreSettings
    mock: MockSettings
    services: ServicesSettings
    of: Mapping[str, Section]

    def all(self) -> Iterator[tuple[str, Section]]:
        """Yield every section with its name."""
        for name in _PROCESS:
            yield name, getattr(self, name)
        yield from self.of.items()

    def secrets(self) -> Iterator[str]:
        """Yield every secret, for the redactor."""
        for _, section in self.all():
            yield from _secrets(section)


def read_sections(configuration: Configuration, names: Sequence[str] = SERVICES) -> Sections:
    """Return the sections of a process that runs the services `names`.

    Raises ConfigurationError for an unknown section or key and for a value that does not fit, with its place.
    """
    configuration.check_sections(frozenset({*_PROCESS, *SERVICES}))
    mock = configuration.section("mock", MockSettings)
    return Sections(
        kafka=configuration.section("kafka", KafkaSettings),
        store=configuration.section("store", StoreSettings),
        mock=mock,
        services=configuration.section("services", ServicesSettings),
        of={name: _service(configuration, name, mock) for name in names},
    )


def _service(configuration: Configuration, name: str, mock: MockSettings) -> Section:
    model: type[Section] = importlib.import_module(f"services.{name}.app").Settings
    if WORLD in model.model_fields:
        configuration.default((name, WORLD), mock.model_dump(), "[mock]")
    return configuration.section(name, model)


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, Section):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _secrets(inner)
