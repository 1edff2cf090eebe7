"""May this decision count? Every check the executor makes before a person's word changes anything. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.executor.domain.state import Approval, Vote
from shared.errors import RefusedError
from shared.incident.enums import RiskLevel, Role
from shared.incident.model import is_simulated
from shared.runbooks.decision import SignedDecision, verify
from shared.runtime.people import People, Person

AGE_MAX = 15 * 60.0
"""Seconds after which a decision is too old to count."""
AHEAD_MAX = 60.0
"""Seconds a decision may lie ahead of our clock."""
FRESH_LOGIN = 15 * 60.0
"""Seconds since a login within which the command may decide about high risk."""
GOES_ON = ("approve", "resume", "skip", "retry", "confirm")
"""Verbs that let something run; the others stop it."""

REASON_MAX = 500

NEEDED_ROLE: Mapping[str, Role] = {
    "approve": Role.APPROVER,
    "reject": Role.APPROVER,
    "withdraw": Role.RESPONDER,
    "cancel": Role.RESPONDER,
    "pause": Role.RESPONDER,
    "resume": Role.APPROVER,
    "skip": Role.APPROVER,
    "retry": Role.APPROVER,
    "confirm": Role.APPROVER,
    "freeze": Role.RESPONDER,
    "unfreeze": Role.APPROVER,
}
"""Stopping is easier than going on."""


@dataclass(frozen=True, slots=True)
class No:
    """Why a decision does not count; `why` is stable."""

    why: str
    detail: str = ""


def entitled(decision: SignedDecision, people: People, *, environment: str, now: float) -> Person | No:
    """Return the person if this decision may count at all: environment, age, person, role."""
    if decision.environment != environment:
        return No("other_environment", f"signed for {decision.environment}")
    age = now - decision.time.timestamp()
    if age > AGE_MAX:
        return No("too_old", f"signed {age / 60:.0f} min ago")
    if age < -AHEAD_MAX:
        return No("from_the_future", f"signed {-age:.0f} s ahead of this clock")
    person = people.find(decision.person)
    if person is None:
        return No("unknown_person", f"{decision.person} is not in people.yaml")
    if person.sample and not is_simulated(environment):
        return No("sample_person", "SAMPLE people decide in simulated runs only; write a people.yaml")
    role = NEEDED_ROLE.get(decision.verb)
    if role is None:
        return No("unknown_verb", decision.verb)
    return person if person.has(role) else No("role", f"{person.name} is no {role}")


def may_vote(
    decision: SignedDecision, approval: Approval, *, environment: str, risk: RiskLevel, now: float
) -> No | None:
    """Return why an approval or rejection does not count for this question, None when it does."""
    if approval.state != "pending":
        return No("already_decided", f"the approval is {approval.state}")
    if now >= approval.expires_at:
        at = datetime.fromtimestamp(approval.expires_at, UTC)
        return No("expired", f"at {at:%H:%M:%S} UTC")
    if decision.plan_sha256 != approval.sha256:
        return No("other_plan", "the plan changed; read it again")
    if decision.verb != "approve":
        return None
    unfit = fit_for(decision, risk)
    if unfit is not None:
        return unfit
    if decision.person == approval.proposer:
        return No("proposer", "whoever proposed a plan does not approve it")
    if any(vote.person == decision.person for vote in approval.votes):
        return No("same_person", "each of the people needed must be another one")
    local = is_local(decision.via) and any(is_local(vote.via) for vote in approval.votes)
    if local and not is_simulated(environment):
        return No("same_machine", "all sessions signed in on this machine count as one person")
    return None


def lapsed(
    vote: Vote,
    approval: Approval,
    *,
    people: People,
    keys: Mapping[str, Ed25519PublicKey],
    environment: str,
) -> No | None:
    """Return why a vote that was counted counts no more, None while it stands.

    What was kept is not believed: the person's own signed words must say it still, under a key that counts now.
    """
    try:
        decision = verify(vote.decision, vote.signature, keys)
    except RefusedError as error:
        return No("signature", f"of the approval by {vote.name}: {error}")
    said = (decision.verb, decision.subject, decision.plan_sha256, decision.person, decision.environment)
    if said != ("approve", approval.id, approval.sha256, vote.person, environment):
        return No("other_plan", f"{vote.name} approved something else")
    person = people.find(vote.person)
    if person is None or not person.has(Role.APPROVER):
        return No("role", f"{vote.name} is no {Role.APPROVER} any more")
    return None


def may_direct(decision: SignedDecision, *, plan_sha256: str, risk: RiskLevel, step: str) -> No | None:
    """Return why a decision about a running execution does not count, None when it does. `step` is the current one."""
    if decision.plan_sha256 not in (None, plan_sha256):
        return No("other_plan", "another plan is being executed")
    if decision.arguments.get("step", step) != step:
        return No("other_step", f"the execution is at the step {step!r}" if step else "every step has ended")
    return fit_for(decision, risk) if decision.verb in GOES_ON else None


def fit_for(decision: SignedDecision, risk: RiskLevel) -> No | None:
    """Return why the way a person came in is not enough for this risk, None when it is."""
    if risk is not RiskLevel.HIGH:
        return None
    if decision.via.startswith("slack"):
        return No("via", "high risk is decided on the page or by the command, not by a button")
    since_login = (decision.time - decision.authenticated_at).total_seconds()
    if decision.via.startswith("cli") and since_login > FRESH_LOGIN:
        return No("old_login", "high risk needs a fresh login of the command: `signoff login`")
    return None


def is_local(via: str) -> bool:
    """Say whether a person was authenticated only by being on the machine."""
    return via.endswith(":local")


def vote_of(decision: SignedDecision, person: Person, decision_id: str, signed: tuple[str, str]) -> Vote:
    """Return an accepted decision as a vote; `signed` are its bytes and their signature."""
    text, signature = signed
    return Vote(
        person=person.id,
        name=person.name,
        via=decision.via,
        decision_id=decision_id,
        reason=reason_of(decision),
        decision=text,
        signature=signature,
    )


def reason_of(decision: SignedDecision) -> str:
    """Return the reason a person gave."""
    return decision.arguments.get("reason", "")[:REASON_MAX]
