"""From a recommendation to a question: the plan, the policy, `approval.requested` or `plan.refused`."""

from __future__ import annotations

from typing import Any

from services.executor.domain.state import Approval, Proposal
from services.executor.handlers.turn import Turn
from shared.events.approvals import (
    ApprovalRequested,
    ApprovalSuperseded,
    ApprovalWithdrawn,
    Clause,
    PlanRefused,
)
from shared.events.envelope import Outgoing
from shared.events.investigations import RecommendationMade
from shared.incident.actor import Actor
from shared.incident.enums import ApprovalPolicyType
from shared.runbooks.plan import Plan, digest, read_plan
from shared.runtime.clock import at

PREPARE = "prepare_plan"
LOOK_AGAIN = 20.0
LOOK_FOR = 300.0
NOTICE_SECONDS = 60.0
NOTICE_RESENDS = 3


def recommended(turn: Turn) -> None:
    """Start to plan the best item. A copy of a known recommendation gets its answer again."""
    case, message = turn.case, turn.message
    made = RecommendationMade.read(message.body)
    resend = int(message.meta.get("resend", "0"))
    if made.recommendation_id in case.answers or (case.proposal and case.proposal.id == made.recommendation_id):
        if resend and made.recommendation_id in case.answers:
            turn.decision.events.append(Outgoing(**case.answers[made.recommendation_id] | {"resend": resend}))
        return
    if not made.recommendations.items or (case.execution and case.execution.phase != "ended"):
        if made.recommendations.items:
            why = "an execution is under way"
            _answer_refusal(turn, made.recommendation_id, made.recommendations.items[0].runbook_id, "busy", why)
        return
    drop_question(turn, "superseded", "a newer recommendation came")
    case.recovered = False
    case.proposal = Proposal(
        id=made.recommendation_id,
        event_id=message.id,
        items=[item.model_dump(mode="json") for item in made.recommendations.items],
    )
    prepare(turn)


def prepare(turn: Turn) -> None:
    """Start to plan the current item of the proposal."""
    proposal = turn.case.proposal
    if proposal is None or turn.case.parked:
        return
    proposal.preparing = True
    item = proposal.items[proposal.index]
    name = f"{proposal.id}:{proposal.index}:prepare:{turn.now:.3f}"
    turn.read(PREPARE, name, recommendation_id=proposal.id, index=proposal.index, item=item)


def try_next(turn: Turn) -> bool:
    """Plan the next-ranked item after a failure; False when there is none left."""
    proposal = turn.case.proposal
    if proposal is None or proposal.index + 1 >= len(proposal.items):
        return False
    proposal.index += 1
    proposal.looked_since = None
    prepare(turn)
    return True


def prepared(turn: Turn, result: dict[str, Any]) -> None:
    """Ask people, refuse, or look for the runbook again."""
    proposal = turn.case.proposal
    if proposal is None or not proposal.preparing:
        return
    if result.get("recommendation_id") != proposal.id or result.get("index") != proposal.index:
        if "error" not in result:
            return
    if result.get("missing"):
        proposal.looked_since = proposal.looked_since or turn.now
        if turn.now - proposal.looked_since < LOOK_FOR:
            turn.timer("prepare", LOOK_AGAIN)
            return
        result = {"refused": "unknown_runbook", "detail": "no runbook has this digest; was it deployed?"}
    if "error" in result:
        result = {"refused": result["error"]["reason"], "detail": result["error"]["detail"]}
    if "refused" in result:
        _refused(turn, str(result["refused"]), str(result.get("detail", "")))
        return
    _ask(turn, proposal, result)


def _refused(turn: Turn, why: str, detail: str) -> None:
    proposal = turn.case.proposal
    if proposal is None:
        return
    if try_next(turn):
        return
    proposal.preparing = False
    _answer_refusal(turn, proposal.id, proposal.items[proposal.index]["runbook_id"], why, detail)


def _answer_refusal(turn: Turn, recommendation_id: str, runbook_id: str, why: str, detail: str) -> None:
    refused = PlanRefused(recommendation_id=recommendation_id, runbook_id=runbook_id, why=why, detail=detail)
    event = turn.emit(refused, event_id=f"executor/{turn.case.incident_id}/{recommendation_id}/refused")
    _remember(turn, recommendation_id, event)
    turn.audit("plan_refused", recommendation=recommendation_id, why=why)


def _ask(turn: Turn, proposal: Proposal, result: dict[str, Any]) -> None:
    case, item = turn.case, proposal.items[proposal.index]
    text = str(result["plan"])
    plan = read_plan(text, digest(text))
    asked = int(result["approval"]["count"])
    policy, rule = turn.config.policy.of(plan.runbook_id, plan.targets, case.environment, plan.risk, asked)
    if policy is ApprovalPolicyType.FORBID:
        _refused(turn, "forbidden", f"by the rule {rule!r} of the policy")
        return
    failing = [clause for clause in result["clauses"] if not clause["holds"]]
    if failing:
        _refused(turn, "precondition", "; ".join(f"{c['text']} ({c['value']})" for c in failing))
        return
    proposal.preparing = False
    case.count += 1
    expires = turn.now + float(result["approval"]["expires_seconds"])
    approval = Approval(
        id=_approval_id(case.incident_id, case.count),
        plan=text,
        sha256=digest(text),
        policy=policy,
        needed=2 if policy is ApprovalPolicyType.REQUIRE_TWO else 1,
        expires_at=expires,
    )
    case.approval, case.execution = approval, None
    event = turn.emit(_question(approval, plan, item, result), event_id=f"executor/{approval.id}/requested")
    _remember(turn, proposal.id, event)
    turn.timer_at("expiry", expires)
    turn.timer("remind", float(result["approval"]["expires_seconds"]) / 2)
    turn.timer("notice", NOTICE_SECONDS)
    turn.audit("approval_requested", approval=approval.id, plan_sha256=approval.sha256, policy=policy, rule=rule)


def _question(approval: Approval, plan: Plan, item: dict[str, Any], result: dict[str, Any]) -> ApprovalRequested:
    return ApprovalRequested(
        approval_id=approval.id,
        recommendation_id=str(result["recommendation_id"]),
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
        expected_effect=str(item.get("expected_effect") or result.get("expected_effect", "")),
        confidence=float(item.get("confidence", 0.0)),
        expires_at=at(approval.expires_at),
    )


def _approval_id(incident_id: str, count: int) -> str:
    return f"apr-{incident_id.removeprefix('INC-').lower()}-{count}"


def _remember(turn: Turn, recommendation_id: str, event: Outgoing) -> None:
    """Keep the answer for a resend; only the newest few matter."""
    answers = turn.case.answers
    answers[recommendation_id] = {name: getattr(event, name) for name in Outgoing.__slots__}
    while len(answers) > 3:
        answers.pop(next(iter(answers)))


def drop_question(turn: Turn, how: str, reason: str, actor: Actor | None = None, decision_id: str = "") -> bool:
    """End what waits for people: superseded or withdrawn. After the claim nothing is dropped. True when it was."""
    case = turn.case
    if case.proposal is not None and case.proposal.preparing:
        case.proposal.preparing = False
        item = case.proposal.items[case.proposal.index]
        _answer_refusal(turn, case.proposal.id, item["runbook_id"], how, reason)
        turn.timer("prepare", None)
        return True
    approval = case.approval
    if approval is None or approval.state not in ("pending", "granted"):
        return False
    if case.execution is not None and case.execution.claimed:
        return False
    if how == "superseded":
        approval.state = "superseded"
        turn.emit(ApprovalSuperseded(approval_id=approval.id, reason=reason))
    else:
        approval.state = "withdrawn"
        turn.emit(ApprovalWithdrawn(approval_id=approval.id, reason=reason, actor=actor, decision_id=decision_id))
    if case.execution is not None:
        case.execution.phase = "ended"
        turn.ask_governor("execution.ended", f"{case.execution.id}:dropped", execution=case.execution.id)
    for name in ("expiry", "remind", "notice", "permit"):
        turn.timer(name, None)
    turn.audit(f"approval_{approval.state}", approval=approval.id, reason=reason)
    return True


def resend_question(turn: Turn) -> None:
    """Nobody said that people were told: send the question again, three times, then ask a person."""
    case = turn.case
    approval, proposal = case.approval, case.proposal
    if approval is None or proposal is None or approval.state != "pending" or approval.noticed:
        return
    if approval.notice_resends >= NOTICE_RESENDS:
        turn.hand_off("notifier_silent", "no word that anybody was told of the approval")
        return
    approval.notice_resends += 1
    answer = case.answers.get(proposal.id)
    if answer is not None:
        turn.decision.events.append(Outgoing(**answer | {"resend": approval.notice_resends}))
    turn.timer("notice", NOTICE_SECONDS)
