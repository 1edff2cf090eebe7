from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import AuthoredError
from shared.runtime.people import SAMPLE, load_people

ANN = "people:\n  - {id: ann, name: Ann, email: ann@example.com, slack_id: U1, pagerduty_id: P1}\n"


@pytest.mark.parametrize(
    "other, what",
    [
        pytest.param("id: ann", "id", id="the same id"),
        pytest.param("id: ann2, email: Ann@Example.com", "email", id="the same e-mail, however it is written"),
        pytest.param("id: 'ann '", "id", id="the same id with a space at its end"),
        pytest.param("id: ann2, email: '\uff41nn@example.com'", "email", id="the same e-mail in wide letters"),
        pytest.param("id: ann2, slack_id: U1", "slack_id", id="the same account of Slack"),
        pytest.param("id: ann2, pagerduty_id: P1", "pagerduty_id", id="the same account of PagerDuty"),
    ],
)
def test_a_person_with_two_entries_is_refused(tmp_path: Path, other: str, what: str) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(f"{ANN}  - {{{other}, name: Ann Other}}\n", encoding="utf-8")
    with pytest.raises(AuthoredError, match=f"have the same {what}: a person has one entry"):
        load_people(file)


def test_people_without_an_account_are_still_different_people(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text("people:\n  - {id: ann, name: Ann}\n  - {id: ben, name: Ben}\n")
    assert [person.id for person in load_people(file).people] == ["ann", "ben"]


def test_without_a_file_there_are_the_sample_people() -> None:
    assert load_people(None) is SAMPLE
