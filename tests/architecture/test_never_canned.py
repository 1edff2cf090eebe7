"""Engines, catalogue and prompts know no case: no name, text or telling number of a scenario or a made-up incident."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulation.suite.incidents import incidents
from simulation.suite.system import NAMES, NOW

PROJECT = Path(__file__).parents[2]
DIAGNOSER = PROJECT / "services/diagnoser"
JUDGING = sorted(
    path
    for folder in ("engines", "causes")
    for path in (DIAGNOSER / folder).rglob("*")
    # Evaluation holds answers against the truth; it concludes nothing.
    if path.is_file() and path.suffix in {".py", ".yaml", ".md", ".txt"} and "evaluation" not in path.parts
)
NAMING = frozenset({"name", "host", "hosts", "service", "services", "entity", "process", "scope", "author", "version"})
GENERAL = frozenset(
    {"java", "python", "node", "linux", "system", "page", "errors", "latency", "memory", "process", "quotes"}
)
"""Words of the trade that a fixture uses as well."""
TELLING = 25
"""Characters from which on a text is nobody's but the case's."""
DIGITS = 4


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 -- any YAML
    """Return each value with the key it stands under."""
    if isinstance(value, dict):
        for inner, one in value.items():
            yield from leaves(one, str(inner))
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one, key)
    else:
        yield key, value


def scenarios() -> list[Any]:
    paths = sorted((PROJECT / "fixtures").glob("*/*.yaml"))
    assert paths
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]


def is_name(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z][\w./:-]{3,}", text)) and text.lower() not in GENERAL


def fixture_names() -> set[str]:
    said = {str(value) for one in scenarios() for key, value in leaves(one) if key in NAMING}
    return {text for text in said if is_name(text) and re.search(r"[-_.\d]", text)} | {
        path.name for path in (PROJECT / "fixtures").iterdir() if (path / "scenario.yaml").is_file()
    }


def texts() -> set[str]:
    """Return what scenarios and made-up incidents say, without numbers and places that vary."""
    said = [value for one in scenarios() for _, value in leaves(one) if isinstance(value, str)]
    said += [message for one in incidents() for _, message, *_ in one.lines]
    said += [str(value) for one in incidents() for part in (one.changes, one.events) for _, value in leaves([*part])]
    parts = (piece.strip() for text in said for piece in re.split(r"\{[^}]*\}|\d+|\$", text))
    return {piece.lower() for piece in parts if len(piece) >= TELLING}


def numbers() -> set[str]:
    """Return numbers of so many digits that no bound of an engine would be just that."""
    said = [value for one in scenarios() for _, value in leaves(one) if isinstance(value, int | float)]
    said += [
        value for one in incidents() for _, value in leaves([*one.state.values()]) if isinstance(value, int | float)
    ]
    plain = {f"{abs(value):g}".replace(".", "").strip("0") for value in said if not isinstance(value, bool)}
    return {text for text in plain if len(text) >= DIGITS} | {f"{NOW:.0f}"}


def found(words: set[str]) -> list[str]:
    """Return where one of some words stands by itself."""
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(word)}(?![\w-])" for word in sorted(words)), re.IGNORECASE)
    return [f"{path.name}: {hit[0]}" for path in JUDGING for hit in pattern.finditer(path.read_text(encoding="utf-8"))]


def test_there_is_something_to_look_for_and_something_to_look_into() -> None:
    assert {path.suffix for path in JUDGING} == {".py", ".yaml", ".md", ".txt"}
    assert "high_cpu" in fixture_names()
    assert any(text.startswith("could not acquire connection") for text in texts())
    assert numbers()


def test_no_name_of_a_scenario_is_known() -> None:
    assert found(fixture_names()) == []


def test_no_name_of_a_made_up_system_or_incident_is_known() -> None:
    systems = {name for names in NAMES for name in names if is_name(name)}
    told = {one.name for one in incidents() if "-" in one.name}
    assert found(systems | told) == []


@pytest.mark.parametrize("path", JUDGING, ids=lambda path: path.name)
def test_no_text_of_a_case_is_known(path: Path) -> None:
    content = path.read_text(encoding="utf-8").lower()
    assert [text for text in texts() if text in content] == []


def test_no_telling_number_of_a_case_is_known() -> None:
    assert found(numbers()) == []
