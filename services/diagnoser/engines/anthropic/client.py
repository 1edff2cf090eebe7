"""What a conversation needs from whoever answers, and how it may go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Block = Mapping[str, Any]
"""A content block of the Messages API, as JSON."""


@dataclass(frozen=True, slots=True)
class Request:
    """One turn. `seconds` is all the time it may take; `may_use_tools` is False on the last turn."""

    step: str
    system: str
    tools: Sequence[Block]
    messages: Sequence[Block]
    schema: Mapping[str, Any]
    max_tokens: int
    seconds: float
    may_use_tools: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Cached input tokens are input tokens too; `written` of them cost a quarter more.

    `is_kept`: exactly this was asked before, and nobody was asked now.
    """

    content: tuple[Block, ...]
    stop: str
    input_tokens: int
    output_tokens: int
    written: int = 0
    read: int = 0
    is_kept: bool = False

    def text(self) -> str:
        """Return the text of all text blocks."""
        return "".join(str(block.get("text", "")) for block in self.content if block.get("type") == "text")

    def calls(self) -> list[Block]:
        """Return the tool calls in order."""
        return [block for block in self.content if block.get("type") == "tool_use"]


class Client(Protocol):
    """Whoever answers as the Messages API does."""

    async def ask(self, request: Request) -> Reply:
        """Return the reply.

        Raises BusyError when the same request may succeed later, GivenUpError when it will not.
        """
        ...


class GivenUpError(Exception):
    """There will be no answer that counts. `reason` is one stable word, `detail` holds no text of the model."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class BusyError(Exception):
    """The service does not answer now. `retry_after` is in seconds, None when it does not say.

    `may_be_billed`: the request may have been answered and the answer lost on its way.
    """

    def __init__(self, reason: str, retry_after: float | None = None, *, may_be_billed: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_be_billed = may_be_billed
        self.retry_after = retry_after
