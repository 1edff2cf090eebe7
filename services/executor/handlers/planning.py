"""From a recommendation to a question: the plan, the policy, `approval.requested` or `plan.refused`."""

from __future__ import annotations

from typing import Any

from services.executor.domain.state import Proposal
from services.executor.domain.work import PREPARE_PLAN
from services.executor.handlers.asking import answer_key, ask, take_back
from services.executor.handlers.doubting import ask_person
from services.executor.handlers.turn import Turn
from shared.errors import RefusedError
from shared.events.approvals import PlanRefused
from shared.events.incidents import IncidentSourceRecovered
from shared.events.investigations import RecommendationMade, RecommendationSuperseded
from shared.incident.enums import ApprovalPolicyType
from shared.runbooks.plan import Plan, digest, read_plan

LOOK = "look"
LOOK_AGAIN = 20.0
LOOK_FOR = 300.0
"""Seconds for which an unknown runbook is looked for: a deploy may be under way."""


def recommended(turn: Turn) -> None:
    """Plan the best item. A copy of a known recommendation gets its answer again."""
    case = turn.case
    made = RecommendationMade.read(turn.message.body)
    known = case.proposal is not None and case.proposal.id == made.recommendation_id
    if known or answer_key(made.recommendation_id) in turn.rows:
        if turn.message.meta.get("resend"):
            turn.again(answer_key(made.recommendation_id))
        return
    items = [item.model_dump(mode="json") for item in made.recommendations.items]
    if not items:
        return
    if case.parked or (case.running is not None and case.running.claimed):
        why = ("closed" if case.parked == "closed" else "parked") if case.parked else "busy"
        detail = "an execution is under way" if why == "busy" else "the incident is not worked on any more"
        _answer(turn, made.recommendation_id, str(items[0]["runbook_id"]), why, detail)
        return
    drop(turn, "superseded", "a newer recommendation came")
    case.recovered = False
    case.traceparent = turn.message.meta.get("traceparent", "") or case.traceparent
    proposer = made.proposed_by.id if made.proposed_by else ""
    case.proposal = Proposal(id=made.recommendation_id, items=items, proposer=proposer)
    prepare(turn)


def superseded(turn: Turn) -> None:
    """Take back what rests on a recommendation that counts no more, unless it is claimed."""
    told = RecommendationSuperseded.read(turn.message.body)
    if turn.case.proposal is not None and turn.case.proposal.id == told.recommendation_id:
        drop(turn, "superseded", told.reason)


def recovered(turn: Turn) -> None:
    """Take back what nobody has claimed; what runs goes on."""
    turn.case.recovered = True
    drop(turn, "recovered", IncidentSourceRecovered.read(turn.message.body).reason)
    execution = turn.case.running
    step = execution.current() if execution is not None else None
    if execution is not None and step is not None and execution.phase == "in_doubt":
        # Else the incident looks resolved, closes, and its targets stay locked.
        ask_person(turn, execution, step, "the alerts have recovered, and nobody has said whether it was applied")


def drop(turn: Turn, why: str, reason: str) -> None:
    """End what waits for a plan or for people. After the claim nothing is dropped."""
    proposal = turn.case.proposal
    if proposal is not None and proposal.preparing:
        _refuse(turn, proposal, why, reason)
    take_back(turn, "superseded" if why == "superseded" else "withdrawn", reason)


def prepare(turn: Turn) -> None:
    """Start to plan the current item of the proposal."""
    proposal = turn.case.proposal
    if proposal is None or not proposal.preparing:
        return
    name = f"{proposal.id}:{proposal.index}:prepare:{turn.now:.3f}"
    item = proposal.items[proposal.index]
    proposal.awaits = turn.read(PREPARE_PLAN, name, recommendation_id=proposal.id, index=proposal.index, item=item)


def try_next(turn: Turn) -> bool:
    """Plan the next-ranked item; False when there is none left, or nothing to mend any more."""
    case, proposal = turn.case, turn.case.proposal
    if proposal is None or proposal.index + 1 >= len(proposal.items) or case.recovered or case.parked:
        return False
    proposal.index += 1
    proposal.preparing = True
    proposal.looked_since = None
    prepare(turn)
    return True


def prepared(turn: Turn, result: dict[str, Any]) -> None:
    """Ask people, refuse, or look for the runbook again."""
    proposal = turn.case.proposal
    if proposal is None or not proposal.preparing or turn.message.body["id"] != proposal.awaits:
        return
    if "error" in result:
        _refused(turn, proposal, result["error"]["reason"], result["error"]["detail"])
    elif result.get("missing"):
        _missing(turn, proposal)
    elif "refused" in result:
        _refused(turn, proposal, result["refused"], result.get("detail", ""))
    else:
        _planned(turn, proposal, result)


def _missing(turn: Turn, proposal: Proposal) -> None:
    if proposal.looked_since is None:
        proposal.looked_since = turn.now
    if turn.now - proposal.looked_since < LOOK_FOR:
        turn.timer(LOOK, LOOK_AGAIN)
    else:
        _refused(turn, proposal, "unknown_runbook", "no runbook has this digest; was it deployed?")


def _planned(turn: Turn, proposal: Proposal, result: dict[str, Any]) -> None:
    try:
        plan = read_plan(result["plan"], digest(result["plan"]))
    except RefusedError as error:
        _refused(turn, proposal, "unusable_plan", str(error))
        return
    case, count = turn.case, result["approval"]["count"]
    asked = turn.config.policy.of(plan.runbook_id, plan.targets, case.environment, plan.risk, count)
    failing = "; ".join(f"{c['text']} ({c['value']})" for c in result["clauses"] if not c["holds"])
    if not _is_ours(turn, proposal, plan):
        _refused(turn, proposal, "other_plan", "the plan is for another incident, environment or runbook")
    elif asked.policy is ApprovalPolicyType.FORBID:
        _refused(turn, proposal, "forbidden", f"by the rule {asked.rule!r} of the policy")
    elif failing:
        _refused(turn, proposal, "precondition", failing)
    else:
        proposal.preparing = False
        ask(turn, proposal, plan, asked, result)


def _is_ours(turn: Turn, proposal: Proposal, plan: Plan) -> bool:
    case, item = turn.case, proposal.items[proposal.index]
    named = (plan.incident_id, plan.environment, plan.runbook_id, plan.runbook_sha256)
    return named == (case.incident_id, case.environment, item["runbook_id"], item["runbook_sha256"])


def _refused(turn: Turn, proposal: Proposal, why: str, detail: str) -> None:
    """Try the next item; when none is left, say why the best one got no plan, and what was wrong with the others."""
    proposal.refusals.append((proposal.runbook_id, why, detail[:500]))
    turn.audit("no_plan", recommendation=proposal.id, runbook=proposal.runbook_id, why=why)
    if try_next(turn):
        return
    (_, why, detail), *others = proposal.refusals
    detail = "; ".join([detail, *(f"{runbook}: {reason} {text}".strip() for runbook, reason, text in others)])
    _refuse(turn, proposal, why, detail)
    if turn.case.execution is not None:
        turn.hand_off("no_plan_left", detail)


def _refuse(turn: Turn, proposal: Proposal, why: str, detail: str) -> None:
    proposal.preparing, proposal.awaits = False, ""
    turn.timer(LOOK, None)
    best = proposal.refusals[0][0] if proposal.refusals else proposal.runbook_id
    _answer(turn, proposal.id, best, why, detail)


def _answer(turn: Turn, recommendation_id: str, runbook_id: str, why: str, detail: str) -> None:
    event = turn.emit(
        PlanRefused(recommendation_id=recommendation_id, runbook_id=runbook_id, why=why, detail=detail[:2000])
    )
    turn.answer(answer_key(recommendation_id), event, f"executor/{recommendation_id}/refused")
    turn.audit("plan_refused", recommendation=recommendation_id, why=why)
