"""What people decide: verified, ruled on, counted. Every decision gets one ruling, and a repeat of it the same."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import ValidationError

from services.executor.domain.ruling import No, entitled, may_vote, reason_of, vote_of
from services.executor.domain.state import Approval, Vote, Waiting
from services.executor.handlers import asking, directing, executing
from services.executor.handlers.turn import Turn
from shared.errors import RefusedError
from shared.events.approvals import ApprovalGranted, ApprovalRejected, ApprovalVoteRecorded, SignedWords
from shared.events.people import DecisionSubmitted
from shared.incident.actor import Actor
from shared.runbooks.decision import SignedDecision, verify
from shared.runtime.people import Person
from shared.store.model import Message

WAIT = "waiting"
WAIT_SECONDS = 60.0
WAITING_MAX = 10
TEXT_MAX = 8 * 1024
"""Characters of a decision; what waits is part of the state, which is bounded."""
ON_APPROVAL = frozenset({"approve", "reject", "withdraw"})


def nonce_key(body: Any) -> str:  # noqa: ANN401 -- whatever came from the topic
    """Return the row under which a decision's ruling is kept; any text will do for one that cannot be read."""
    try:
        return f"ruling/{SignedDecision.model_validate_json(body['decision']).nonce}"
    except (KeyError, TypeError, ValueError):
        return "ruling/unreadable"


def decided(turn: Turn, *, waited: bool = False) -> None:
    """Rule on one decision. The same bytes again get the same ruling; a used nonce with other bytes none."""
    try:
        submitted = DecisionSubmitted.read(turn.message.body)
        if len(submitted.decision) > TEXT_MAX:
            turn.refuse(None, "too_large", f"a decision has at most {TEXT_MAX} characters")
            return
        decision = verify(submitted.decision, submitted.signature, turn.config.keys_at(turn.now))
    except ValidationError:
        turn.refuse(None, "unreadable", "the event holds no decision")
        return
    except RefusedError as error:
        turn.refuse(None, "signature", str(error))
        return
    key, sha256 = nonce_key(turn.message.body), hashlib.sha256(submitted.decision.encode()).hexdigest()
    earlier = turn.rows.get(key)
    if earlier is not None and earlier["sha256"] != sha256:
        turn.refuse(decision, "nonce_reused", "this number was used by another decision")
    elif earlier is not None:
        turn.again(key)
    else:
        said = len(turn.decision.events)
        _rule(turn, decision, waited=waited)
        if len(turn.decision.events) > said:
            ruling = turn.decision.events[said]
            event_id = f"executor/{turn.case.incident_id}/ruling/{decision.nonce}"
            turn.answer(key, ruling, event_id, sha256=sha256)


def _rule(turn: Turn, decision: SignedDecision, *, waited: bool) -> None:
    """Emit the ruling; nothing when the decision waits for what it is about."""
    case = turn.case
    if decision.incident_id != case.incident_id:
        turn.refuse(decision, "other_incident", f"signed for {decision.incident_id}")
        return
    person = entitled(decision, turn.config.people, environment=case.environment, now=turn.now)
    if isinstance(person, No):
        turn.refuse(decision, person.why, person.detail)
    elif decision.verb not in ON_APPROVAL | directing.VERBS:
        turn.refuse(decision, "unknown_verb", f"{decision.verb} is no decision about an incident", person.actor)
    elif not case.has_met(decision.subject) and not case.may_meet(decision.subject):
        turn.refuse(decision, "unknown_subject", "no such approval or execution", person.actor)
    elif not case.has_met(decision.subject):
        _not_met(turn, decision, person, waited=waited)
    elif decision.verb in directing.VERBS:
        directing.direct(turn, decision, person)
    elif case.approval is None or case.approval.id != decision.subject:
        turn.refuse(decision, "already_decided", "this question is over", person.actor)
    elif decision.verb == "withdraw":
        _withdraw(turn, decision, person, case.approval)
    else:
        _vote(turn, decision, person, case.approval)


def _not_met(turn: Turn, decision: SignedDecision, person: Person, *, waited: bool) -> None:
    """Wait a minute for a question that may still be on its way."""
    waiting = turn.case.waiting
    if any(one.id == turn.message.id for one in waiting):
        return
    if waited or len(waiting) >= WAITING_MAX:
        turn.refuse(decision, "unknown_subject", "no such approval or execution", person.actor)
        return
    until = turn.now + WAIT_SECONDS
    waiting.append(Waiting(id=turn.message.id, body=turn.message.body, subject=decision.subject, until=until))
    turn.timer_at(WAIT, waiting[0].until)


def reconsider(turn: Turn) -> None:
    """Rule on what waited for a question that has come, or has waited long enough."""
    case = turn.case
    ready = [one for one in case.waiting if case.has_met(one.subject) or turn.now >= one.until]
    if not ready:
        return
    case.waiting = [one for one in case.waiting if one not in ready]
    if case.waiting:
        turn.timer_at(WAIT, case.waiting[0].until)
    else:
        turn.timer(WAIT, None)
    message = turn.message
    for one in ready:
        turn.message = Message(0, one.id, DecisionSubmitted.type, one.body, {"environment": case.environment})
        decided(turn, waited=True)
    turn.message = message


def _withdraw(turn: Turn, decision: SignedDecision, person: Person, approval: Approval) -> None:
    reason = reason_of(decision) or f"withdrawn by {person.name}"
    if not asking.take_back(turn, "withdrawn", reason, person.actor, turn.message.id):
        turn.refuse(decision, "already_decided", f"the approval is {approval.state}", person.actor)


def _vote(turn: Turn, decision: SignedDecision, person: Person, approval: Approval) -> None:
    no = may_vote(decision, approval, environment=turn.case.environment, risk=turn.risk, now=turn.now)
    if no is None and decision.verb == "approve":
        no = _may_run(turn, approval)
    if no is not None:
        turn.refuse(decision, no.why, no.detail, person.actor)
    elif decision.verb == "reject":
        _reject(turn, decision, person, approval)
    else:
        _approve(turn, decision, person, approval)


def _may_run(turn: Turn, approval: Approval) -> No | None:
    """Return why a plan could not be run whoever approves it."""
    if turn.case.parked:
        return No("parked", "nothing is run for this incident any more")
    try:
        approval.content()
    except RefusedError as error:
        return No("plan", f"what is kept is not what was asked: {error}")
    return None


def _reject(turn: Turn, decision: SignedDecision, person: Person, approval: Approval) -> None:
    reason = reason_of(decision)
    turn.emit(
        ApprovalRejected(
            approval_id=approval.id,
            actor=person.actor,
            via=decision.via,
            decision_id=turn.message.id,
            reason=reason,
            signed=(SignedWords.model_validate(turn.message.body),),
        )
    )
    turn.audit("rejected", approval=approval.id, person=person.id)
    asking.close(turn, approval, "rejected", reason)


def _approve(turn: Turn, decision: SignedDecision, person: Person, approval: Approval) -> None:
    signed = (turn.message.body["decision"], turn.message.body["signature"])
    gone = _without_lapsed(turn, approval)
    approval.votes.append(vote_of(decision, person, turn.message.id, signed))
    turn.audit("approved", approval=approval.id, person=person.id, plan_sha256=approval.sha256)
    _count(turn, decision, person, approval)
    for vote, no in gone:
        turn.refuse_vote(vote, no)


def _without_lapsed(turn: Turn, approval: Approval) -> list[tuple[Vote, No]]:
    """Drop the votes that count no more, and return them."""
    found = [(vote, turn.lapsed(vote)) for vote in approval.votes]
    approval.votes = [vote for vote, no in found if no is None]
    return [(vote, no) for vote, no in found if no is not None]


def _count(turn: Turn, decision: SignedDecision, person: Person, approval: Approval) -> None:
    if len(approval.votes) < approval.needed:
        turn.emit(
            ApprovalVoteRecorded(
                approval_id=approval.id,
                actor=person.actor,
                via=decision.via,
                decision_id=turn.message.id,
                have=len(approval.votes),
                needed=approval.needed,
                signed=(SignedWords.model_validate(turn.message.body),),
            )
        )
        return
    approval.state = "granted"
    turn.emit(
        ApprovalGranted(
            approval_id=approval.id,
            plan_sha256=approval.sha256,
            actors=tuple(Actor(kind="person", id=vote.person, name=vote.name) for vote in approval.votes),
            via=decision.via,
            decision_id=turn.message.id,
            reason=reason_of(decision),
            signed=tuple(SignedWords(decision=vote.decision, signature=vote.signature) for vote in approval.votes),
        )
    )
    turn.no_timers(asking.REMIND, asking.NOTICE)
    executing.begin(turn, approval)
