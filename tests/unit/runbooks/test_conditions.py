from __future__ import annotations

from typing import Any

import pytest

from shared.errors import AuthoredError
from shared.runbooks.conditions import holds, seen, shown

GATHERED = {"inputs": {"host": "web-1"}, "gather": {"memory": {"value": 93.14159}, "process": {"pid": 42}}}


@pytest.mark.parametrize(
    "condition, context, verdict",
    [
        pytest.param("value < 70.0", {"value": 69.9}, True, id="below"),
        pytest.param("value < 70.0", {"value": 70.0}, False, id="not below"),
        pytest.param("value < 70.0", {"value": float("nan")}, False, id="no number holds nothing"),
        pytest.param("gather.memory.value > 75.0", GATHERED, True, id="a gathered field"),
        pytest.param("gather.memory.value > 75.0 && gather.process.pid == 1", GATHERED, False, id="both of two"),
        pytest.param("inputs.host.startsWith('web-')", GATHERED, True, id="text"),
    ],
)
def test_a_condition_is_judged_by_the_values(condition: str, context: dict[str, Any], verdict: bool) -> None:  # noqa: FBT001 -- a column of the table
    assert holds(condition, context) is verdict


@pytest.mark.parametrize(
    "condition, told",
    [
        pytest.param("gather.memory.value >", "is not CEL", id="half a condition"),
        pytest.param("gather.memory.other > 1.0", "no such member in mapping: 'other'", id="a field that is not there"),
        pytest.param("memory > 1.0", "undeclared reference to 'memory'", id="a name that is not there"),
        pytest.param("gather.process.pid", "is not a yes or no", id="a number, though it is not zero"),
        pytest.param("'yes'", "is not a yes or no", id="a text"),
        pytest.param("gather.process.pid < 70.0", "no matching overload", id="a whole number against a fraction"),
    ],
)
def test_a_condition_that_has_no_answer_is_an_error_in_one_readable_line(condition: str, told: str) -> None:
    with pytest.raises(AuthoredError) as error:
        holds(condition, GATHERED)
    assert told in str(error.value)
    assert len(str(error.value)) < 200


def test_what_a_condition_looked_at_is_shown_once_each() -> None:
    condition = "gather.memory.value > 75.0 && gather.memory.value < 99.0 && gather.process.pid > 1"
    assert seen(condition, GATHERED) == "gather.memory.value = 93.1, gather.process.pid = 42"
    assert seen("value < 70.0", {"value": 71.25}) == "value = 71.2"


@pytest.mark.parametrize(
    "value, text",
    [
        pytest.param(93.14159, "93.1", id="a percentage"),
        pytest.param(0.04321, "0.0432", id="a small ratio is not rounded away"),
        pytest.param(1234567.0, "1234567.0", id="a large number keeps its digits"),
        pytest.param(42, "42", id="a whole number"),
        pytest.param("web-1", "web-1", id="a text"),
    ],
)
def test_values_are_shown_as_people_read_them(value: object, text: str) -> None:
    assert shown(value) == text
