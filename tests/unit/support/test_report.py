from __future__ import annotations

from pathlib import Path

import pytest

from tests.resilience.elsewhere import ELSEWHERE
from tests.resilience.report import Line, of_echo, page

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "fault, matrix, kills, seed",
    [
        pytest.param("relay.after_send", "F2", "1", "fixed", id="a failpoint is one kill"),
        pytest.param("killed 6 times, seed 77", "F4", "6", "drawn", id="random kills name how many"),
        pytest.param("killed, broker frozen", "F4", "1", "drawn", id="a kill beside another fault"),
        pytest.param("broker stopped 2 s", "F7, F8", "0", "fixed", id="a broker that goes away"),
        pytest.param("database line: resets", "F13, F14, F20", "0", "fixed", id="a line to a database"),
        pytest.param("database: locked", "F15", "0", "fixed", id="a database that does harm"),
        pytest.param("broker line: down", "F11", "0", "fixed", id="a line to a broker"),
    ],
)
def test_a_fault_of_the_echo_service_has_its_line(fault: str, matrix: str, kills: str, seed: str) -> None:
    line = of_echo("sqlite", "kafka", fault, 0, 0)
    assert (line.matrix, line.kills, line.seed) == (matrix, kills, seed)
    assert "77" not in line.fault


def test_the_page_is_the_same_whatever_the_order_of_the_tests() -> None:
    lines = [Line("F2", "b", "x", "1", 0, 0), Line("F1", "a", "x", "1", 0, 0), Line("F1", "a", "x", "1", 0, 0)]
    assert page(lines) == page(reversed(lines))
    assert page(lines).count("| F1 | a |") == 1


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_test_elsewhere_that_the_page_names_is_there(name: str) -> None:
    file, _, function = name.partition("::")
    assert f"def {function}(" in (ROOT / file).read_text("utf-8")
