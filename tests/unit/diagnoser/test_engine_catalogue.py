from __future__ import annotations

from pathlib import Path

import pytest

from services.diagnoser.engines.offline.catalogue import CAUSES, load_catalogue, problems
from shared.errors import AuthoredError
from shared.incident.enums import IncidentCategory
from shared.runbooks.load import load_runbooks
from simulation.scenario import load_scenario, scenario_names

PROJECT = Path(__file__).parents[3]
ENGINES = PROJECT / "services" / "diagnoser" / "engines"
CATALOGUE = load_catalogue()

GOOD = """
causes:
  - id: saturation.example
    title: Example of {entity}
    category: saturation
    applies_to: [service]
    weight: -2
    required:
      - { channel: [cpu], weight: 2 }
"""


def test_every_cause_that_a_runbook_answers_is_in_the_catalogue() -> None:
    answered = {cause for runbook in load_runbooks(PROJECT / "runbooks").values() for cause in runbook.match.causes}
    assert answered <= {cause.id for cause in CATALOGUE.causes}


def test_the_shipped_catalogue_has_no_problem() -> None:
    assert problems(CATALOGUE) == []


def test_there_is_a_cause_for_every_family_but_the_unknown() -> None:
    families = {cause.category for cause in CATALOGUE.causes}
    assert families == set(IncidentCategory) - {IncidentCategory.UNKNOWN}
    assert len(CATALOGUE.causes) >= 35


@pytest.mark.parametrize(
    "old, new, problem",
    [
        pytest.param("[cpu]", "[cpuu]", "no channel 'cpuu'", id="a channel that is none"),
        pytest.param("channel: [cpu]", "fact: [cpu]", "no fact 'cpu'", id="a fact that is none"),
        pytest.param("saturation.example", "data.example", "family", id="an id of another family"),
    ],
)
def test_words_that_mean_nothing_are_found(tmp_path: Path, old: str, new: str, problem: str) -> None:
    (tmp_path / "saturation.yaml").write_text(GOOD.replace(old, new))
    assert any(problem in text for text in problems(load_catalogue(tmp_path)))


def test_the_family_of_an_id_is_its_category() -> None:
    assert [c.id for c in CATALOGUE.causes if c.id.split(".")[0] != c.category] == []


@pytest.mark.parametrize("name", scenario_names(PROJECT / "fixtures"))
def test_no_name_of_a_scenario_is_in_engine_or_catalogue(name: str) -> None:
    scenario = load_scenario(PROJECT / "fixtures", name)
    names = {name, *(h.name for h in scenario.hosts), *(s.name for s in scenario.services)}
    names |= {change.version for change in scenario.changes if change.version}
    text = "\n".join(path.read_text() for path in (*ENGINES.rglob("*.py"), *CAUSES.glob("*.yaml")))
    assert sorted(word for word in names if word in text) == []


@pytest.mark.parametrize(
    "old, new, problem",
    [
        pytest.param("weight: -2", "wieght: -2", ":7:5: causes.0.w", id="a typing mistake is found by line and column"),
        pytest.param(
            "{ channel: [cpu], weight: 2 }", "{ log: '(', weight: 2 }", "not a regular", id="a broken pattern"
        ),
        pytest.param("channel: [cpu], ", "", "either channels or a log pattern", id="a signal of nothing"),
        pytest.param("saturation.example", "example", "pattern", id="an id without a family"),
        pytest.param("    required:", "    refines: no.such\n    required:", "refines", id="a refinement of nothing"),
    ],
)
def test_a_wrong_file_is_refused_and_says_where(tmp_path: Path, old: str, new: str, problem: str) -> None:
    (tmp_path / "saturation.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(AuthoredError, match=problem):
        load_catalogue(tmp_path)


def test_a_cause_is_there_once(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(AuthoredError, match="twice"):
        load_catalogue(tmp_path)


def test_the_digest_changes_with_the_files(tmp_path: Path) -> None:
    path = tmp_path / "saturation.yaml"
    path.write_text(GOOD)
    first = load_catalogue(tmp_path).sha256
    path.write_text(GOOD.replace("-2", "-3"))
    assert load_catalogue(tmp_path).sha256 != first
