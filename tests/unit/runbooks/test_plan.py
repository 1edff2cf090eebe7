"""The bytes people approve."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shared.errors import AuthoredError, RefusedError
from shared.incident.enums import RiskLevel
from shared.runbooks.load import load_runbook
from shared.runbooks.model import Runbook
from shared.runbooks.plan import Plan, digest, make_plan, read_plan

SHIPPED = Path(__file__).parents[3] / "runbooks/restart-leaking-service/runbook.yaml"
INPUTS = {"host": "web-1"}
GATHERED = {"process": {"name": "shop", "pid": 42, "service": "shop"}, "memory": {"value": 93.1}}


def plan_of(runbook: Runbook | None = None, **gathered: Any) -> Plan:  # noqa: ANN401 -- fields that were read
    return make_plan(
        runbook or load_runbook(SHIPPED),
        environment="sim:r1",
        incident_id="INC-AAAAAAAAAA",
        inputs=INPUTS,
        gather={**GATHERED, **gathered},
    )


def changed(**fields: Any) -> Runbook:  # noqa: ANN401 -- fields of a runbook
    return Runbook.model_validate(load_runbook(SHIPPED).model_dump(by_alias=True) | fields)


def test_a_plan_resolves_everything() -> None:
    plan = plan_of()
    (step,) = plan.steps
    assert "${{" not in plan.text()
    assert (step.target, step.arguments) == ("web-1", {"process": "shop", "pid": 42, "service": "shop"})
    assert (plan.verify.name, plan.verify.entity) == ("Memory of web-1 stays below 70 %", "web-1")
    assert plan.gather[0].arguments == {"host": "web-1"}
    assert (plan.targets, plan.risk) == (("web-1",), RiskLevel.MEDIUM)
    assert plan.runbook_sha256 == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()


def test_the_bytes_are_canonical_ascii_and_without_fractions() -> None:
    text = plan_of().text()
    value = json.loads(text, parse_float=pytest.fail)
    assert text.isascii()
    assert text == json.dumps(value, sort_keys=True, separators=(",", ":"))


def test_the_same_content_gives_the_same_bytes_and_any_change_others() -> None:
    assert digest(plan_of().text()) == digest(plan_of().text())
    assert digest(plan_of().text()) == hashlib.sha256(plan_of().text().encode()).hexdigest()
    other = plan_of(process={"name": "shop", "pid": 43, "service": "shop"})
    assert digest(other.text()) != digest(plan_of().text())


def test_a_plan_is_read_back_from_its_approved_bytes_only() -> None:
    plan = plan_of()
    text = plan.text()
    assert read_plan(text, digest(text)) == plan
    with pytest.raises(RefusedError, match="not the one that was approved"):
        read_plan(text.replace('"pid":42', '"pid":43'), digest(text))


@pytest.mark.parametrize(
    "old, new, told",
    [
        pytest.param(",", ", ", "not in its canonical form", id="a blank more"),
        pytest.param('"pid":42', '"pid":42.0', "not readable", id="a fraction for a whole number"),
        pytest.param('"pid":42', '"pid":42,"shell":["rm"]', "not readable", id="an argument that is a list"),
        pytest.param('"format"', '"extra":1,"format"', "not readable", id="a field that plans do not have"),
        pytest.param("signoff-plan/1", "signoff-plan/2", "not readable", id="another format"),
        pytest.param('"environment":"sim:r1"', '"environment":"prod"', "not readable", id="no environment"),
    ],
)
def test_bytes_that_only_look_like_a_plan_are_refused_whatever_their_digest(old: str, new: str, told: str) -> None:
    text = plan_of().text()
    assert old in text
    broken = text.replace(old, new, 1)
    with pytest.raises(RefusedError, match=told):
        read_plan(broken, digest(broken))


@pytest.mark.parametrize(
    "gathered, told",
    [
        pytest.param(
            {"name": "sh\u043ep", "pid": 1, "service": "s"},
            "letters outside ASCII",
            id="a letter that looks like another",
        ),
        pytest.param({"name": "shop", "pid": 1.5, "service": "s"}, "'pid' is a float", id="a fraction"),
        pytest.param({"name": "shop", "pid": None, "service": "s"}, "'pid' is a NoneType", id="nothing"),
        pytest.param({"name": "shop", "pid": [1], "service": "s"}, "'pid' is a list", id="a list"),
        pytest.param({"name": "shop", "pid": 1}, "there is no field 'gather.process.service'", id="a missing field"),
    ],
)
def test_what_a_plan_cannot_hold_is_an_error_that_names_it(gathered: dict[str, Any], told: str) -> None:
    with pytest.raises(AuthoredError) as error:
        plan_of(process=gathered)
    assert told in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"preconditions": [{"when": "true", "text": "caf\u00e9"}]}, id="in the text of a precondition"),
        pytest.param({"preconditions": [{"when": "inputs.host == 'caf\u00e9'", "text": "t"}]}, id="in a precondition"),
    ],
)
def test_letters_outside_ascii_are_refused_wherever_an_author_put_them(fields: dict[str, Any]) -> None:
    with pytest.raises(AuthoredError, match="outside ASCII"):
        plan_of(changed(**fields))


def test_a_whole_number_that_was_measured_is_held_as_one() -> None:
    (step,) = plan_of(process={"name": "shop", "pid": 42.0, "service": "shop"}).steps
    assert step.arguments["pid"] == 42
    assert plan_of(process={"name": "shop", "pid": 42.0, "service": "shop"}).text() == plan_of().text()


def test_the_declared_undo_is_part_of_what_is_approved() -> None:
    step = load_runbook(SHIPPED).actions[0].model_dump(by_alias=True)
    undo = {"name": "Undo on ${{ inputs.host }}", "uses": "host/undo@v1", "target": "web-2", "with": {"n": 1}}
    plan = plan_of(changed(actions=[step | {"rollback": undo}]))
    assert plan.steps[0].rollback is not None
    assert plan.steps[0].rollback.name == "Undo on web-1"
    assert plan.targets == ("web-1", "web-2")


def test_people_see_the_steps_that_will_run() -> None:
    (action,) = plan_of().actions()
    assert (action.name, action.uses, action.target) == ("Restart shop on web-1", "host/restart-process@v1", "web-1")
    assert action.arguments == {"process": "shop", "pid": 42, "service": "shop"}
