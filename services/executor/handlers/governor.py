"""The aggregate `governor/<environment>`: one for all executions of an environment. It never parks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.executor.domain.config import ExecutorConfig
from services.executor.domain.governing import PERMIT_SECONDS, Asked, Governor, grant, put, release, tidy
from services.executor.domain.ruling import No, entitled
from shared.errors import RefusedError
from shared.runbooks.decision import verify
from shared.store.model import JSON, Decision, Lane, Local, Message

ASK, BACK, ENDED, FREEZE = "permit.asked", "permit.returned", "execution.ended", "control.freeze"
GRANTED, REFUSED = "permit.granted", "permit.refused"


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
            environment = str(message.body.get("environment", "")) or _environment(message)
            governor = governor or Governor(environment=environment)
            tidy(governor, now)
            self._one(config, governor, message, decision, now)
        decision.state = governor.model_dump(mode="json") if governor else state
        return decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Refuse the asker: the governor itself goes on."""
        decision = Decision(state or Governor(environment=_environment(message)).model_dump(mode="json"))
        if message.type == ASK and isinstance(message.body, dict) and "incident" in message.body:
            answer = {"execution": message.body.get("execution"), "reason": f"governor: {reason}", "retry_at": None}
            decision.messages.append(_to(message, REFUSED, answer))
        if message.type == FREEZE:
            decision.replies[message.id] = {"refused": reason}
        return decision

    def _one(
        self, config: ExecutorConfig, governor: Governor, message: Message, decision: Decision, now: float
    ) -> None:
        body = message.body
        if message.type == ASK:
            targets = tuple(body["targets"])
            asked = Asked(body["execution"], body["incident"], body["step"], targets, bool(body["rollback"]))
            refusal = grant(governor, asked, message.id, config.policy.caps, now)
            answer = {"execution": asked.execution, "step": asked.step, "permit": message.id}
            if refusal is None:
                decision.messages.append(_to(message, GRANTED, {**answer, "ends": now + PERMIT_SECONDS}))
            else:
                said = {**answer, "reason": refusal.reason, "retry_at": refusal.retry_at}
                decision.messages.append(_to(message, REFUSED, said))
            decision.audit.append({"what": "permit", **answer, "refused": refusal.reason if refusal else ""})
        elif message.type == BACK:
            governor.permits.pop(body["permit"], None)
        elif message.type == ENDED:
            release(governor, body["execution"], now)
            decision.audit.append({"what": "released", "execution": body["execution"]})
        elif message.type == FREEZE:
            decision.replies[message.id] = self._freeze(config, governor, message, decision, now)

    def _freeze(
        self, config: ExecutorConfig, governor: Governor, message: Message, decision: Decision, now: float
    ) -> JSON:
        try:
            signed = verify(message.body["decision"], message.body["signature"], config.trusted)
        except RefusedError as error:
            return {"refused": str(error)}
        person = entitled(signed, config.people, environment=governor.environment, now=now)
        if isinstance(person, No) or signed.verb not in ("freeze", "unfreeze"):
            return {"refused": f"{person.why} {person.detail}" if isinstance(person, No) else "wrong verb"}
        allow = signed.arguments.get("allow_rollback") == "true"
        put(governor, frozen=signed.verb == "freeze", allow_rollback=allow, person=person.id)
        decision.audit.append({"what": signed.verb, "person": person.id, "allow_rollback": allow})
        return {
            "frozen": governor.frozen,
            "allow_rollback": governor.allow_rollback,
            "permits_out": list(governor.permits.values()),
        }


def _to(message: Message, kind: str, body: JSON) -> Local:
    return Local(f"incident/{message.body['incident']}", f"{message.id}:answer", kind, body)


def _environment(message: Message) -> str:
    return str(message.meta.get("environment", "")) or "live"
