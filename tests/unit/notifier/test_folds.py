from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain import wording
from services.notifier.domain.detail import Detail
from services.notifier.domain.executions import current_step, offers, running
from services.notifier.domain.folding import fold
from services.notifier.domain.headline import headline
from services.notifier.domain.question import question
from services.notifier.domain.views import listed, shown, times
from shared.events.approvals import (
    ApprovalDecisionRefused,
    ApprovalExpired,
    ApprovalRejected,
    ApprovalSuperseded,
    ApprovalVoteRecorded,
)
from shared.events.executions import (
    ExecutionCancelled,
    ExecutionPaused,
    HandoffRequested,
    RollbackFinished,
    RollbackStarted,
    StepFailed,
    StepUnknown,
)
from shared.events.incidents import IncidentNoted, IncidentReopened, IncidentSeverityRaised
from shared.events.investigations import RecommendationSuperseded
from shared.events.payload import Payload
from shared.events.registry import EVENTS
from shared.incident.enums import Severity, Stage
from shared.lifecycle.timeline import Told
from shared.runbooks.plan import Plan, digest
from tests.unit.notifier.story import (
    APPROVAL,
    APPROVER,
    EXECUTION,
    INCIDENT,
    RUN,
    asked,
    concluded,
    executed,
    gathered,
    granted,
    opened,
    plan,
    until_asked,
)


def told(payload: Payload, number: int, **changes: Any) -> Told:  # noqa: ANN401 -- fields of Told
    """Return a payload as the journal keeps it, `number` seconds after three."""
    given = {"source": f"signoff/{payload.owner}", "body": payload.model_dump(mode="json"), "causation": ""}
    time = f"2026-11-03T03:{number // 60:02d}:{number % 60:02d}.000000Z"
    return Told(**{"id": f"t{number}", "type": payload.type, "time": time, **given, **changes})


def folded(*payloads: Payload) -> Detail:
    """Return the detail of these payloads, a second apart."""
    events = [told(payload, number) for number, payload in enumerate(payloads)]
    return fold(events, incident_id=INCIDENT, environment=RUN)


def test_nothing_is_known_before_the_incident_is_opened() -> None:
    detail = folded(granted())
    assert detail.overview is None
    assert shown(detail)["incident"] is None


def test_the_list_row_says_stage_cause_and_question() -> None:
    overview = folded(*until_asked()).overview
    assert overview
    row = listed(overview)
    assert row["stage"] == Stage.AWAITING_APPROVAL
    assert row["cause"] == "Memory leak after the deploy of shop v2"
    assert row["approval_id"] == APPROVAL


def test_a_raised_severity_shows_and_a_reopened_incident_is_not_closed() -> None:
    raised = IncidentSeverityRaised(previous=Severity.SEV2, severity=Severity.SEV1)
    overview = folded(*until_asked(), raised, granted(), *executed(), IncidentReopened(reason="refire")).overview
    assert overview
    assert overview.incident.severity is Severity.SEV1
    assert overview.incident.stage is Stage.OPEN
    assert overview.incident.closed_at is None


def test_times_are_between_the_first_events_of_each_kind() -> None:
    found = times(folded(*until_asked(), granted(), *executed()))
    assert found == {"detect": None, "diagnose": 3.0, "approve": 1.0, "fix": 11.0}


def test_a_time_that_has_not_happened_is_unknown() -> None:
    assert times(folded(*until_asked())) == {"detect": None, "diagnose": 3.0, "approve": None, "fix": None}


def test_the_time_to_detect_is_between_data_times_and_unknown_when_the_alert_came_first() -> None:
    def detected(seconds: float) -> float | None:
        [first, second] = gathered().evidence
        began = opened().started_at - timedelta(seconds=seconds)
        seen = gathered().model_copy(update={"evidence": (first.model_copy(update={"start": began}), second)})
        return times(folded(opened(), seen, concluded()))["detect"]

    assert detected(90.0) == 90.0
    assert detected(-5.0) is None


@pytest.mark.parametrize(
    "story,why",
    [
        pytest.param(until_asked(), "", id="a question waits, so nobody needs to be told what stopped it"),
        pytest.param(
            [*until_asked(), ApprovalExpired(approval_id=APPROVAL)], "Approval expired; nothing ran", id="no answer"
        ),
        pytest.param(
            [
                *(*until_asked(), granted(), *executed()[:4], HandoffRequested(why="deadline")),
                IncidentNoted(actor=APPROVER, text="on it"),
            ],
            "A person must take over: deadline",
            id="what came later and stopped nothing is not the reason",
        ),
        pytest.param([*until_asked(), granted(), *executed()], "", id="what is over needs nobody"),
    ],
)
def test_an_incident_that_waits_for_a_person_says_what_stopped_it(story: list[Payload], why: str) -> None:
    assert shown(folded(*story))["halted"] == why


def test_votes_are_counted_once_a_person() -> None:
    vote = ApprovalVoteRecorded(
        approval_id=APPROVAL, actor=APPROVER, via="page:local", decision_id="d", have=1, needed=2
    )
    approval = folded(*until_asked(), vote, vote, granted()).approvals[APPROVAL]
    assert [one["actor"]["id"] for one in approval["votes"]] == ["sample-approver"]
    assert approval["state"] == "granted"


@pytest.mark.parametrize(
    "ending,state",
    [
        (
            ApprovalRejected(approval_id=APPROVAL, actor=APPROVER, via="v", decision_id="d", reason="not now"),
            "rejected",
        ),
        (ApprovalSuperseded(approval_id=APPROVAL, reason="changed"), "superseded"),
    ],
)
def test_a_question_keeps_how_it_ended(ending: Payload, state: str) -> None:
    detail = folded(*until_asked(), ending)
    assert detail.approvals[APPROVAL]["state"] == state
    assert detail.approvals[APPROVAL]["reason"]
    assert detail.overview
    assert detail.overview.approval is None


def test_a_step_in_doubt_is_shown_as_unknown() -> None:
    doubt = StepUnknown(execution_id=EXECUTION, step_id="restart", why="timeout", detail="no answer in 60 s")
    (step,) = folded(*until_asked(), granted(), *executed()[:2], doubt).executions[EXECUTION]["steps"]
    assert step["status"] == "unknown"
    assert step["detail"] == "no answer in 60 s"
    assert step["token"] == "tok"


def test_a_superseded_recommendation_is_no_longer_proposed() -> None:
    detail = folded(*until_asked()[:-1], RecommendationSuperseded(recommendation_id="rec-1", reason="new evidence"))
    assert detail.recommendations == []


def test_the_question_shows_the_series_that_the_diagnosis_cites() -> None:
    asked = question(folded(*until_asked()), APPROVAL)
    assert asked
    assert asked.problem == ""
    assert [chart.title for chart in asked.charts] == ["memory.used of web-3"]
    assert question(folded(*until_asked()), "apr-other") is None


def test_a_question_is_named_by_the_only_step_of_its_plan_which_names_the_target() -> None:
    detail = folded(*until_asked()[:-1], asked(title="Restart the leaking process"))
    shown_question = question(detail, APPROVAL)
    assert shown_question
    assert shown_question.headline == "Restart shop on web-3"
    assert detail.overview
    assert detail.overview.approval
    assert detail.overview.approval.title == "Restart shop on web-3"


def test_a_question_whose_bytes_are_not_its_digests_is_named_by_its_title() -> None:
    assert headline({"plan": "{}", "plan_sha256": "0" * 64, "title": "Restart it"}) == "Restart it"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(plan(incident="INC-22222222AB"), id="another incident"),
        pytest.param(plan(environment="live"), id="another environment"),
    ],
)
def test_nobody_is_asked_to_approve_a_plan_of_something_else(other: Plan) -> None:
    request = asked().model_copy(update={"plan": other.text(), "plan_sha256": digest(other.text())})
    shown_question = question(folded(*until_asked()[:-1], request), APPROVAL)
    assert shown_question
    assert shown_question.problem == "the plan is of another incident"


def test_an_event_that_comes_twice_is_one_line_of_the_timeline() -> None:
    event = told(opened(), 0)
    detail = fold([event, event], incident_id=INCIDENT, environment=RUN)
    assert list(detail.timeline) == ["t0"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["result", "approval_id", "actor", "actors", "recommendations", "title", "total", "services"])


@given(st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.dictionaries(NAMES, JSON, max_size=4)), max_size=6))
def test_no_body_however_odd_breaks_the_page_of_an_incident(events: list[tuple[str, dict[str, Any]]]) -> None:
    story = [told(payload, number) for number, payload in enumerate(until_asked())]
    odd = [
        Told(f"o{number}", name, "2026-11-03T04:00:00.000000Z", "signoff/x", body)
        for number, (name, body) in enumerate(events)
    ]
    detail = fold([*story, *odd], incident_id=INCIDENT, environment=RUN)
    assert shown(detail)["incident"]["id"] == INCIDENT


def test_an_approved_plan_that_is_held_back_or_stopped_before_its_beginning_is_shown_so() -> None:
    about = {"execution_id": EXECUTION, "approval_id": APPROVAL}
    paused = ExecutionPaused.model_validate({**about, "reason": "frozen"})
    held = folded(*until_asked(), granted(), paused)
    assert held.overview is not None
    assert wording.stage(held.overview) == "◐ approved, not begun"
    assert running(held) == held.executions[EXECUTION]
    assert (held.executions[EXECUTION]["state"], held.executions[EXECUTION]["started_at"]) == ("paused", None)

    cancelled = ExecutionCancelled.model_validate({**about, "reason": "target_drift"})
    stopped = folded(*until_asked(), granted(), paused, cancelled).executions[EXECUTION]
    assert (stopped["state"], stopped["detail"], stopped["steps"]) == ("cancelled", "target_drift", [])

    expired = folded(*until_asked(), granted(), paused, ApprovalExpired(approval_id=APPROVAL)).executions[EXECUTION]
    assert expired["state"] == "cancelled"

    begun = folded(*until_asked(), granted(), paused, *executed()[:1]).executions[EXECUTION]
    assert (begun["state"], len(begun["steps"])) == ("running", 1)


def test_an_undo_can_be_decided_about_until_it_ends() -> None:
    begun = (*until_asked(), granted(), *executed()[:3], RollbackStarted(execution_id=EXECUTION, reason="no better"))
    undoing = folded(*begun)
    assert running(undoing) == undoing.executions[EXECUTION]
    assert running(folded(*begun, RollbackFinished(execution_id=EXECUTION, outcome="succeeded"))) is None


def test_the_step_that_a_person_settles_is_the_one_that_has_not_ended() -> None:
    step = {"execution_id": EXECUTION, "step_id": "restart", "why": "lost"}
    begun = (*until_asked(), granted(), *executed()[:2])
    failed = (*begun, StepFailed.model_validate(step), RollbackStarted(execution_id=EXECUTION, reason="refused"))
    undoing = (*failed, StepUnknown.model_validate({**step, "step_id": "before", "rollback": True}))
    found = [current_step(folded(*story).executions[EXECUTION]) for story in (begun, failed, undoing)]
    assert found == ["restart", "", "before"]


DOUBT = StepUnknown(execution_id=EXECUTION, step_id="restart", why="lost")
PAUSED = ExecutionPaused(execution_id=EXECUTION, reason="hands off")


@pytest.mark.parametrize(
    "story, verbs",
    [
        pytest.param((), ("pause", "cancel"), id="what runs can be held or stopped"),
        pytest.param(
            (PAUSED,), ("resume", "skip", "cancel"), id="what is held can go on, with or without its next step"
        ),
        pytest.param(
            (DOUBT,), ("confirm", "retry", "skip", "cancel"), id="of what is in doubt somebody says what it did"
        ),
        pytest.param((PAUSED, DOUBT), ("confirm", "retry", "skip", "cancel"), id="a doubt comes before a hold"),
    ],
)
def test_what_a_person_is_offered(story: tuple[Payload, ...], verbs: tuple[str, ...]) -> None:
    detail = folded(*until_asked(), granted(), *executed()[:2], *story)
    assert offers(detail.executions[EXECUTION]) == verbs


def test_an_approval_that_counts_no_more_is_taken_off_the_page_and_one_that_nobody_signed_takes_none() -> None:
    vote = ApprovalVoteRecorded(
        approval_id=APPROVAL, actor=APPROVER, via="page:local", decision_id="d", have=1, needed=2
    )
    about = {"subject": APPROVAL, "decision_id": "d", "verb": "approve"}
    lapsed = ApprovalDecisionRefused.model_validate({**about, "why": "role", "actor": APPROVER})
    forged = ApprovalDecisionRefused.model_validate({**about, "why": "signature"})
    assert folded(*until_asked(), vote, lapsed).approvals[APPROVAL]["votes"] == []
    assert len(folded(*until_asked(), vote, forged).approvals[APPROVAL]["votes"]) == 1
