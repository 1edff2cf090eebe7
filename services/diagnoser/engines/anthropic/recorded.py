"""Replies from files or a transcript, through the same conversation and gate, without a key and without a network.

A file holds `step` (none: `diagnose`), `when` (texts that all stand in what is asked; none: any case) and `turns`, each
as the Messages API would answer: `content`, `stop_reason`, `usage`; `wait_seconds` makes it slow. Of the files for the
step the first whose `when` fits, by name, is replayed; one without `when` is for all others. A transcript is told again
turn by turn, whatever is asked.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field, ValidationError

from services.diagnoser.domain.transcript import Turn as Said
from services.diagnoser.engines.anthropic.client import BusyError, GivenUpError, Reply, Request
from services.diagnoser.engines.anthropic.estimate import tokens
from shared.runbooks.model import Strict


class Usage(Strict):
    """What a turn is said to have used; input tokens are estimated when it does not say."""

    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int = Field(default=0, ge=0)


class Turn(Strict):
    """One reply."""

    content: tuple[dict[str, Any], ...] = ()
    stop_reason: str = "end_turn"
    usage: Usage = Usage()
    wait_seconds: float = Field(default=0.0, ge=0)


class Recording(Strict):
    """One conversation, as the other side told it. A turn after the last one repeats it."""

    note: str = ""
    step: str = "diagnose"
    when: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = Field(min_length=1)


class RecordedClient:
    """Replays. `place` is a folder of recordings, or the one file that is always replayed."""

    def __init__(self, place: Path) -> None:
        self._place = place

    async def ask(self, request: Request) -> Reply:
        """Return the next recorded reply. Raises GivenUpError when there is none."""
        recording = _chosen(self._place, request.step, orjson.dumps(request.messages[0], default=str).decode())
        said = sum(message["role"] == "assistant" for message in request.messages)
        turn = recording.turns[min(said, len(recording.turns) - 1)]
        if turn.wait_seconds:
            await asyncio.sleep(turn.wait_seconds)
        content = turn.content if request.may_use_tools else tuple(b for b in turn.content if b["type"] != "tool_use")
        spent = turn.usage.input_tokens
        asked = request.system + orjson.dumps(request.messages, default=str).decode()
        return Reply(content, turn.stop_reason, tokens(asked) if spent is None else spent, turn.usage.output_tokens)


class RetoldClient:
    """Tells again what was said in a conversation, without waiting."""

    def __init__(self, turns: Iterable[Said]) -> None:
        self._turns = [*turns]

    async def ask(self, request: Request) -> Reply:
        """Return the next reply, or raise as the client did then. Raises GivenUpError when more is asked than was."""
        del request
        if not self._turns:
            raise GivenUpError("not_recorded", "the model is asked more often than it was")
        turn = self._turns.pop(0)
        if turn.outcome == "busy":
            # Where nothing follows there was no time for another try.
            pause = 0.0 if self._turns else math.inf
            raise BusyError(turn.reason, pause, may_be_billed=turn.may_be_billed)
        if turn.outcome == "given_up":
            raise GivenUpError(turn.reason, turn.detail)
        if turn.outcome == "late":
            raise TimeoutError
        return Reply(turn.content, turn.stop, turn.input_tokens, turn.output_tokens, turn.written, turn.read)


def _chosen(place: Path, step: str, asked: str) -> Recording:
    if place.is_file():
        return _read(place)
    found = [one for one in map(_read, sorted(place.glob("*.json"))) if one.step == step]
    fitting = [one for one in found if one.when and all(text in asked for text in one.when)]
    for recording in (*fitting, *(one for one in found if not one.when)):
        return recording
    raise GivenUpError("unavailable", "no recorded reply fits and there is no default")


def _read(path: Path) -> Recording:
    try:
        return Recording.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise GivenUpError("garbage", f"{path.name} is no recording: {error.errors()[0]['type']}") from error
