"""The base of every event body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from shared.events.envelope import Outgoing
from shared.incident.model import Model

ALERTS = "alerts.v1"
INCIDENTS = "incidents.v1"
DECISIONS = "decisions.v1"
REQUESTS = "requests.v1"
DEAD_LETTERS = "dead-letters.v1"


class Payload(Model):
    """The body of an event. Subclasses give the wire name, the only service that may emit it, and its topic."""

    type: ClassVar[str]
    owner: ClassVar[str]
    topic: ClassVar[str] = INCIDENTS

    def outgoing(
        self, key: str, *, environment: str, causation: str = "", traceparent: str = "", correlation: str = ""
    ) -> Outgoing:
        """Return this body as an event to emit; `key` is the subject, `causation` the id of what caused it."""
        return Outgoing(
            topic=self.topic,
            key=key,
            type=self.type,
            body=self.model_dump(mode="json"),
            environment=environment,
            correlation=correlation or (key if self.topic in (INCIDENTS, DECISIONS) else ""),
            causation=causation,
            traceparent=traceparent,
        )

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read a body from the wire; unknown fields are ignored. Raises pydantic.ValidationError on a broken one."""
        return cls.model_validate(body)
