"""What people say through the notifier: signed decisions, and requests."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from shared.events.payload import DECISIONS, REQUESTS, Payload
from shared.incident.actor import Actor
from shared.incident.model import Model

NOTIFIER = "notifier"
QUESTION_MAX = 500
"""Characters of a question."""


class DecisionSubmitted(Payload):
    """`decision.submitted`: what a person decided, signed.

    `decision` is the RFC 8785 text of a `Decision` (`shared/runbooks/decision.py`) and travels verbatim; `signature` is
    base64 of Ed25519 over its UTF-8 bytes. Nothing outside `decision` is acted on.
    """

    type: ClassVar[str] = "decision.submitted"
    owner: ClassVar[str] = NOTIFIER
    topic: ClassVar[str] = DECISIONS

    decision: str
    signature: str


class NoticePosted(Payload):
    """`notice.posted`: people have been told of an approval, on these channels."""

    type: ClassVar[str] = "notice.posted"
    owner: ClassVar[str] = NOTIFIER
    topic: ClassVar[str] = DECISIONS

    approval_id: str
    channels: tuple[str, ...]


class _Request(Payload):
    owner: ClassVar[str] = NOTIFIER
    topic: ClassVar[str] = REQUESTS

    request_id: str
    actor: Actor


class QuestionAsked(_Request):
    """`question.asked`: a person asks about an incident. `text` is a person's: shown and matched, never obeyed."""

    type: ClassVar[str] = "question.asked"

    incident_id: str | None = None
    text: str = Field(max_length=QUESTION_MAX)


class IncidentRequested(_Request):
    """`incident.requested`: open, close, reopen, acknowledge, assign, note, severity or investigate."""

    type: ClassVar[str] = "incident.requested"

    incident_id: str | None = None
    verb: Literal["open", "close", "reopen", "acknowledge", "assign", "note", "severity", "investigate"]
    arguments: dict[str, str] = {}  # noqa: RUF012 -- pydantic copies the default for each instance


class Silence(Model):
    """A person's temporary suppression: alerts whose labels equal all of `matchers`, until `ends_at`.

    A matcher key is `service`, `host`, `source`, `title`, or a label's name.
    """

    id: str
    matchers: dict[str, str]
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    author: Actor
    reason: str


class SilenceRequested(_Request):
    """`silence.requested`: add a silence, or end one now."""

    type: ClassVar[str] = "silence.requested"

    verb: Literal["add", "end"]
    silence_id: str
    silence: Silence | None = None


class FeedbackGiven(_Request):
    """`feedback.given`: a person says whether the newest diagnosis was right, and which cause it was if they know."""

    type: ClassVar[str] = "feedback.given"

    incident_id: str
    verdict: Literal["right", "wrong"]
    cause: str | None = None
