"""What people decide: verified, ruled on, counted."""

from __future__ import annotations

import hashlib
from typing import Any

from services.executor.domain.ruling import No, entitled, may_vote, vote_of
from services.executor.domain.state import Approval
from services.executor.handlers import executing
from services.executor.handlers.planning import drop_question
from services.executor.handlers.turn import Turn
from shared.errors import RefusedError
from shared.events.approvals import (
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalReminded,
    ApprovalVoteRecorded,
)
from shared.events.people import DecisionSubmitted, NoticePosted
from shared.incident.actor import Actor
from shared.runbooks.decision import SignedDecision, verify
from shared.runtime.people import Person

WAIT_SECONDS = 60.0
NONCE_SECONDS = 86400.0
ON_EXECUTION = ("cancel", "pause", "resume", "skip", "retry", "confirm")


def nonce_key(body: dict[str, Any]) -> str:
    """Return the row under which a decision's nonce is kept; any text will do for one that cannot be read."""
    try:
        return f"nonce/{SignedDecision.model_validate_json(body['decision']).nonce}"
    except (KeyError, TypeError, ValueError):
        return "nonce/unreadable"


def decided(turn: Turn) -> None:
    """Rule on one decision. The same bytes again get the same ruling; a used nonce with other bytes none."""
    submitted = DecisionSubmitted.read(turn.message.body)
    sha256 = hashlib.sha256(submitted.decision.encode()).hexdigest()
    key = nonce_key(turn.message.body)
    earlier = turn.rows.get(key)
    if earlier is not None:
        if earlier["sha256"] != sha256:
            turn.refuse("", "", "nonce_reused", "this number was used by another decision")
        elif turn.message.meta.get("resend"):
            turn.refuse(earlier["subject"], earlier["verb"], "already_ruled", earlier["ruling"])
        return
    try:
        decision = verify(submitted.decision, submitted.signature, turn.config.trusted)
    except RefusedError as error:
        turn.refuse("", "", "signature", str(error))
        return
    ruling = _rule(turn, decision)
    if ruling is not None:
        row = {"sha256": sha256, "subject": decision.subject, "verb": decision.verb, "ruling": ruling}
        turn.keep(key, row, turn.now + NONCE_SECONDS)


def _rule(turn: Turn, decision: SignedDecision) -> str | None:
    """Return the ruling in a word, None when the decision waits for what it is about."""
    case = turn.case
    if decision.incident_id != case.incident_id:
        turn.refuse(decision.subject, decision.verb, "other_incident", f"signed for {decision.incident_id}")
        return "refused"
    person = entitled(decision, turn.config.people, environment=case.environment, now=turn.now)
    if isinstance(person, No):
        turn.refuse(decision.subject, decision.verb, person.why, person.detail, _actor(decision))
        return "refused"
    if decision.verb in ON_EXECUTION:
        return executing.told(turn, decision, person)
    approval = case.approval
    if approval is None or approval.id != decision.subject:
        return _not_met(turn, decision, person)
    if decision.verb == "withdraw":
        reason = decision.arguments.get("reason") or f"withdrawn by {person.name}"
        if drop_question(turn, "withdrawn", reason, person.actor, turn.message.id):
            return "withdrawn"
        turn.refuse(decision.subject, decision.verb, "already_decided", f"the approval is {approval.state}", person.actor)
        return "refused"
    return _vote(turn, decision, person, approval)


def _not_met(turn: Turn, decision: SignedDecision, person: Person) -> str | None:
    """Wait a minute for a question that may still be on its way."""
    held = next((w for w in turn.case.waiting if w["id"] == turn.message.id), None)
    if held is None:
        turn.case.waiting.append(
            {"id": turn.message.id, "body": turn.message.body, "until": turn.now + WAIT_SECONDS}
        )
        turn.timer("waiting", WAIT_SECONDS)
        return None
    if turn.now < held["until"]:
        return None
    turn.refuse(decision.subject, decision.verb, "unknown_subject", "no such approval or execution", person.actor)
    return "refused"


def _vote(turn: Turn, decision: SignedDecision, person: Person, approval: Approval) -> str:
    case = turn.case
    no = may_vote(decision, approval, environment=case.environment, risk=approval.content().risk, now=turn.now)
    if no is not None:
        turn.refuse(decision.subject, decision.verb, no.why, no.detail, person.actor)
        return "refused"
    reason = decision.arguments.get("reason", "")[:500]
    said = {"via": decision.via, "decision_id": turn.message.id}
    if decision.verb == "reject":
        approval.state = "rejected"
        turn.emit(ApprovalRejected(approval_id=approval.id, actor=person.actor, reason=reason, **said))
        turn.audit("rejected", approval=approval.id, person=person.id)
        _no_more_timers(turn)
        return "rejected"
    approval.votes.append(vote_of(decision, person, turn.message.id))
    turn.audit("approved", approval=approval.id, person=person.id, plan_sha256=approval.sha256)
    if len(approval.votes) < approval.needed:
        have = len(approval.votes)
        turn.emit(
            ApprovalVoteRecorded(
                approval_id=approval.id, actor=person.actor, have=have, needed=approval.needed, **said
            )
        )
        return "recorded"
    approval.state = "granted"
    actors = tuple(Actor(kind="person", id=vote.person, name=vote.name) for vote in approval.votes)
    turn.emit(
        ApprovalGranted(
            approval_id=approval.id, plan_sha256=approval.sha256, actors=actors, reason=reason, **said
        )
    )
    turn.timer("remind", None)
    turn.timer("notice", None)
    executing.begin(turn, approval)
    return "granted"


def noticed(turn: Turn) -> None:
    """People were told of a question."""
    posted = NoticePosted.read(turn.message.body)
    approval = turn.case.approval
    if approval is not None and approval.id == posted.approval_id and posted.channels:
        approval.noticed = True
        turn.timer("notice", None)


def expired(turn: Turn) -> None:
    """Nobody answered in time, or nothing was claimed: the question is over."""
    case, approval = turn.case, turn.case.approval
    if approval is None or approval.state not in ("pending", "granted") or turn.now < approval.expires_at:
        return
    approval.state = "expired"
    turn.emit(ApprovalExpired(approval_id=approval.id))
    turn.audit("expired", approval=approval.id)
    if case.execution is not None:
        case.execution.phase = "ended"
        turn.ask_governor("execution.ended", f"{case.execution.id}:expired", execution=case.execution.id)
    _no_more_timers(turn)


def remind(turn: Turn) -> None:
    """Half of the time is over."""
    approval = turn.case.approval
    if approval is not None and approval.state == "pending":
        turn.emit(ApprovalReminded(approval_id=approval.id))


def _no_more_timers(turn: Turn) -> None:
    for name in ("expiry", "remind", "notice", "permit"):
        turn.timer(name, None)


def _actor(decision: SignedDecision) -> Actor:
    return Actor(kind="person", id=decision.person)
