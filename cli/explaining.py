"""Entries of the timeline for a person who reads along, and what stands below them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cli.output import moment
from shared.incident.numbers import percent

FINDINGS_MAX = 5
CITES_MAX = 3

Detail = Mapping[str, Any]
"""An incident as `incidents show -o json` has it."""


def line(entry: Mapping[str, str]) -> str:
    """Return one entry as a line; the time of day is in UTC."""
    return f"{entry['at'][11:19]}Z  {entry['type']:<25} {entry['text']}"


def since(detail: Detail) -> str:
    """Return which services an incident is of and since when."""
    incident = detail["incident"]
    began = [
        ("first symptom", detail["symptom_at"]),
        ("opened", incident["opened_at"]),
        ("closed", incident["closed_at"]),
    ]
    times = (f"{what} {moment(at)}" for what, at in began if at)
    return "; ".join([", ".join(incident["services"]) or "no service", *times])


def explained(entry_type: str, detail: Detail) -> list[str]:
    """Return lines about an entry of the timeline; none for most."""
    explain = _EXPLAIN.get(entry_type)
    return explain(detail) if explain else []


def explanation(detail: Detail) -> list[tuple[str, list[str]]]:
    """Return why the diagnosis is what it is, under five headings that are always there, and what can be done.

    None without a diagnosis.
    """
    diagnosis = detail["diagnosis"]
    if not diagnosis:
        return []
    missing = [*diagnosis["missing"], *(f"check next: {check}" for check in diagnosis["next_checks"])]
    parts = [
        ("Speaks for it", _found(diagnosis["findings"])),
        ("Speaks against it", _found(diagnosis["contradictions"])),
        ("Not explained by it", _found(diagnosis["unexplained"])),
        ("Missing", missing),
        ("How the confidence came about", _confidence(diagnosis)),
        ("Also, and apart from it", [_beside(fault) for fault in diagnosis.get("also", ())]),
        ("Felt at", list(diagnosis.get("affected", ()))),
        ("Ruled out", _found(diagnosis["ruled_out"])),
        ("Looked alike before", [_look_alike(one) for one in detail["look_alikes"]]),
        (
            "Written about it",
            [f"{item['summary']}  [{item['id']}]" for item in detail.get("evidence", ()) if item["kind"] == "article"],
        ),
        ("Changed since the look before", list(diagnosis["changed"])),
    ]
    always = 5
    told = [
        (heading, lines or ["nothing"]) for number, (heading, lines) in enumerate(parts) if lines or number < always
    ]
    return [*told, *advice(detail)]


def waiting(detail: Detail, decide: Callable[[str], Sequence[str]]) -> list[tuple[str, list[str]]]:
    """Return what waits for a person, and how to decide: the lines that `decide` gives for an approval's id."""
    return [
        (
            f"Waits for approval: {approval['title']}",
            [
                f"{undo(approval)}; expires {moment(approval['expires_at'])}",
                approval["impact"],
                *decide(approval["approval_id"]),
            ],
        )
        for approval in detail["approvals"]
        if approval["state"] == "pending"
    ]


def is_summed_up(timeline: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the summary of the last closing has been written."""
    ends = [entry["type"] for entry in timeline if entry["type"] in ("incident.closed", "summary.written")]
    return ends[-1:] == ["summary.written"]


def advice(detail: Detail) -> list[tuple[str, list[str]]]:
    """Return what can be done under headings: what is proposed, what a person may do, what nobody must do."""
    causes = (detail["diagnosis"] or {}).get("causes", ())
    parts = [
        ("Proposed", _recommendations(detail)),
        ("What a person may do; Signoff does not run these", [_by_hand(step) for c in causes for step in c["steps"]]),
        ("What must never be done", [_never(cause, rule) for cause in causes for rule in cause["never"]]),
    ]
    return [(heading, lines) for heading, lines in parts if lines]


def _by_hand(step: Mapping[str, Any]) -> str:
    return f"{step['do']}: {undo(step)}. It helped when {step['verify']}"


def _never(cause: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    return f"{', '.join(rule['verbs'])}, if the cause is {cause['title'] or cause['cause']}: {rule['why']}"


def _found(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{finding['statement']}  [{', '.join(finding['cites'])}]" for finding in findings]


def _beside(fault: Mapping[str, Any]) -> str:
    return f"{fault['title']} ({percent(fault['confidence'])})  [{', '.join(fault['cites'])}]"


def _confidence(diagnosis: Mapping[str, Any]) -> list[str]:
    said = [f"{percent(diagnosis['confidence'])}, by code from the evidence ({diagnosis['engine']} engine)"]
    said += [f"degraded: {diagnosis['degraded']}"] if diagnosis["degraded"] else []
    said += [f"degraded, {text}" for text in diagnosis.get("degraded_steps", ())]
    said += [f"{diagnosis['engine'].upper()}, {text}" for text in diagnosis.get("model_steps", ())]
    return [*said, *diagnosis["confidence_from"]]


def _look_alike(one: Mapping[str, Any]) -> str:
    was = f"was {one['cause']}" if one["cause"] else "cause not known"
    judged = f", judged {one['verdict']}" if one["verdict"] else ""
    differs = [*(f"now {sign}" for sign in one["only_now"]), *(f"then {sign}" for sign in one["only_then"])]
    alike = f"{one['incident_id']} {one['title']}: {percent(one['likeness'])} alike, {was}{judged}"
    return f"{alike}; differs: {', '.join(differs) or 'in nothing'}"


def undo(thing: Mapping[str, Any]) -> str:
    """Return how risky something is and whether it can be undone."""
    return f"risk {thing['risk']}, {'reversible' if thing['reversible'] else 'not reversible'}"


def _diagnosis(detail: Detail) -> list[str]:
    findings = (detail["diagnosis"] or {}).get("findings", [])
    made = made_by(detail["diagnosis"] or {})
    lines = [f"{finding['statement']}  [{_cites(finding['cites'])}]" for finding in findings[:FINDINGS_MAX]]
    more = len(findings) - FINDINGS_MAX
    return [*made, *lines, *([f"{more} more findings on the page"] if more > 0 else [])]


def stated(diagnosis: Mapping[str, Any]) -> str:
    """Return what a diagnosis states, and how sure it is of a cause if it names one."""
    sure = f" ({percent(diagnosis['confidence'])})" if diagnosis["status"] == "diagnosed" else ""
    return f"{diagnosis['statement']}{sure}"


def made_by(told: Mapping[str, Any]) -> list[str]:
    """Return a line about who made a diagnosis or an answer, unless code alone did."""
    engine, degraded = told.get("engine", "offline"), told.get("degraded")
    if engine == "offline":
        return []
    return [f"{engine.upper()} engine" + (f", degraded: {degraded}" if degraded else "")]


def _cites(cites: list[str]) -> str:
    return ", ".join(cites[:CITES_MAX]) + (", …" if len(cites) > CITES_MAX else "")


def _recommendations(detail: Detail) -> list[str]:
    return [line for item in detail["recommendations"] for line in _recommendation(item)]


def _recommendation(item: Mapping[str, Any]) -> list[str]:
    on = f", acts on {', '.join(item['integrations'])}" if item["integrations"] else ""
    more = [("Verified by:", item["verification"]), ("Not first:", item["behind"])]
    told = f"{item['title']}: {undo(item)}{on}. {item['expected_effect']}"
    return [told, *(f"  {before} {text}" for before, text in more if text)]


def _proposed(detail: Detail) -> list[str]:
    """Return the runbooks that are proposed, or what a person may do where none is."""
    steps = [step for cause in (detail["diagnosis"] or {}).get("causes", ())[:1] for step in cause["steps"]]
    return _recommendations(detail) or [f"By hand: {_by_hand(step)}" for step in steps]


def _question(detail: Detail) -> list[str]:
    pending = [approval for approval in detail["approvals"] if approval["state"] == "pending"]
    return [line for approval in pending for line in (undo(approval), approval["impact"], *approval["why"])]


def _summary(detail: Detail) -> list[str]:
    return [sentence["text"] for sentence in (detail["summary"] or {}).get("sentences", [])]


_EXPLAIN: Mapping[str, Callable[[Detail], list[str]]] = {
    "diagnosis.concluded": _diagnosis,
    "diagnosis.inconclusive": _diagnosis,
    "diagnosis.no_active_fault": _diagnosis,
    "recommendation.made": _proposed,
    "approval.requested": _question,
    "summary.written": _summary,
}
