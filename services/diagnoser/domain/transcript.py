"""What a model was asked and what it said in one conversation: enough to have it again without the model. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import orjson

from services.diagnoser.domain.model_use import ClientKind, Use
from shared.incident.evidence import LookAlike
from shared.incident.model import Model

TURN_BYTES = 64 * 1024
"""What is kept of one reply at most, as JSON; an answer has about 8 KiB."""


class Turn(Model):
    """One request and what came of it: an answer, `busy` (asked again later), `given_up`, or `late` (no time left)."""

    prompt_sha256: str
    """Of the instructions and the tools: the same for all cases."""
    pack_sha256: str
    """Of all that was said about the case up to here, and of what may be answered."""
    outcome: Literal["answered", "busy", "given_up", "late"]
    content: tuple[dict[str, Any], ...] = ()
    """Blocks of the Messages API, with the placeholders that stood for what did not leave."""
    stop: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    written: int = 0
    read: int = 0
    reason: str = ""
    detail: str = ""
    may_be_billed: bool = False
    is_whole: bool = True
    """False: a secret was taken out or it was too large, so it cannot be told again."""


class Transcript(Model):
    """One conversation, with the terms it was held under."""

    kind: ClientKind
    model: str
    input_usd: float | None = None
    output_usd: float | None = None
    allowance: Use
    look_alikes: tuple[LookAlike, ...] = ()
    """Past incidents that the model could ask for."""
    turns: tuple[Turn, ...] = ()
    unasked: str = ""
    """Why the conversation did not begin or was lost; then the offline conclusion stands, marked with this."""


def cleaned(transcript: Transcript, redact: Callable[[Any], Any]) -> Transcript:
    """Return a transcript without secrets, of bounded size. Never raises: a turn in doubt is kept without content."""
    return transcript.model_copy(update={"turns": tuple(_cleaned(turn, redact) for turn in transcript.turns)})


def _cleaned(turn: Turn, redact: Callable[[Any], Any]) -> Turn:
    said = [*turn.content]
    try:
        kept, detail = redact(said), redact(turn.detail)
        kept = kept if len(orjson.dumps(kept)) <= TURN_BYTES else []
    except Exception:  # noqa: BLE001 -- a model may say anything, such as what is no text or nested without end
        kept, detail = [], ""
    is_whole = turn.is_whole and kept == said and detail == turn.detail
    return turn.model_copy(update={"content": tuple(kept), "detail": detail, "is_whole": is_whole})
