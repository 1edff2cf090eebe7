"""`signoff config ...`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import SecretStr

from cli.client import DATA, webhook_url
from cli.commands.incidents import Output
from cli.output import say, write
from cli.output import show as show_rows
from cli.project import RUNBOOKS
from cli.secrets import give_secrets
from cli.sections import Sections, read_sections
from cli.starting import read
from shared.runtime.configuration import Configuration
from shared.runtime.settings import Section

STARRED = "********"
Flag = Annotated[bool, Parameter(negative=())]


def validate(*, data: Path = DATA) -> None:
    """Check `signoff.toml`, `.env`, the environment, people and runbooks; start nothing."""
    from shared.runbooks.load import load_runbooks
    from shared.runtime.people import load_people

    configuration = read()
    if (data / "secrets").exists():
        give_secrets(configuration, data, replay=True)
    sections = read_sections(configuration)
    load_people(sections.of["notifier"].model_dump()["people_file"])
    runbooks = load_runbooks(RUNBOOKS)
    say(f"valid: settings, people, {len(runbooks)} runbooks")


def show(*, data: Path = DATA, output: Output = "table", url: str = "", reveal: Flag = False) -> None:
    """Show every setting with its source, and what to paste into Datadog and PagerDuty.

    Parameters
    ----------
    url
        The public address of the webhook listener, as the senders see it. Default: where it listens.
    reveal
        Print the token that Datadog needs, instead of stars.
    """
    configuration = read()
    give_secrets(configuration, data, replay=True)
    sections = read_sections(configuration)
    rows = [row for name, section in sections.all() for row in _rows(configuration, (name,), section)]
    show_rows(rows, ("setting", "value", "source"), output)
    if output == "table":
        for line in _senders(sections, (url or webhook_url(data)).rstrip("/"), reveal=reveal):
            write(line)


def _rows(configuration: Configuration, path: tuple[str, ...], section: Section) -> list[dict[str, Any]]:
    rows = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        here = (*path, name)
        if isinstance(value, Section):
            rows += _rows(configuration, here, value)
        else:
            rows.append({"setting": ".".join(here), "value": _shown(value), "source": configuration.place(here)})
    return rows


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return STARRED if value.get_secret_value() else ""
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={_shown(item)}" for key, item in value.items())
    return "" if value is None else str(value)


def _senders(sections: Sections, url: str, *, reveal: bool) -> Iterator[str]:
    from services.ingest.sources.datadog import TEMPLATE

    ingest = sections.of["ingest"].model_dump()
    secrets = [secret.get_secret_value() for secret in ingest["datadog"]["secrets"]]
    token = (secrets[0] if reveal else STARRED) if secrets else "<set ingest.datadog.secrets first>"
    yield "\nDatadog: Integrations > Webhooks > New"
    yield "  Name            signoff"
    yield f"  URL             {url}/webhooks/datadog"
    yield f'  Custom headers  {{"X-Signoff-Token": "{token}"}}' + ("" if reveal else "        (--reveal prints it)")
    yield "  Payload"
    yield from (f"    {line}" for line in TEMPLATE.splitlines())
    yield "  Then put @webhook-signoff into the message of each monitor."
    yield "\nPagerDuty: Integrations > Generic Webhooks (v3) > New Webhook"
    yield f"  Webhook URL     {url}/webhooks/pagerduty"
    yield "  Scope type      Account"
    yield "  Events          all incident events"
    yield "  Then set SIGNOFF_INGEST__PAGERDUTY__SECRETS to a JSON list with the signing secret it shows once."
    yield "\nAnything else (Standard Webhooks, https://www.standardwebhooks.com)"
    yield f"  URL             {url}/webhooks/generic"
    yield "  Sign with the secret of ingest.generic.secrets."
