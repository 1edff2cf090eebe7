"""Where the simulated world posts, and how it proves what it is."""

from __future__ import annotations

from cli.secrets import SOURCES
from cli.sections import Sections
from simulation.driver import Address


def address(sections: Sections, webhooks: str) -> Address:
    """Return where the world posts, with the replay secrets of the sources that have one."""
    ingest = sections.of["ingest"].model_dump()
    secrets = {source: ingest[source]["replay_secret"] for source in SOURCES}
    return Address(
        webhooks=webhooks,
        control=webhooks,
        secrets={source: secret.get_secret_value() for source, secret in secrets.items() if secret is not None},
        token=sections.services.token.get_secret_value(),
    )
