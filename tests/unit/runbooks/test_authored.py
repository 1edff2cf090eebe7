"""Files that people author, and what they are told when one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import AuthoredError
from shared.runbooks.authored import check, parse, read
from shared.runbooks.load import answering, load_runbook, load_runbooks
from shared.runbooks.model import Clause, Runbook
from tests.support.golden import RUNBOOK, runbook

PROJECT = Path(__file__).parents[3]
SHIPPED = PROJECT / "runbooks/restart-leaking-service/runbook.yaml"


@pytest.mark.parametrize(
    "text, told",
    [
        pytest.param("a: &x 1\nb: *x\n", "f.yaml:2:4: aliases are not allowed", id="an alias"),
        pytest.param("a: 1\nb:\n  c: 1\n  c: 2\n", "f.yaml:4:3: duplicate key 'c'", id="a key twice"),
        pytest.param("? [a]\n: 1\n", "f.yaml:1:3: a key must be a plain word", id="a list for a key"),
        pytest.param("a: 1\n---\nb: 2\n", "f.yaml:2:1: but found another document", id="a second document"),
        pytest.param("a: [1\n", "f.yaml:2:1: expected ',' or ']', but got '<stream end>'", id="an open list"),
        pytest.param("a: !!python/object:os.system x", "f.yaml:1:4: could not determine a constructor", id="a tag"),
        pytest.param("a:\n\t- b", "f.yaml:2:1: found character", id="a tab"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(AuthoredError) as error:
        parse(text, "f.yaml")
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    "text, told",
    [
        pytest.param("when: a\ntext: b\ntxt: c\n", "f.yaml:3:1: txt: unknown key; did you mean 'text'?", id="a slip"),
        pytest.param("when: a\ntext: b\ncolour: c\n", "f.yaml:3:1: colour: unknown key", id="a stray key"),
        pytest.param("when: a\n", "f.yaml:1:1: text: Field required", id="a missing key"),
        pytest.param("when: a\ntext: [b]\n", "f.yaml:2:1: text: Input should be a valid string", id="a wrong type"),
        pytest.param("", "f.yaml:1:1: file: Input should be a valid dictionary", id="an empty file"),
        pytest.param("- a\n", "f.yaml:1:1: file: Input should be a valid dictionary", id="a list"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(AuthoredError) as error:
        check(text, Clause, "f.yaml")
    assert str(error.value).startswith(told)


def test_every_problem_of_a_file_is_told_at_once_and_deep_ones_where_they_are() -> None:
    text = SHIPPED.read_text().replace("min_confidence: 0.5", "min_confidence: 5").replace("owner:", "ownr:")
    with pytest.raises(AuthoredError) as error:
        check(text, Runbook, "f.yaml")
    lines = str(error.value).splitlines()
    row = 1 + text.splitlines().index("  min_confidence: 5")
    assert f"f.yaml:{row}:3: match.min_confidence: Input should be less than or equal to 1" in lines
    assert any(line.endswith("ownr: unknown key; did you mean 'owner'?") for line in lines)
    assert "f.yaml:3:1: owner: Field required" in lines


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuthoredError, match=r"none\.yaml: cannot be read: No such file"):
        read(tmp_path / "none.yaml", Clause)
    (tmp_path / "latin.yaml").write_bytes(b"text: caf\xe9\n")
    with pytest.raises(AuthoredError, match=r"latin\.yaml: not UTF-8 text \(byte 9\)"):
        read(tmp_path / "latin.yaml", Clause)


def place(folder: Path, name: str, text: str) -> Path:
    path = folder / name / "runbook.yaml"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_the_digest_of_a_runbook_is_of_its_bytes(tmp_path: Path) -> None:
    text = SHIPPED.read_text()
    path = place(tmp_path, "restart-leaking-service", text)
    before = load_runbook(path)
    path.write_text(text + "# reviewed again\n")
    after = load_runbook(path)
    assert before.sha256 == load_runbook(SHIPPED).sha256
    assert before.sha256 != after.sha256
    assert before == after.model_copy(update={"sha256": before.sha256})


def test_a_digest_that_an_author_wrote_counts_for_nothing(tmp_path: Path) -> None:
    path = place(tmp_path, "restart-leaking-service", SHIPPED.read_text() + f"sha256: {'a' * 64}\n")
    assert load_runbook(path).sha256 != "a" * 64


def test_a_runbook_has_the_name_of_its_folder(tmp_path: Path) -> None:
    place(tmp_path, "another", SHIPPED.read_text())
    with pytest.raises(AuthoredError, match="id 'restart-leaking-service' must be the folder's name 'another'"):
        load_runbooks(tmp_path)


def test_one_wrong_runbook_stops_all_of_them(tmp_path: Path) -> None:
    place(tmp_path, "restart-leaking-service", SHIPPED.read_text())
    place(tmp_path, "z-broken", "id: [")
    with pytest.raises(AuthoredError, match=r"z-broken/runbook\.yaml:1:6"):
        load_runbooks(tmp_path)


def test_runbooks_answer_causes_they_name_when_the_diagnosis_is_sure_enough() -> None:
    runbooks = load_runbooks(PROJECT / "runbooks")
    cause = "resource_leak.memory_after_deploy"
    assert [found.id for found in answering(runbooks, cause, 0.5)] == ["restart-leaking-service"]
    assert answering(runbooks, cause, 0.49) == []
    assert answering(runbooks, "resource_leak.nothing_like_it", 1.0) == []


def test_the_schema_for_editors_is_current() -> None:
    assert RUNBOOK.read_text() == runbook(), "changed on purpose? `python -m tests.support.golden`"
