"""What is read before, while and after something is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from services.executor.domain.work import PreparedPlan, Recheck, Reconcile, VerifyRead
from services.executor.handlers.patience import GivenUpError, patient
from services.executor.handlers.preparing import Preparing
from services.executor.handlers.reading import Reading
from services.executor.handlers.rechecking import Rechecking
from services.executor.handlers.reconciling import Reconciling
from shared.errors import UnavailableError
from shared.runbooks.plan import digest, read_plan
from shared.store.model import JSON
from shared.store.port import Claimed
from tests.contract.executor.conftest import HOST, PID, RUNBOOK, Place

INCIDENT = "INC-AAAAAAAAAA"
EXECUTION = "exe-1"


async def prepared(place: Place, environment: str = "", **changes: Any) -> PreparedPlan:  # noqa: ANN401 -- fields of a recommendation
    return await Preparing(place.outside, place.runbooks).prepare(
        {
            "environment": environment or place.environment,
            "incident_id": INCIDENT,
            "recommendation_id": "rec-1",
            "index": 0,
            "item": place.item(**changes),
        }
    )


def recheck_of(place: Place, plan: str, *, rollback: bool = False, claimed: bool = False) -> Recheck:
    return {
        "environment": place.environment,
        "incident_id": INCIDENT,
        "execution_id": EXECUTION,
        "step_id": "restart",
        "rollback": rollback,
        "claimed": claimed,
        "plan": plan,
        "plan_sha256": digest(plan),
    }


def reading_of(place: Place, since: datetime | None) -> VerifyRead:
    return {
        "environment": place.environment,
        "incident_id": INCIDENT,
        "execution_id": EXECUTION,
        "attempt": 1,
        "metric": "memory.used_percent",
        "entity": HOST,
        "condition": "value < 70.0",
        "since": since.isoformat() if since else None,
    }


def number_of(text: str, start: str) -> float:
    """Return the number behind the start of a text. The world moves on, so tests know it only roughly."""
    assert text.startswith(start)
    return float(text.removeprefix(start))


class TestPreparing:
    async def test_a_plan_names_the_process_that_really_leaks(self, place: Place) -> None:
        found = await prepared(place)
        plan = read_plan(found["plan"], digest(found["plan"]))
        (step,) = plan.steps
        assert (plan.environment, plan.incident_id) == (place.environment, INCIDENT)
        assert (step.uses, step.target) == ("host/restart-process@v1", HOST)
        assert step.arguments == {"process": "storefront", "pid": PID, "service": "storefront"}
        assert step.name == f"Restart storefront on {HOST}"
        assert plan.verify.entity == HOST
        assert found["approval"] == {"count": 1, "expires_seconds": 1800, "on_expire": "expire"}

    async def test_each_precondition_is_shown_with_the_value_it_looked_at(self, place: Place) -> None:
        memory, process = (await prepared(place))["clauses"]
        assert memory["holds"]
        assert number_of(memory["value"], "gather.memory.value = ") > 85
        assert process["holds"]
        assert number_of(process["value"], "gather.process.memory_percent = ") > 60

    async def test_a_host_that_is_well_fails_the_precondition_and_is_still_told(self, place: Place) -> None:
        found = await prepared(place, parameters={"host": "prod-web-01"})
        assert [clause["holds"] for clause in found["clauses"]] == [False, True]

    async def test_the_result_is_json(self, place: Place) -> None:
        orjson.dumps(await prepared(place))

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"runbook_sha256": "0" * 64}, id="of another digest"),
            pytest.param({"runbook_id": "restart-everything"}, id="of an unknown id"),
        ],
    )
    async def test_a_runbook_is_missing_when_it_is(self, place: Place, changes: dict[str, str]) -> None:
        assert await prepared(place, **changes) == {"recommendation_id": "rec-1", "index": 0, "missing": True}

    async def test_in_production_nothing_is_connected_that_could_act(self, place: Place) -> None:
        found = await prepared(place, "live")
        assert found["refused"] == "no_actuator"
        assert "'live'" in found["detail"]

    async def test_a_verb_that_no_actuator_has_is_no_actuator(self, place: Place) -> None:
        runbook = place.runbooks["restart-leaking-service"]
        (step,) = runbook.actions
        unknown = step.model_copy(update={"uses": "host/paint@v1"})
        place.runbooks[runbook.id] = runbook.model_copy(update={"actions": (unknown,)})
        found = await prepared(place)
        assert (found["refused"], found["detail"]) == ("no_actuator", "nothing connected can do host/paint@v1")

    @pytest.mark.parametrize(
        "parameters, detail",
        [
            pytest.param({"host": "prod-web-99"}, "there is no host 'prod-web-99'", id="a host that is not there"),
            pytest.param({"host": "storefront"}, "there is no host 'storefront'", id="a service where a host belongs"),
            pytest.param({}, "the input 'host' has no value", id="an input without a value"),
            pytest.param({"host": 3}, "the input 'host' is no host: 3", id="a number for a name"),
            pytest.param({"host": HOST, "x": 1}, "the runbook has no input 'x'", id="an input the runbook lacks"),
        ],
    )
    async def test_what_cannot_be_resolved_is_refused_by_name(
        self, place: Place, parameters: dict[str, Any], detail: str
    ) -> None:
        found = await prepared(place, parameters=parameters)
        assert (found["refused"], found["detail"]) == ("unresolvable", detail)


class TestRechecking:
    async def test_what_is_as_it_was_approved_may_go_on(self, place: Place) -> None:
        plan = (await prepared(place))["plan"]
        found = await Rechecking(place.outside, place.runbooks, place.now).recheck(recheck_of(place, plan))
        assert (found["ok"], found["why"], found["detail"]) == (True, "", "")
        assert found["before"]["process.pid"] == str(PID)
        assert float(found["before"]["memory.value"]) > 85

    async def test_a_process_that_was_restarted_meanwhile_is_another_one(self, place: Place) -> None:
        plan = (await prepared(place))["plan"]
        place.restart()
        found = await Rechecking(place.outside, place.runbooks, place.now).recheck(recheck_of(place, plan))
        assert (found["ok"], found["why"]) == (False, "target_drift")
        assert found["detail"] == f"storefront on {HOST} has pid {PID + 1000}, not {PID}"

    async def test_a_target_that_is_gone_is_drift(self, place: Place) -> None:
        plan = (await prepared(place))["plan"].replace(f'"target":"{HOST}"', '"target":"prod-web-99"')
        found = await Rechecking(place.outside, place.runbooks, place.now).recheck(recheck_of(place, plan))
        assert (found["ok"], found["why"]) == (False, "target_drift")

    async def test_a_precondition_that_no_longer_holds_stops_the_step(self, place: Place) -> None:
        plan = (await prepared(place, parameters={"host": "prod-web-01"}))["plan"]
        found = await Rechecking(place.outside, place.runbooks, place.now).recheck(recheck_of(place, plan))
        assert (found["ok"], found["why"]) == (False, "precondition")
        assert found["detail"].startswith("Memory of the host is above 75 % (gather.memory.value = ")

    async def test_a_plan_of_another_incident_or_in_other_bytes_is_refused(self, place: Place) -> None:
        plan = (await prepared(place))["plan"]
        for broken in (plan.replace(INCIDENT, "INC-BBBBBBBBBB"), plan.replace(",", ", ", 1), "{}"):
            found = await Rechecking(place.outside, place.runbooks, place.now).recheck(recheck_of(place, broken))
            assert (found["ok"], found["why"]) == (False, "plan")

    async def test_a_plan_whose_kept_bytes_are_not_those_of_its_digest_is_refused(self, place: Place) -> None:
        asked = recheck_of(place, (await prepared(place))["plan"])
        asked["plan"] = asked["plan"].replace(f'"target":"{HOST}"', '"target":"prod-web-01"')
        found = await Rechecking(place.outside, place.runbooks, place.now).recheck(asked)
        assert (found["ok"], found["why"]) == (False, "plan")

    @pytest.mark.parametrize(
        "claimed, why",
        [
            pytest.param(False, "runbook", id="what has not begun does not begin any more"),
            pytest.param(True, "", id="what has begun goes on as it was approved"),
        ],
    )
    async def test_a_runbook_that_was_edited_meanwhile(self, place: Place, *, claimed: bool, why: str) -> None:
        plan = (await prepared(place))["plan"]
        edited = {RUNBOOK: place.runbooks[RUNBOOK].model_copy(update={"sha256": "0" * 64})}
        found = await Rechecking(place.outside, edited, place.now).recheck(recheck_of(place, plan, claimed=claimed))
        assert (found["ok"], found["why"]) == (not why, why)

    async def test_a_plan_without_an_undo_has_no_undo_to_check(self, place: Place) -> None:
        plan = (await prepared(place))["plan"]
        found = await Rechecking(place.outside, place.runbooks, place.now).recheck(
            recheck_of(place, plan, rollback=True)
        )
        assert (found["ok"], found["why"]) == (False, "plan")

    async def test_an_undo_asks_only_for_its_target(self, place: Place) -> None:
        runbook = place.runbooks["restart-leaking-service"]
        (step,) = runbook.actions
        undo = {"name": "Undo", "uses": step.uses, "target": "${{ inputs.host }}"}
        changed = type(step).model_validate(step.model_dump(by_alias=True) | {"rollback": undo})
        place.runbooks[runbook.id] = runbook.model_copy(update={"actions": (changed,)})
        plan = (await prepared(place))["plan"]
        place.restart()
        found = await Rechecking(place.outside, place.runbooks, place.now).recheck(
            recheck_of(place, plan, rollback=True)
        )
        assert found["ok"]


class TestVerifyingOnce:
    async def test_the_first_read_tells_where_the_clock_of_the_data_stands(self, place: Place) -> None:
        found = await Reading(place.outside, place.now).read(reading_of(place, None))
        assert found["points"] == []
        assert found["pace"] == 120.0
        assert abs(found["data_now"] - place.world.now(place.world.life(place.run))) < 120.0 * 2

    async def test_a_read_returns_each_measurement_since_the_step_and_whether_it_is_well(self, place: Place) -> None:
        begun = datetime.fromtimestamp(
            (await Reading(place.outside, place.now).read(reading_of(place, None)))["data_now"], UTC
        )
        place.restart()
        place.wall.ahead = 5.0
        found = await Reading(place.outside, place.now).read(reading_of(place, begun))
        assert len(found["points"]) >= 15
        assert found["points"] == sorted(found["points"])
        assert all(begun.timestamp() <= at < found["data_now"] for at, _, _ in found["points"])
        assert found["points"][-1][1] < 60.0
        assert found["points"][-1][2]
        assert (found["unit"], found["step"]) == ("%", 30.0)

    async def test_a_process_that_goes_on_leaking_stays_unwell(self, place: Place) -> None:
        begun = datetime.fromtimestamp(
            (await Reading(place.outside, place.now).read(reading_of(place, None)))["data_now"], UTC
        )
        place.wall.ahead = 5.0
        found = await Reading(place.outside, place.now).read(reading_of(place, begun))
        assert {holds for _, _, holds in found["points"]} == {False}

    async def test_a_metric_that_is_not_there_has_no_points(self, place: Place) -> None:
        asked = reading_of(place, datetime.now(UTC) - timedelta(hours=1))
        found = await Reading(place.outside, place.now).read({**asked, "metric": "memory.used_perzent"})
        assert (found["points"], found["unit"]) == ([], "")


class TestReconciling:
    def asked(self, place: Place, token: str, environment: str = "") -> Reconcile:
        return {
            "environment": environment or place.environment,
            "incident_id": INCIDENT,
            "execution_id": EXECUTION,
            "step_id": "restart",
            "rollback": False,
            "verb": "host/restart-process@v1",
            "target": HOST,
            "token": token,
        }

    async def test_a_call_on_record_was_applied(self, place: Place) -> None:
        place.restart()
        found = await Reconciling(place.outside).reconcile(self.asked(place, "other"))
        assert found["outcome"] == "succeeded"

    async def test_a_call_that_is_not_on_record_was_not(self, place: Place) -> None:
        found = await Reconciling(place.outside).reconcile(self.asked(place, "tok"))
        assert found["outcome"] == "not_applied"

    async def test_a_call_that_the_vendor_refused_was_not(self, place: Place) -> None:
        place.restart(host="prod-web-99")
        found = await Reconciling(place.outside).reconcile(self.asked(place, "other"))
        assert (found["outcome"], found["detail"]) == (
            "not_applied",
            "the record says that it was not applied: unknown host 'prod-web-99'",
        )

    async def test_without_a_record_to_ask_a_person_must_look(self, place: Place) -> None:
        found = await Reconciling(place.outside).reconcile(self.asked(place, "tok", "live"))
        assert found["outcome"] == "needs_human"


class TestPatience:
    def claimed(self, place: Place, fence: int) -> Claimed:
        args = reading_of(place, None)
        return Claimed("a", f"incident/{INCIDENT}", "repeatable", "verify_read", args, fence, 90.0)

    async def renew(self) -> bool:
        return True

    async def test_what_is_away_is_tried_again_and_then_given_up(self, place: Place) -> None:
        handler = patient(Reading(place.outside, place.now).read, tries=3)
        place.line.is_down = True
        for fence in (1, 2):
            with pytest.raises(UnavailableError):
                await handler(self.claimed(place, fence), self.renew)
        with pytest.raises(GivenUpError, match="given up after 3 tries: the simulated world answered 502") as error:
            await handler(self.claimed(place, 3), self.renew)
        assert (error.value.reason, error.value.retryable) == ("unavailable", False)

    async def test_what_comes_back_is_read(self, place: Place) -> None:
        handler = patient(Reading(place.outside, place.now).read, tries=3)
        found: JSON = await handler(self.claimed(place, 2), self.renew)
        assert found["pace"] == 120.0
