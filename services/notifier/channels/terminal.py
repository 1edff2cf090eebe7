"""The terminal of a process that runs everything: a line for each stage, and the approval link, ready to be opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.notifier.domain.notice import Notice
from shared.incident.visible import one_line

NAME = "terminal"

Invite = Callable[[], Awaitable[str]]
"""Return a one-time login token, or nothing where the link must not carry one."""


class Terminal:
    """Writes lines: one for each new stage, and one link for each question."""

    def __init__(self, write: Callable[[str], object], invite: Invite) -> None:
        self._write = write
        self._invite = invite
        self._linked: set[str] = set()

    async def post(self, environment: str, marker: str, notice: Notice) -> None:
        """Write the stage when it changed, and the link of a question."""
        del environment, marker
        mark = "  [SIMULATED]" if notice.simulated else ""
        if notice.line:
            self._write(f"{one_line(notice.line)}{mark}  {one_line(notice.fields['Incident'])}\n")
        if notice.approval and notice.approval not in self._linked:
            token = await self._invite()
            login = f"?login={token}" if token else ""
            self._write(f"\n  APPROVAL LINK  {notice.link}{login}\n\n")
            self._linked.add(notice.approval)  # Last: a post that failed is made again, and must write it then.
