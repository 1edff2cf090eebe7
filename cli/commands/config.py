"""`signoff config ...`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cli.client import DATA
from cli.commands.incidents import Output
from cli.composition import SERVICES
from cli.output import say, write
from cli.output import show as show_rows
from cli.secrets import give_secrets
from cli.settings import SECTIONS, MockSettings, ServicesSettings, StoreSettings
from shared.bus.settings import KafkaSettings
from shared.runtime.configuration import Configuration, read_configuration
from shared.runtime.environment import environment_variables
from shared.runtime.settings import Section


def _read() -> Configuration:
    configuration = read_configuration(environment_variables(), folder=Path.cwd())
    configuration.check_sections(SECTIONS)
    return configuration


def _sections(configuration: Configuration) -> dict[str, Section]:
    models: dict[str, type[Section]] = {
        "kafka": KafkaSettings,
        "store": StoreSettings,
        "mock": MockSettings,
        "services": ServicesSettings,
    }
    for name in SERVICES:
        models[name] = importlib.import_module(f"services.{name}.app").Settings
    return {name: configuration.section(name, model) for name, model in models.items()}


def validate() -> None:
    """Check `signoff.toml`, `.env` and the environment."""
    _sections(_read())
    say("the configuration is valid")


def show(*, data: Path = DATA, output: Output = "table", url: str = "http://127.0.0.1:8701") -> None:
    """Show every setting with its source, and what to paste into Datadog and PagerDuty.

    Parameters
    ----------
    url
        The public address of the webhook listener, as the senders see it.
    """
    configuration = _read()
    give_secrets(configuration, data)
    rows = [row for name, section in _sections(configuration).items() for row in _rows(configuration, (name,), section)]
    show_rows(rows, ("setting", "value", "source"), output)
    if output == "table":
        _senders(url)


def _rows(configuration: Configuration, path: tuple[str, ...], section: Section) -> list[dict[str, Any]]:
    rows = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        here = (*path, name)
        if isinstance(value, Section):
            rows += _rows(configuration, here, value)
        else:
            given = configuration.values.get(here) or configuration.values.get((*path, f"{name}_file"))
            rows.append(
                {"setting": ".".join(here), "value": _shown(value), "source": given.place if given else "default"}
            )
    return rows


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value)
    return "" if value is None else str(value)


def _senders(url: str) -> None:
    from services.ingest.sources.datadog import TEMPLATE

    write("\nDatadog: Integrations > Webhooks > New")
    write(f"  URL             {url}/webhooks/datadog")
    write('  Custom headers  {"X-Signoff-Token": "<a secret of ingest.datadog.secrets>"}')
    write("  Payload")
    write("\n".join(f"    {line}" for line in TEMPLATE.splitlines()))
    write("\nPagerDuty: Integrations > Generic Webhooks (v3) > New")
    write(f"  Webhook URL     {url}/webhooks/pagerduty")
    write("  Events          all incident events")
    write("  Then put the signing secret it shows once into ingest.pagerduty.secrets")
