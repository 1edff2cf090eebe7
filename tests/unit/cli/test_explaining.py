from __future__ import annotations

from typing import Any

import pytest

from cli.explaining import explained

DETAIL: dict[str, Any] = {
    "diagnosis": {
        "findings": [{"statement": f"memory {n} grew", "cites": ["M1", "M2", "M3", "M4"][: n + 1]} for n in range(7)]
    },
    "recommendations": [
        {"title": "Restart it", "risk": "medium", "reversible": False, "expected_effect": "Memory falls"}
    ],
    "approvals": [
        {"state": "expired", "risk": "low", "reversible": True, "impact": "old", "why": []},
        {"state": "pending", "risk": "medium", "reversible": True, "impact": "40 s away", "why": ["memory > 85"]},
    ],
    "summary": {"sentences": [{"text": "It was restarted.", "cites": ["e1"]}]},
}


@pytest.mark.parametrize(
    "entry, lines",
    [
        pytest.param(
            "recommendation.made",
            ["Restart it: risk medium, not reversible. Memory falls"],
            id="a proposal with its risk and effect",
        ),
        pytest.param(
            "approval.requested",
            ["risk medium, reversible", "40 s away", "memory > 85"],
            id="the pending question with impact and reasons",
        ),
        pytest.param("summary.written", ["It was restarted."], id="the summary, sentence by sentence"),
        pytest.param("incident.opened", [], id="nothing below other entries"),
    ],
)
def test_below_an_entry_stands(entry: str, lines: list[str]) -> None:
    assert explained(entry, DETAIL) == lines


def test_a_diagnosis_cites_its_evidence_and_says_how_much_more_there_is() -> None:
    lines = explained("diagnosis.concluded", DETAIL)

    assert lines[0] == "memory 0 grew  [M1]"
    assert lines[4] == "memory 4 grew  [M1, M2, M3, …]"
    assert lines[5:] == ["2 more findings on the page"]


def test_what_is_not_known_yet_is_not_explained() -> None:
    assert explained("diagnosis.concluded", {"diagnosis": None}) == []
    assert explained("summary.written", {"summary": None}) == []
