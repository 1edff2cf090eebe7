from __future__ import annotations

import pytest

from shared.errors import AuthoredError
from shared.runbooks.substitute import fields_of, substitute

CONTEXT = {"inputs": {"host": "web-1", "count": 3}, "gather": {"p": {"pid": 42, "name": "${{ inputs.host }}"}}}


@pytest.mark.parametrize(
    "template, value",
    [
        pytest.param("${{ inputs.host }}", "web-1", id="a field"),
        pytest.param("${{inputs.host}}", "web-1", id="without spaces"),
        pytest.param("${{ gather.p.pid }}", 42, id="a lone field keeps its type"),
        pytest.param("pid ${{ gather.p.pid }} on ${{ inputs.host }}", "pid 42 on web-1", id="fields within text"),
        pytest.param("no field", "no field", id="plain text"),
        pytest.param(7, 7, id="a number"),
        pytest.param(True, True, id="a yes"),
        pytest.param("${{ gather.p.name }}", "${{ inputs.host }}", id="text from outside is not looked at again"),
    ],
)
def test_a_field_is_filled_in_and_nothing_else_happens(template: object, value: object) -> None:
    found = substitute(template, CONTEXT)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "template, told",
    [
        pytest.param("${{ inputs.hots }}", "there is no field 'inputs.hots' (no 'hots')", id="an unknown field"),
        pytest.param("${{ inputs.host.x }}", "there is no field 'inputs.host.x' (no 'x')", id="a field of a text"),
        pytest.param("${{ inputs.host | upper }}", "only a field", id="a filter"),
        pytest.param("${{ inputs.count + 1 }}", "only a field", id="an expression"),
        pytest.param("${{ inputs.__class__ }}", "there is no field", id="a way into the language"),
        pytest.param("${{ Inputs.host }} and ${{ inputs.host }}", "only a field", id="a capital letter"),
        pytest.param("${{ inputs.host", "only a field", id="an open field"),
    ],
)
def test_whatever_is_no_known_field_is_an_error_that_names_it(template: str, told: str) -> None:
    with pytest.raises(AuthoredError) as error:
        substitute(template, CONTEXT)
    assert told in str(error.value)


def test_the_fields_that_a_template_names_can_be_listed() -> None:
    assert fields_of("${{ inputs.host }}: ${{ gather.p.pid }}") == ["inputs.host", "gather.p.pid"]
    assert fields_of("plain") == []
