"""Which records of the log a page may repeat. The log is written by others; who approved what is known here. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.errors import RefusedError
from shared.events.approvals import ApprovalGranted, ApprovalRejected, ApprovalVoteRecorded, SignedWords
from shared.events.executions import ExecutionCancelled, ExecutionPaused, ExecutionStarted, HandoffRequested
from shared.events.payload import INCIDENTS
from shared.events.registry import EVENTS
from shared.lifecycle.timeline import DISBELIEVED, Told
from shared.runbooks.decision import SignedDecision, verify

SUFFIX = "/disbelieved"
_VERBS: Mapping[str, str] = {
    ApprovalGranted.type: "approve",
    ApprovalVoteRecorded.type: "approve",
    ApprovalRejected.type: "reject",
}
"""Rulings that rest on what people signed, and the verb they signed."""
_OF_APPROVAL = (ExecutionStarted.type, ExecutionPaused.type, ExecutionCancelled.type)
"""What may be the first word of an execution; it names the approval that the execution rests on."""


def doubt(event: Told, *, keys: Mapping[str, Ed25519PublicKey], granted: Collection[str], met: Collection[str]) -> str:
    """Return why a page must not repeat a record, empty when it may.

    `granted` are the approvals that people gave, `met` the executions that rest on one of them.
    """
    payload = EVENTS.get(event.type)
    if payload is None:
        return ""
    if payload.topic != INCIDENTS or event.source != f"signoff/{payload.owner}":
        return f"{event.source or 'nobody'} has no say in this"
    if event.type in _VERBS:
        return _unsigned(event, keys)
    execution = event.body.get("execution_id")
    if not execution or execution in met or event.type == HandoffRequested.type:
        return ""
    if not isinstance(execution, str):
        return "it cannot be read"
    if event.type in _OF_APPROVAL:
        return "" if event.body.get("approval_id") in granted else "nobody approved what it rests on"
    return "no such execution has begun"


def _unsigned(event: Told, keys: Mapping[str, Ed25519PublicKey]) -> str:
    """Return why the words that go with a ruling are not those of the people it names."""
    try:
        said = [(one.person, one.verb, one.subject) for one in _words(event.body, keys)]
        actors = event.body.get("actors") or [event.body["actor"]]
        named = [(str(actor["id"]), _VERBS[event.type], event.body["approval_id"]) for actor in actors]
    except RefusedError as error:
        return f"nobody signed this: {error}"
    except (KeyError, TypeError, ValueError):
        return "it cannot be read"
    return "" if named and sorted(said) == sorted(named) else "nobody signed this"


def _words(body: Mapping[str, Any], keys: Mapping[str, Ed25519PublicKey]) -> list[SignedDecision]:
    given = [SignedWords.model_validate(one) for one in body.get("signed") or ()]
    return [verify(one.decision, one.signature, keys) for one in given]


def disbelieved(event: Told, why: str) -> Told:
    """Return what is kept instead of a record: that it was there, and why no page repeats it."""
    body = {"says": event.type, "why": why, "record": dict(event.body), "source": event.source}
    return replace(event, id=event.id + SUFFIX, type=DISBELIEVED, source="signoff/notifier", body=body)
