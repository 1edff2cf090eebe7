"""A question as the approval page asks it: what would run, exactly, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.notifier.domain.charts import Chart, chart
from services.notifier.domain.detail import Detail
from services.notifier.domain.headline import headline
from shared.errors import RefusedError
from shared.runbooks.plan import Plan, read_plan

CHARTS_MAX = 3


@dataclass(frozen=True, slots=True)
class Question:
    """`problem` is why nobody may be asked: the bytes are not those of the digest. Then there are no buttons."""

    approval: dict[str, Any]
    headline: str
    plan: Plan | None
    problem: str
    findings: tuple[dict[str, Any], ...]
    charts: tuple[Chart, ...]
    submitted: tuple[dict[str, Any], ...]
    """Decisions that wait for the executor's ruling."""
    refused: tuple[dict[str, Any], ...]
    execution: dict[str, Any] | None
    verifications: tuple[dict[str, Any], ...]

    def seconds_left(self, now: float) -> float:
        """Return how long the question stands."""
        return datetime.fromisoformat(self.approval["expires_at"]).timestamp() - now


def question(detail: Detail, approval_id: str) -> Question | None:
    """Return the question of an approval, None when the incident has none such."""
    approval = detail.approvals.get(approval_id)
    if approval is None:
        return None
    plan, problem = None, ""
    try:
        plan = read_plan(approval["plan"], approval["plan_sha256"])
        problem = _foreign(plan, detail)
    except RefusedError as error:
        problem = str(error)
    about = [decision for decision in detail.decisions.values() if decision["subject"] == approval_id]
    execution = next((e for e in detail.executions.values() if e["approval_id"] == approval_id), None)
    ran = execution["execution_id"] if execution else None
    cited, others = charts(detail)
    return Question(
        approval=approval,
        headline=headline(approval),
        plan=plan,
        problem=problem,
        findings=tuple((detail.diagnosis or {}).get("findings", ())),
        charts=(cited or others)[:CHARTS_MAX],
        submitted=tuple(d for d in about if not d["ruling"]),
        refused=tuple(d for d in about if d["ruling"] == "approval.decision_refused"),
        execution=execution,
        verifications=tuple(v for v in detail.verifications if v["execution_id"] == ran),
    )


def _foreign(plan: Plan, detail: Detail) -> str:
    incident = detail.overview.incident if detail.overview else None
    if incident is None or (plan.incident_id, plan.environment) == (incident.id, incident.environment):
        return ""
    return "the plan is of another incident"


def charts(detail: Detail) -> tuple[tuple[Chart, ...], tuple[Chart, ...]]:
    """Return the series of the evidence: those that the diagnosis cites, and the others."""
    snapshot = detail.snapshot()
    if snapshot is None:
        return (), ()
    diagnosis = detail.diagnosis or {}
    cites = {cite for finding in diagnosis.get("findings", ()) for cite in finding["cites"]}
    cited = {item.series_id for item in snapshot.evidence if item.id in cites}
    changes = [(item.start, item.summary) for item in snapshot.evidence if item.kind == "change" and item.start]
    # Collectors may tell of one series twice; the newest counts.
    series = {one.id: one for one in snapshot.series}.values()
    return (
        tuple(chart(one, changes) for one in series if one.id in cited),
        tuple(chart(one, changes) for one in series if one.id not in cited),
    )
