from __future__ import annotations

from typing import Any

import pytest

from cli.explaining import explained, explanation

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


JUDGED: dict[str, Any] = {
    "confidence": 0.43,
    "engine": "offline",
    "degraded": None,
    "findings": [{"statement": "memory grew", "cites": ["M1", "M2"]}],
    "contradictions": [],
    "unexplained": [{"statement": "queue grew", "cites": ["M3"]}],
    "missing": ["logs"],
    "next_checks": ["look at the heap"],
    "confidence_from": ["two channels agree", "capped at 43 %"],
    "ruled_out": [],
    "changed": [],
}


def test_an_explanation_always_has_its_five_parts() -> None:
    assert explanation({"diagnosis": JUDGED, "look_alikes": []}) == [
        ("Speaks for it", ["memory grew  [M1, M2]"]),
        ("Speaks against it", ["nothing"]),
        ("Not explained by it", ["queue grew  [M3]"]),
        ("Missing", ["logs", "check next: look at the heap"]),
        (
            "How the confidence came about",
            ["43 %, by code from the evidence (offline engine)", "two channels agree", "capped at 43 %"],
        ),
    ]


def test_an_explanation_goes_on_with_what_else_there_is() -> None:
    look_alike = {
        "incident_id": "INC-A",
        "title": "slow",
        "likeness": 0.72,
        "cause": "db.pool",
        "verdict": "right",
        "only_now": ["change: deploy"],
        "only_then": [],
    }
    judged = {
        **JUDGED,
        "ruled_out": [{"statement": "not the network", "cites": ["M4"]}],
        "changed": ["cause a → b"],
        "degraded": "no key",
    }

    told = dict(explanation({"diagnosis": judged, "look_alikes": [look_alike]}))

    assert told["Ruled out"] == ["not the network  [M4]"]
    assert told["Looked alike before"] == [
        "INC-A slow: 72 % alike, was db.pool, judged right; differs: now change: deploy"
    ]
    assert told["Changed since the look before"] == ["cause a → b"]
    assert "degraded: no key" in told["How the confidence came about"]


def test_nothing_is_explained_before_anything_is_concluded() -> None:
    assert explanation({"diagnosis": None, "look_alikes": []}) == []
