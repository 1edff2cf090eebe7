"""Slack: one message for each incident, edited in place, through whichever provider serves the environment."""

from __future__ import annotations

from services.notifier.domain.notice import Notice
from shared.incident.visible import visible
from shared.integrations.acting import CommunicationProvider, Post
from shared.integrations.registry import Integrations

NAME = "slack"


class Slack:
    """Posts by the `CommunicationProvider` of the environment."""

    def __init__(self, integrations: Integrations) -> None:
        self._integrations = integrations

    async def post(self, environment: str, marker: str, notice: Notice) -> None:
        """Create or edit the message. Raises NotFoundError when no Slack serves the environment."""
        provider = self._integrations.get(CommunicationProvider, environment)
        mark = "SIMULATED · " if notice.simulated else ""
        await provider.upsert(
            Post(
                marker=marker,
                text=escaped(mark + notice.text),
                fields={escaped(name): escaped(value) for name, value in notice.fields.items()},
                link=notice.link,
                simulated=notice.simulated,
                thread=escaped(mark + notice.line) if notice.line else "",
            )
        )


def escaped(text: str) -> str:
    """Return text in which Slack finds no mention, channel or link that an alert put there, and nothing is hidden."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
