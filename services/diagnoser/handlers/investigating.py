"""At most one investigation at a time; what arrives meanwhile starts one more, later, if it changes anything."""

from __future__ import annotations

import base64

import orjson

from services.diagnoser.domain.advising import arranged
from services.diagnoser.domain.classifying import classify
from services.diagnoser.domain.differing import differences, replaced, stand_of
from services.diagnoser.domain.finding_out import Classified, Findings, Kept
from services.diagnoser.domain.gaps import lost
from services.diagnoser.domain.knowing import Seen
from services.diagnoser.domain.last_word import is_claimed, recommended, superseded
from services.diagnoser.domain.recommending import Place, identity, recommend
from services.diagnoser.handlers import closing
from services.diagnoser.handlers.incident_turn import IncidentTurn
from shared.events.incidents import IncidentClassified, IncidentSeverityRaised
from shared.events.investigations import (
    DiagnosisConcluded,
    DiagnosisInconclusive,
    DiagnosisNoActiveFault,
    InvestigationStarted,
    RecommendationMade,
    RecommendationSuperseded,
)
from shared.incident.actor import Actor
from shared.incident.diagnosis import DiagnosticResult, RecommendationSet, first_symptom
from shared.incident.enums import IncidentCategory, Severity
from shared.runtime.clock import at
from shared.store.model import JSON, Activity, Record, Row

ACTIVITY = "investigate"
TIMER_NAME = "investigate"
ANSWER_TIMER = "answer"
LEASE = 120.0
"""Seconds; collectors and engine together stop by themselves 30 s before."""
LOOKS_MAX = 4
"""Looks at an incident, those by request included, after which nobody looks again for what could not be read."""
CHANGED, UNREAD = "symptoms changed", "what could not be read may have come"
REASON_MAX = 500
ARCHIVE = "investigation"
"""The table of everything that investigations saw."""
SEEN_ROW = "seen"
"""The row of what the newest investigation saw."""
ROW_KEPT = 400 * 86_400.0

_CONCLUSIONS = {
    "diagnosed": DiagnosisConcluded,
    "inconclusive": DiagnosisInconclusive,
    "no_active_fault": DiagnosisNoActiveFault,
}


def want(turn: IncidentTurn, reason: str) -> None:
    """Start an investigation, now or when the last one is long enough ago.

    Only if there is something new to look at, or a person asked: then also beside what runs and after a recovery.
    """
    state = turn.state
    if state.closed_at is not None or state.investigating:
        return
    is_idle = state.quiet or is_claimed(state.debts) or _looked_at(turn) == state.investigated
    if is_idle and state.asked is None:
        return
    due = (state.investigated_at or 0.0) + turn.config.investigate_every
    if state.investigated_at is not None and due > turn.now:
        turn.wake(TIMER_NAME, due)
    else:
        _start(turn, reason)


def on_timer(turn: IncidentTurn) -> None:
    """Look again if that still makes sense."""
    want(turn, _why(turn))


def _start(turn: IncidentTurn, reason: str) -> None:
    state = turn.state
    state.investigations += 1
    state.investigating = f"{state.id}-i{state.investigations}"
    state.investigated_at = turn.now
    state.investigated = _looked_at(turn)
    turn.wake(TIMER_NAME, None)
    asked, state.asked = state.asked, None
    actor = Actor.model_validate(asked["actor"]) if asked else None
    turn.emit(
        InvestigationStarted(
            investigation_id=state.investigating,
            reason=f"{actor.label} asked" if actor else reason,
            actor=actor,
            request_id=asked["request_id"] if asked else "",
        )
    )
    arguments = {
        "investigation_id": state.investigating,
        "incident_id": state.id,
        "environment": state.environment,
        "services": state.services,
        "hosts": state.hosts,
        "started_at": at(state.started).isoformat(),
        "severity": state.severity,
        "alerts": state.alerts,
    }
    turn.decision.activities.append(Activity(state.investigating, ACTIVITY, arguments, lease=LEASE))


def concluded(turn: IncidentTurn) -> None:
    """Take the result of the investigation that is waited for, say what it found and recommend what would help."""
    state, body = turn.state, turn.message.body
    result = body["result"]
    keep(turn, body["id"], result.get("kept"))
    if body["id"] != state.investigating:
        return
    investigation = state.investigating
    state.investigating = ""
    if "error" in result:
        turn.emit(DiagnosisInconclusive(investigation_id=investigation, result=failed(result["error"])))
    else:
        findings = Findings.model_validate(result)
        _tell(turn, investigation, findings)
        if findings.result.status != "diagnosed" and lost(findings.gathered.collectors):
            _look_again(turn)
    want(turn, _why(turn))
    closing.consider(turn)


def _look_again(turn: IncidentTurn) -> None:
    """Let what is known count as new, a few times: what nobody could read may have come meanwhile."""
    if turn.state.investigations < LOOKS_MAX:
        turn.state.investigated = UNREAD


def _why(turn: IncidentTurn) -> str:
    return UNREAD if turn.state.investigated == UNREAD else CHANGED


def keep(turn: IncidentTurn, investigation: str, kept: JSON) -> None:
    """Keep everything that an activity saw and said, also when nobody waits for it any more."""
    if kept is None:
        return
    run = Kept.model_validate(kept)
    values = {
        "id": investigation,
        "fence": run.fence,
        "incident_id": turn.state.id,
        "environment": turn.state.environment,
        "at": turn.now,
        "data": base64.b64decode(run.data),
    }
    turn.decision.records.append(Record(ARCHIVE, values))


def failed(error: dict[str, str]) -> DiagnosticResult:
    """Return what is said when the investigation itself broke."""
    return DiagnosticResult(
        status="inconclusive",
        statement="The investigation could not be finished.",
        missing=("the result of the investigation",),
        next_checks=("look at the incident's dashboards and recent changes by hand",),
        degraded=f"{error.get('reason', 'error')}: {error.get('detail', '')}"[:300],
    )


def _tell(turn: IncidentTurn, investigation: str, findings: Findings) -> None:
    result = findings.result
    turn.emit(findings.gathered)
    _remember(turn, findings)
    _classify(turn, result)
    if findings.classified is not None:
        _reclassify(turn, findings.classified)
    before, turn.state.concluded = turn.state.concluded, stand_of(result)
    changed = differences(before, turn.state.concluded)
    turn.emit(_CONCLUSIONS[result.status](investigation_id=investigation, result=result, changed=changed))
    if result.status == "diagnosed" and not turn.state.quiet and not is_claimed(turn.state.debts):
        places = {name: Place(known.kind, known.services) for name, known in findings.places.items()}
        offered = recommend(result, turn.config.runbooks.values(), places, turn.state.services)
        found = arranged(offered, findings.arranged)
        _recommend(turn, investigation, found)


def _reclassify(turn: IncidentTurn, by: Classified) -> None:
    """Take what a model chose, as far as it still is a choice: a severity is raised by one, once, and never lowered."""
    state, severity = turn.state, Severity(turn.state.severity)
    if state.category == IncidentCategory.UNKNOWN and by.category != IncidentCategory.UNKNOWN:
        state.category = by.category.value
        turn.emit(IncidentClassified(category=by.category, reason=by.reason))
    if by.severity.rank == severity.rank - 1 and not state.raised:
        state.severity, state.raised = by.severity.value, True
        turn.emit(IncidentSeverityRaised(previous=severity, severity=by.severity, reason=by.reason))


def _classify(turn: IncidentTurn, result: DiagnosticResult) -> None:
    state, severity = turn.state, Severity(turn.state.severity)
    found = classify(result, IncidentCategory(state.category), severity)
    if found.category.value != state.category:
        state.category = found.category.value
        turn.emit(IncidentClassified(category=found.category, reason=result.statement[:300]))
    if found.severity != severity:
        state.severity = found.severity.value
        turn.emit(IncidentSeverityRaised(previous=severity, severity=found.severity, reason=found.why_raised[:300]))


def _remember(turn: IncidentTurn, findings: Findings) -> None:
    """Keep what the newest investigation saw: for questions about this incident, and for incidents that come later."""
    gathered = findings.gathered.model_dump(mode="json", exclude={"series"})
    seen = Seen.model_validate({**gathered, "result": findings.result}).model_dump(mode="json")
    turn.rows[SEEN_ROW] = seen
    turn.decision.rows[SEEN_ROW] = Row(seen, turn.now + ROW_KEPT)
    values = {
        "incident_id": turn.state.id,
        "environment": turn.state.environment,
        "at": turn.now,
        "title": turn.state.title,
        "cause": findings.result.causes[0].cause if findings.result.status == "diagnosed" else "",
        "signs": orjson.dumps(findings.signs).decode(),
        "closed_at": None,
    }
    turn.decision.records.append(Record(closing.PAST, values))
    began = first_symptom(findings.result, findings.gathered.evidence)
    turn.state.symptom = began.timestamp() if began else None


def _recommend(turn: IncidentTurn, investigation: str, found: RecommendationSet) -> None:
    """Recommend, unless exactly that stands already; what stood before is superseded."""
    state = turn.state
    standing = state.recommended
    if standing is not None and (standing["identity"] == identity(found) or not found.items):
        return
    state.recommendations += 1
    recommendation_id = f"{state.id}-r{state.recommendations}"
    if standing is not None:
        state.debts = superseded(state.debts, standing["id"])
        turn.emit(
            RecommendationSuperseded(
                recommendation_id=standing["id"],
                superseded_by=recommendation_id,
                reason=_changed(standing["body"], found),
            )
        )
    event = RecommendationMade(
        recommendation_id=recommendation_id,
        investigation_id=investigation,
        recommendations=found,
        category=state.category,
        services=tuple(state.services),
        hosts=tuple(state.hosts),
    )
    turn.emit(event)
    if not found.items:
        return
    state.debts = recommended(state.debts, recommendation_id)
    state.recommended = {
        "id": recommendation_id,
        "identity": identity(found),
        "body": event.model_dump(mode="json"),
        "event_id": "",
        "resends": 0,
    }
    turn.wake(ANSWER_TIMER, turn.now + turn.config.answer_within)


def _changed(before: JSON, found: RecommendationSet) -> str:
    """Return what is different now, for who was asked to approve what was proposed before."""
    proposed = RecommendationMade.read(before).recommendations.items[0]
    return ", ".join(replaced(proposed, found.items[0]))[:REASON_MAX]


def _looked_at(turn: IncidentTurn) -> str:
    """Return what changes with what is known of the alerts: these lists only grow."""
    state = turn.state
    return f"{len(state.services)} services, {len(state.hosts)} hosts, {len(state.symptoms)} symptoms"
