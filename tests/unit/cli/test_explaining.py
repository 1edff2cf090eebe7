from __future__ import annotations

from typing import Any

import pytest

from cli.explaining import advice, explained, explanation, is_summed_up, line, since, stated, waiting

DETAIL: dict[str, Any] = {
    "diagnosis": {
        "findings": [{"statement": f"memory {n} grew", "cites": ["M1", "M2", "M3", "M4"][: n + 1]} for n in range(7)]
    },
    "recommendations": [
        {
            "title": "Restart it",
            "risk": "medium",
            "reversible": False,
            "expected_effect": "Memory falls",
            "verification": "memory stays low",
            "integrations": ["host"],
            "behind": "",
        },
        {
            "title": "Drain it",
            "risk": "high",
            "reversible": True,
            "expected_effect": "Load falls",
            "verification": "",
            "integrations": [],
            "behind": "its risk is high, that of restart is medium",
        },
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
            [
                "Restart it: risk medium, not reversible, acts on host. Memory falls",
                "  Verified by: memory stays low",
                "Drain it: risk high, reversible. Load falls",
                "  Not first: its risk is high, that of restart is medium",
            ],
            id="each proposal with its risk and effect, and why it is not the first",
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


def test_where_no_runbook_is_proposed_a_person_is_told_what_to_do() -> None:
    step = {"do": "Roll it back", "risk": "medium", "reversible": True, "verify": "errors are gone"}
    causes = [{"steps": [step]}, {"steps": [{**step, "do": "Wait"}]}]
    told = {**judged(causes=causes), "recommendations": []}
    assert explained("recommendation.made", told) == [
        "By hand: Roll it back: risk medium, reversible. It helped when errors are gone"
    ]
    assert explained("recommendation.made", {"diagnosis": None, "recommendations": []}) == []


def test_a_line_says_which_zone_its_time_is_of_and_keeps_its_columns() -> None:
    told = {"at": "2026-11-03T03:00:00.5Z", "type": "incident.source_recovered", "text": "All alerts have recovered"}
    assert line(told) == "03:00:00Z  incident.source_recovered All alerts have recovered"


def test_an_incident_says_what_it_is_of_and_since_when() -> None:
    incident = {"services": ["shop", "cart"], "opened_at": "2026-11-03T03:00:00Z", "closed_at": None}
    first = "2026-11-03T02:17:05.25Z"
    opened = "opened 2026-11-03 03:00:00 UTC"
    told = f"shop, cart; first symptom 2026-11-03 02:17:05 UTC; {opened}"
    assert since({"incident": incident, "symptom_at": first}) == told
    assert since({"incident": {**incident, "services": []}, "symptom_at": None}) == f"no service; {opened}"


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
    "causes": [],
}


def judged(**more: object) -> dict[str, Any]:
    return {"diagnosis": {**JUDGED, **more}, "look_alikes": [], "recommendations": []}


def test_an_explanation_always_has_its_five_parts() -> None:
    assert explanation(judged()) == [
        ("Speaks for it", ["memory grew  [M1, M2]"]),
        ("Speaks against it", ["nothing"]),
        ("Not explained by it", ["queue grew  [M3]"]),
        ("Missing", ["logs", "check next: look at the heap"]),
        (
            "How the confidence came about",
            ["43 %, by code from the evidence (offline engine)", "two channels agree", "capped at 43 %"],
        ),
    ]


def test_a_fault_beside_the_first_and_what_a_model_did_are_explained() -> None:
    beside = {"title": "The disk of mail-1 is full", "confidence": 0.7, "cites": ["M9"]}

    told = dict(explanation(judged(also=[beside], engine="recorded", model_steps=["classify: it agrees with code"])))

    assert told["Also, and apart from it"] == ["The disk of mail-1 is full (70 %)  [M9]"]
    assert "RECORDED, classify: it agrees with code" in told["How the confidence came about"]


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
    ruled_out = [{"statement": "not the network", "cites": ["M4"]}]
    detail = judged(affected=["shop", "pay"], ruled_out=ruled_out, changed=["cause a → b"], degraded="no key")

    written = [{"kind": kind, "id": kind, "summary": "Pools (pools.md)"} for kind in ("article", "metric")]

    told = dict(explanation({**detail, "look_alikes": [look_alike], "evidence": written}))

    assert told["Felt at"] == ["shop", "pay"]
    assert told["Ruled out"] == ["not the network  [M4]"]
    assert told["Looked alike before"] == [
        "INC-A slow: 72 % alike, was db.pool, judged right; differs: now change: deploy"
    ]
    assert told["Written about it"] == ["Pools (pools.md)  [article]"]
    assert told["Changed since the look before"] == ["cause a → b"]
    assert "degraded: no key" in told["How the confidence came about"]


STEP = {"do": "Renew it", "risk": "low", "reversible": True, "verify": "callers succeed"}
RULE = {"verbs": ["host/restart-*", "service/restart-*"], "why": "it fails again"}
CAUSES = [
    {"cause": "tls.expired", "title": "It has expired", "steps": [STEP], "never": [RULE]},
    {"cause": "net.loss", "title": "", "steps": [], "never": [{"verbs": ["host/move*"], "why": "packets are lost"}]},
]


def test_a_person_is_told_what_to_do_by_hand_and_what_nobody_must_do() -> None:
    by_hand = [
        (
            "What a person may do; Signoff does not run these",
            ["Renew it: risk low, reversible. It helped when callers succeed"],
        ),
        (
            "What must never be done",
            [
                "host/restart-*, service/restart-*, if the cause is It has expired: it fails again",
                "host/move*, if the cause is net.loss: packets are lost",
            ],
        ),
    ]
    assert advice(judged(causes=CAUSES)) == by_hand
    assert explanation(judged(causes=CAUSES))[-2:] == by_hand


def test_what_is_proposed_goes_before_what_a_person_may_do() -> None:
    headings = [
        heading for heading, _ in advice({**judged(causes=CAUSES), "recommendations": DETAIL["recommendations"]})
    ]
    assert headings == ["Proposed", "What a person may do; Signoff does not run these", "What must never be done"]
    assert advice({"diagnosis": None, "recommendations": []}) == []


def test_nothing_is_explained_before_anything_is_concluded() -> None:
    assert explanation({"diagnosis": None, "look_alikes": []}) == []


def test_what_waits_says_until_when_what_it_does_and_how_to_decide() -> None:
    pending = {
        "approval_id": "apr-1",
        "title": "Restart web-3",
        "state": "pending",
        "risk": "medium",
        "reversible": False,
        "impact": "requests in flight fail",
        "expires_at": "2026-11-25T20:09:35.029052Z",
    }

    assert waiting({"approvals": [{**pending, "state": "granted"}]}, lambda _: ()) == []
    assert waiting({"approvals": [pending]}, lambda approval: [f"decide {approval}"]) == [
        (
            "Waits for approval: Restart web-3",
            [
                "risk medium, not reversible; expires 2026-11-25 20:09:35 UTC",
                "requests in flight fail",
                "decide apr-1",
            ],
        )
    ]


def test_only_a_named_cause_has_a_confidence() -> None:
    assert stated({"status": "diagnosed", "statement": "It leaks", "confidence": 0.966}) == "It leaks (97 %)"
    assert stated({"status": "inconclusive", "statement": "Nothing was seen", "confidence": 0.0}) == "Nothing was seen"


@pytest.mark.parametrize(
    "types, is_over",
    [
        pytest.param(["incident.opened"], False, id="open"),
        pytest.param(["incident.closed"], False, id="closed, and the summary is to come"),
        pytest.param(["incident.closed", "summary.written", "incident.noted"], True, id="closed and summed up"),
        pytest.param(
            ["incident.closed", "summary.written", "incident.reopened", "incident.closed"],
            False,
            id="closed again, and the new summary is to come",
        ),
    ],
)
def test_a_closing_is_followed_by_its_summary(types: list[str], *, is_over: bool) -> None:
    assert is_summed_up([{"type": name} for name in types]) is is_over
