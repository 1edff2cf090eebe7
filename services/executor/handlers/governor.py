"""The aggregate `governor/<environment>`: one for all executions of an environment. It never parks.

Incidents ask by local messages and get `permit.granted` or `permit.refused` at once. A control route sends
`control.freeze` with {environment, decision, signature}, signed like any decision (`freeze` or `unfreeze`, the
argument `allow_rollback` being `true` or not), and waits for the reply: what holds now, or `refused`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from services.executor.domain.config import ExecutorConfig
from services.executor.domain.governing import PERMIT_SECONDS, Asked, Governor, grant, put, release, tidy
from services.executor.domain.ruling import No, entitled
from shared.errors import RefusedError
from shared.runbooks.decision import verify
from shared.store.model import JSON, Decision, Lane, Local, Message

ASK, BACK, ENDED, FREEZE = "permit.asked", "permit.returned", "execution.ended", "control.freeze"
GRANTED, REFUSED = "permit.granted", "permit.refused"


@dataclass(slots=True)
class _Turn:
    """One message to the governor."""

    config: ExecutorConfig
    governor: Governor
    message: Message
    decision: Decision
    now: float


class GovernorKind:
    """Gives leave for one step at a time."""

    name = "governor"
    lane = Lane.URGENT

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Look at no rows."""
        del state, messages
        return ()

    def decide(
        self,
        config: ExecutorConfig,
        state: JSON,
        rows: Mapping[str, JSON],
        messages: Sequence[Message],
        now: float,
    ) -> Decision:
        """Answer each request at once."""
        del rows
        decision = Decision(state)
        governor = Governor.model_validate(state) if state else None
        for message in messages:
            governor = governor or Governor(environment=_environment(message))
            tidy(governor, config.policy.caps, now)
            handler = _MESSAGES.get(message.type)
            if handler is not None:
                handler(_Turn(config, governor, message, decision, now))
        decision.state = governor.model_dump(mode="json") if governor else state
        return decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Refuse the asker: the governor itself goes on."""
        decision = Decision(state or Governor(environment=_environment(message)).model_dump(mode="json"))
        decision.audit.append({"what": "dead", "message": message.id, "type": message.type, "reason": reason})
        if message.type == ASK and isinstance(message.body, dict) and "incident" in message.body:
            decision.messages.append(_refusal(message, f"governor: {reason}", None))
        if message.type == FREEZE:
            decision.replies[message.id] = {"refused": reason}
        return decision


def _asked(turn: _Turn) -> None:
    body = turn.message.body
    asked = Asked(body["execution"], body["incident"], body["step"], tuple(body["targets"]), bool(body["rollback"]))
    refusal = grant(turn.governor, asked, turn.message.id, turn.config.policy.caps, turn.now)
    if refusal is None:
        granted = {"execution": asked.execution, "step": asked.step, "permit": turn.message.id}
        turn.decision.messages.append(_to(turn.message, GRANTED, {**granted, "ends": turn.now + PERMIT_SECONDS}))
    else:
        turn.decision.messages.append(_refusal(turn.message, refusal.reason, refusal.retry_at))
    said = refusal.reason if refusal else ""
    turn.decision.audit.append({"what": "permit", "id": turn.message.id, "step": asked.step, "refused": said})


def _returned(turn: _Turn) -> None:
    turn.governor.permits.pop(turn.message.body["permit"], None)


def _ended(turn: _Turn) -> None:
    body = turn.message.body
    release(turn.governor, body["execution"], changed=bool(body["changed"]), now=turn.now)
    turn.decision.audit.append({"what": "released", "execution": body["execution"]})


def _freeze(turn: _Turn) -> None:
    turn.decision.replies[turn.message.id] = _ruling(turn)


def _ruling(turn: _Turn) -> JSON:
    """Freeze or unfreeze; the same bytes again get the same answer and change nothing."""
    governor, text = turn.governor, turn.message.body["decision"]
    try:
        signed = verify(text, turn.message.body["signature"], turn.config.keys_at(turn.now))
    except RefusedError as error:
        return {"refused": str(error)}
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    earlier = governor.rulings.get(signed.nonce)
    if earlier is not None:
        return earlier["reply"] if earlier["sha256"] == sha256 else {"refused": "nonce_reused"}
    person = entitled(signed, turn.config.people, environment=governor.environment, now=turn.now)
    if isinstance(person, No):
        return {"refused": f"{person.why}: {person.detail}"}
    if signed.verb not in ("freeze", "unfreeze"):
        return {"refused": f"unknown_verb: {signed.verb}"}
    allow = signed.arguments.get("allow_rollback") == "true"
    put(governor, frozen=signed.verb == "freeze", allow_rollback=allow, person=person.id)
    turn.decision.audit.append({"what": signed.verb, "person": person.id, "allow_rollback": allow, "sha256": sha256})
    reply = {
        "frozen": governor.frozen,
        "allow_rollback": governor.allow_rollback,
        "permits_out": list(governor.permits.values()),
    }
    governor.rulings[signed.nonce] = {"sha256": sha256, "at": turn.now, "reply": reply}
    return reply


_MESSAGES: Mapping[str, Callable[[_Turn], None]] = {ASK: _asked, BACK: _returned, ENDED: _ended, FREEZE: _freeze}


def _refusal(message: Message, reason: str, retry_at: float | None) -> Local:
    asked = {"execution": message.body.get("execution"), "step": message.body.get("step"), "permit": message.id}
    return _to(message, REFUSED, {**asked, "reason": reason, "retry_at": retry_at})


def _to(message: Message, kind: str, body: JSON) -> Local:
    return Local(f"incident/{message.body['incident']}", f"{message.id}:answer", kind, body)


def _environment(message: Message) -> str:
    body = message.body if isinstance(message.body, dict) else {}
    return str(body.get("environment") or message.meta.get("environment") or "live")
