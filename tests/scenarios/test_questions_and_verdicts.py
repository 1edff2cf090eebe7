"""Ask, judge, look again: the real commands against everything in one process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.signoff import Signoff, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def signoff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signoff]:
    """Everything in one process; it looks again as soon as it is asked to."""
    env = {"SIGNOFF_DIAGNOSER__INVESTIGATE_EVERY": "1"}
    found = Signoff(tmp_path_factory.mktemp("asking") / "data", env)
    found.up()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def closed(signoff: Signoff) -> dict[str, Any]:
    """An incident that was diagnosed, approved, fixed and closed."""
    done = signoff.run("replay", "high_cpu", "--approve", "auto", "--speed", "30", "--wait")
    assert done.returncode == 0, done.stderr
    return dict(signoff.json("incidents", "list")[0])


def cited(signoff: Signoff, incident: str, answer: dict[str, Any]) -> set[str]:
    """Return the citations of an answer that neither the timeline nor the evidence holds."""
    shown = signoff.json("incidents", "show", incident)
    known = {line["id"] for line in shown["timeline"]} | {item["id"] for item in shown["evidence"]}
    return {cite for sentence in answer["sentences"] for cite in sentence["cites"]} - known


@pytest.mark.parametrize(
    "question, word",
    [
        ("why is storefront slow?", "Memory of prod-web-03 grows"),
        ("what changed?", "storefront v2.14.0"),
        ("who approved?", "Approved by SAMPLE approver"),
        ("is it over?", "Yes: the incident is closed"),
        ("what was done?", "Verification passed"),
        ("how long did it take?", "after the first symptom"),
    ],
)
def test_a_question_is_answered_and_everything_it_cites_is_there(
    signoff: Signoff, closed: dict[str, Any], question: str, word: str
) -> None:
    answer = signoff.json("ask", question, "--incident", closed["id"])

    assert word in answer["text"]
    assert answer["sentences"]
    assert all(sentence["cites"] for sentence in answer["sentences"])
    assert cited(signoff, closed["id"], answer) == set()


def test_a_question_stands_in_the_timeline_with_its_answer(signoff: Signoff, closed: dict[str, Any]) -> None:
    asked = signoff.run("ask", "bake me a cake", "--incident", closed["id"])

    assert asked.returncode == 0
    assert "This is not a question that can be answered" in asked.stdout
    assert "You can ask: What changed?" in asked.stdout
    texts = [line["text"] for line in signoff.json("incidents", "show", closed["id"])["timeline"]]
    place = texts.index("Question: bake me a cake")
    assert texts[place + 1].startswith("Answer: This is not a question")


def test_without_an_incident_none_is_picked_and_what_can_be_done_is_offered(
    signoff: Signoff, closed: dict[str, Any]
) -> None:
    refused = signoff.run("ask", "why is it slow?")

    assert refused.returncode == 2
    assert "none is picked for you" in refused.stderr
    assert "signoff ask 'why is it slow?' --open --service NAME" in refused.stderr
    assert closed["id"] not in refused.stderr, "what is closed is not offered"


def test_an_incident_is_opened_for_a_question_when_a_person_says_so(signoff: Signoff) -> None:
    answer = signoff.json("ask", "why is the shop slow?", "--open", "--service", "shop")

    opened = signoff.json("incidents", "show", answer["incident"])
    assert opened["incident"]["title"] == "why is the shop slow?"
    assert opened["incident"]["services"] == ["shop"]
    assert answer["text"].startswith("No cause stands out")
    assert any(text.startswith("metrics") for text in answer["not_checked"])


def test_a_verdict_is_told_kept_and_shown_beside_the_cause(signoff: Signoff, closed: dict[str, Any]) -> None:
    wrong = signoff.run("incidents", "verdict", closed["id"], "wrong", "--cause", "saturation.cpu_contention")
    assert wrong.returncode == 0, wrong.stderr
    assert "it was saturation.cpu_contention" in wrong.stdout
    mistyped = signoff.run("incidents", "verdict", closed["id"], "wrong", "--cause", "saturation.cpu")
    assert mistyped.returncode == 2
    assert "did you mean 'saturation.cpu_by_traffic' or 'saturation.cpu_contention'" in mistyped.stderr
    said = signoff.json("incidents", "verdict", closed["id"], "right")
    assert said["verdict"] == "right"

    rows = signoff.json("cause", "list", "--environment", closed["environment"])

    [judged] = [row for row in rows if row["judged"]]
    assert (judged["judged"]["judged"], judged["judged"]["right"]) == (1, 1), "the newest word counts"
    assert judged["verdicts"].endswith("was right 1 of 1")
    assert not [row for row in signoff.json("cause", "list") if row["judged"]], "a simulated run is no experience"


def test_a_diagnosis_is_explained_under_its_five_headings(signoff: Signoff, closed: dict[str, Any]) -> None:
    told = signoff.run("incidents", "show", closed["id"], "--explain").stdout.splitlines()

    headings = ["Speaks for it", "Speaks against it", "Not explained by it", "Missing", "How the confidence came about"]
    assert [line for line in told if line in headings] == headings


def test_a_closed_incident_is_not_investigated_again(signoff: Signoff, closed: dict[str, Any]) -> None:
    refused = signoff.run("incidents", "investigate", closed["id"])

    assert refused.returncode == 5
    assert "closed; reopen it" in refused.stderr


def test_an_open_incident_is_looked_at_again_and_the_difference_is_told(signoff: Signoff) -> None:
    started = signoff.run("replay", "high_cpu", "--approve", "never", "--speed", "30")
    assert started.returncode in (0, 6), started.stderr

    def waiting() -> str | None:
        rows = signoff.json("incidents", "list")
        return next((row["id"] for row in rows if row["stage"] == "awaiting_approval"), None)

    incident = until(waiting, limit=60, what="an approval that waits")

    again = signoff.json("incidents", "investigate", incident)

    assert again["investigation_id"] != f"{incident}-i1"
    timeline = signoff.json("incidents", "show", incident)["timeline"]
    [begun] = [line for line in timeline if line["text"] == "Investigation started: SAMPLE approver asked"]
    assert begun["actor"]["id"] == "sample-approver"

    def shown() -> Any:  # noqa: ANN401 -- JSON
        found = signoff.json("incidents", "show", incident)["diagnosis"]
        return found if found["investigation_id"] == again["investigation_id"] else None

    assert until(shown, limit=30, what="the new diagnosis on the page")["changed"] == again["changed"]
