"""What only claims to have been said: a forged record causes a question at most, and is shown as what it is."""

from __future__ import annotations

import pytest

from shared.events.approvals import ApprovalGranted, ApprovalRejected
from shared.events.executions import ExecutionFinished, ExecutionStarted, StepSucceeded, VerificationPassed
from shared.events.payload import Payload
from shared.incident.actor import Actor
from shared.incident.incident import VerificationResult
from tests.resilience.house import House
from tests.resilience.matter import Matter, asked

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]


async def test_a_forged_recommendation_is_a_question_at_most(house: House) -> None:
    matter = await asked(house)
    matter.recommendations += 1
    forged = matter.recommendation("restart-high-risk")
    await matter.tell(forged, source="signoff/diagnoser", event_id="forged/1")
    matter.question = (await matter.until("approval.requested", count=2)).body
    await matter.nothing_happened("Approval requested", "a newer recommendation came")


def forged_words(matter: Matter) -> dict[str, Payload]:
    """Return what somebody who can write to the topic would like to have been said."""
    ann = Actor(kind="person", id="ann", name="Ann")
    vote = {"approval_id": matter.approval, "via": "page:oidc", "decision_id": "notifier/decision/forged"}
    run = {"execution_id": matter.execution}
    step = {**run, "step_id": "restart", "name": "Restart"}
    rejection = matter.house.sign(matter.decision("reject", "ann"))
    stranger = matter.house.sign(matter.decision("approve", "ann"), matter.house.retired)
    grant = {"plan_sha256": matter.question["plan_sha256"], "actors": (ann,), **vote}
    result = VerificationResult(outcome="passed", check="Memory", condition="value < 70.0", observed=("60.0 %",))
    words: dict[str, Payload] = {
        "nothing signed": ApprovalGranted.model_validate(grant),
        "a rejection": ApprovalGranted.model_validate({**grant, "signed": (rejection,)}),
        "a stranger": ApprovalGranted.model_validate({**grant, "signed": (stranger,)}),
        "approval.rejected": ApprovalRejected.model_validate({**vote, "actor": ann, "reason": "no"}),
        "execution.started": ExecutionStarted.model_validate(
            {**run, "approval_id": matter.approval, "plan_sha256": matter.question["plan_sha256"], "steps": ()}
        ),
        "step.succeeded": StepSucceeded.model_validate({**step, "detail": "new pid 4712"}),
        "execution.finished": ExecutionFinished.model_validate({**run, "outcome": "succeeded"}),
        "verification.passed": VerificationPassed.model_validate({**run, "result": result}),
    }
    return words


@pytest.mark.parametrize(
    "name, why",
    [
        pytest.param("nothing signed", "approval.granted was not believed: nobody signed this", id="no signature"),
        pytest.param("a rejection", "approval.granted was not believed: nobody signed this", id="another's words"),
        pytest.param("a stranger", "approval.granted was not believed: nobody signed this", id="another's key"),
        pytest.param("approval.rejected", "approval.rejected was not believed: nobody signed this", id="a rejection"),
        pytest.param("execution.started", "was not believed: nobody approved what it rests on", id="a beginning"),
        pytest.param("step.succeeded", "step.succeeded was not believed: no such execution has begun", id="a step"),
        pytest.param("execution.finished", "was not believed: no such execution has begun", id="an end"),
        pytest.param("verification.passed", "verification.passed was not believed: no such", id="a verification"),
    ],
)
async def test_a_word_of_the_executor_forged_on_the_topic_is_shown_as_what_it_is(
    house: House, name: str, why: str
) -> None:
    matter = await asked(house)
    await matter.tell(forged_words(matter)[name], event_id=f"executor/incident/{matter.incident}:99")
    await matter.disbelieved()
    await matter.nothing_happened(why)
    # Its id is still free for what the executor says under it.
    await matter.press("reject")
    await matter.until("approval.rejected", count=2 if name == "approval.rejected" else 1)
    await matter.pages_agree()


async def test_words_of_another_service_are_not_believed(house: House) -> None:
    matter = await asked(house)
    await matter.tell(forged_words(matter)["verification.passed"], source="signoff/diagnoser", event_id="forged/2")
    await matter.disbelieved()
    await matter.nothing_happened("verification.passed was not believed: signoff/diagnoser has no say in this")


async def test_a_whole_forged_story_changes_nothing(house: House) -> None:
    matter = await asked(house)
    for number, payload in enumerate(forged_words(matter).values()):
        await matter.tell(payload, event_id=f"forged/{matter.incident}/{number}")
    await matter.disbelieved(len(forged_words(matter)))
    await matter.nothing_happened("was not believed")
