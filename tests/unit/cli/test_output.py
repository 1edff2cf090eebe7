from __future__ import annotations

from typing import Any

import pytest

from cli.output import counted, show
from shared.incident.numbers import percent


@pytest.mark.parametrize(
    "value, cell",
    [
        pytest.param("2026-11-25T20:09:35.029052Z", "2026-11-25 20:09:35 UTC", id="an instant to the second"),
        pytest.param("2026-11-25T20:09:35Z", "2026-11-25 20:09:35 UTC", id="an instant without a fraction"),
        pytest.param("at 2026-11-25T20:09:35Z", "at 2026-11-25T20:09:35Z", id="text with an instant in it as it is"),
        pytest.param({"service": "web", "host": "web-3"}, "service=web, host=web-3", id="a mapping by its pairs"),
        pytest.param(["a", "b"], "a, b", id="a list by its items"),
        pytest.param(None, "", id="nothing"),
    ],
)
def test_a_cell_of_a_table(value: Any, cell: str, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401 -- whatever JSON holds
    show([{"x": value, "y": "|"}], ("x", "y"), "table")

    assert capsys.readouterr().out.splitlines()[1].split("|")[0].strip() == cell


def test_json_has_values_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"at": "2026-11-25T20:09:35.029052Z"}], ("at",), "jsonl")

    assert capsys.readouterr().out == '{"at":"2026-11-25T20:09:35.029052Z"}\n'


def test_numbers_and_their_nouns() -> None:
    assert [counted(number, "case") for number in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"]
    assert percent(0.896) == "90 %"
