"""The question to people: asked, told, reminded of, and over without an answer."""

from __future__ import annotations

from typing import Any

from services.executor.domain.policy import Asked
from services.executor.domain.state import Approval, ApprovalState, Proposal
from services.executor.handlers.governor import ENDED
from services.executor.handlers.turn import Turn
from shared.events.approvals import (
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalSuperseded,
    ApprovalWithdrawn,
    Clause,
)
from shared.events.people import NoticePosted
from shared.incident.actor import Actor
from shared.incident.enums import Role
from shared.incident.model import is_simulated
from shared.runbooks.plan import Plan, digest
from shared.runtime.clock import at

EXPIRY, REMIND, NOTICE = "expiry", "remind", "notice"
NOTICE_SECONDS = 60.0
NOTICE_RESENDS = 3


def answer_key(recommendation_id: str) -> str:
    """Return the row of the event that answered a recommendation."""
    return f"answer/{recommendation_id}"


def ask(turn: Turn, proposal: Proposal, plan: Plan, asked: Asked, result: dict[str, Any]) -> None:
    """Ask people about a plan.

    When reminding or escalating is what happens after the runbook's time, the question stands for as long again; so
    the time announced here is always the one at which it really ends.
    """
    case, wanted = turn.case, result["approval"]
    case.count += 1
    on_expire = asked.on_expire or wanted["on_expire"]
    stands = float(wanted["expires_seconds"]) * (1 if on_expire == "expire" else 2)
    approval = Approval(
        id=case.approval_id(),
        plan=result["plan"],
        sha256=digest(result["plan"]),
        policy=asked.policy,
        needed=asked.needed,
        proposer=proposal.proposer,
        expires_at=turn.now + stands,
        on_expire=on_expire,
    )
    case.approval, case.execution = approval, None
    event = turn.emit(_question(approval, plan, proposal, result))
    turn.answer(answer_key(proposal.id), event, f"executor/{approval.id}/requested")
    turn.timer_at(EXPIRY, approval.expires_at)
    turn.timer(REMIND, stands / 2)
    turn.timer(NOTICE, NOTICE_SECONDS)
    facts = {"plan_sha256": approval.sha256, "policy": asked.policy.value, "rule": asked.rule}
    turn.audit("approval_requested", approval=approval.id, **facts)


def _question(approval: Approval, plan: Plan, proposal: Proposal, result: dict[str, Any]) -> ApprovalRequested:
    item = proposal.items[proposal.index]
    return ApprovalRequested(
        approval_id=approval.id,
        recommendation_id=proposal.id,
        runbook_id=plan.runbook_id,
        title=plan.title,
        plan=approval.plan,
        plan_sha256=approval.sha256,
        policy=approval.policy,
        needed=approval.needed,
        risk=plan.risk,
        reversible=all(step.reversible for step in plan.steps),
        impact="; ".join(step.impact for step in plan.steps),
        why=tuple(part for part in (item.get("rationale", ""),) if part),
        clauses=tuple(Clause.model_validate(clause) for clause in result["clauses"]),
        expected_effect=str(result.get("expected_effect") or item.get("expected_effect", "")),
        confidence=float(item.get("confidence", 0.0)),
        expires_at=at(approval.expires_at),
    )


def noticed(turn: Turn) -> None:
    """People were told of a question."""
    posted = NoticePosted.read(turn.message.body)
    approval = turn.case.approval
    if approval is not None and approval.id == posted.approval_id and posted.channels:
        approval.noticed = True
        turn.timer(NOTICE, None)


def ask_again(turn: Turn) -> None:
    """Send the question again when nobody said that people were told; three times, then ask a person."""
    case = turn.case
    approval, proposal = case.approval, case.proposal
    if approval is None or proposal is None or approval.state != "pending" or approval.noticed:
        return
    if approval.notice_resends >= NOTICE_RESENDS:
        turn.hand_off("notifier_silent", "no word that anybody was told of the approval")
        return
    approval.notice_resends += 1
    turn.again(answer_key(proposal.id))
    turn.timer(NOTICE, NOTICE_SECONDS)


def remind(turn: Turn) -> None:
    """Half of the time is over, and people are still missing."""
    approval = turn.case.approval
    if approval is None or approval.state != "pending" or turn.now >= approval.expires_at:
        return
    if approval.on_expire == "escalate":
        turn.emit(ApprovalEscalated(approval_id=approval.id, to=_next_level(turn)))
    else:
        turn.emit(ApprovalReminded(approval_id=approval.id))


def _next_level(turn: Turn) -> tuple[str, ...]:
    simulated = is_simulated(turn.case.environment)
    people = turn.config.people.people
    return tuple(person.id for person in people if person.has(Role.ADMIN) and (simulated or not person.sample))


def expired(turn: Turn) -> None:
    """Nobody answered in time, or nothing was claimed in time: the question is over."""
    approval = turn.case.approval
    if approval is not None and approval.is_open and turn.now >= approval.expires_at:
        turn.emit(ApprovalExpired(approval_id=approval.id))
        close(turn, approval, "expired")


def take_back(turn: Turn, how: ApprovalState, reason: str, actor: Actor | None = None, decision_id: str = "") -> bool:
    """End a question before its claim: superseded or withdrawn. True when there was one."""
    approval = turn.case.approval
    if approval is None or not approval.is_open:
        return False
    if how == "superseded":
        turn.emit(ApprovalSuperseded(approval_id=approval.id, reason=reason))
    else:
        turn.emit(ApprovalWithdrawn(approval_id=approval.id, reason=reason, actor=actor, decision_id=decision_id))
    close(turn, approval, how, reason)
    return True


def close(turn: Turn, approval: Approval, state: ApprovalState, reason: str = "") -> None:
    """Wait no longer for people, nor for the permit of what they granted."""
    approval.state = state
    turn.no_timers(EXPIRY, REMIND, NOTICE)
    turn.audit(f"approval_{state}", approval=approval.id, reason=reason)
    execution = turn.case.running
    if execution is not None and not execution.claimed:
        execution.phase, execution.awaits = "ended", ""
        turn.timer("retry", None)
        turn.ask_governor(ENDED, f"{execution.id}:ended", execution=execution.id, changed=False)
