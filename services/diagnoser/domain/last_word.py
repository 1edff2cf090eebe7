"""Has the executor had the last word? What it still owes an answer or an end for. Pure.

A debt is a recommendation, an approval or an execution. Each event of the executor ends one and may begin the next;
an ended one never begins again by a copy of an earlier event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Debts = dict[str, str]
"""`recommendation:ID`, `approval:ID` or `execution:ID` -> `open`, `granted` (an approval) or `ended`."""
DEBTS_KEPT = 100


def owed(debts: Debts) -> list[str]:
    """Return what has not ended yet, oldest first."""
    return [name for name, state in debts.items() if state != "ended"]


def is_claimed(debts: Debts) -> bool:
    """Say whether an execution is under way."""
    return any(name.startswith("execution:") for name in owed(debts))


def is_open(debts: Debts, recommendation_id: str) -> bool:
    """Say whether a recommendation still waits for the executor's first answer."""
    return debts.get(f"recommendation:{recommendation_id}") == "open"


def superseded(debts: Debts, recommendation_id: str) -> Debts:
    """Return the debts after a recommendation was taken back: nobody owes it an answer any more."""
    return _end(debts, "recommendation", recommendation_id)


def recommended(debts: Debts, recommendation_id: str) -> Debts:
    """Return the debts after `recommendation.made`."""
    return _bounded(debts | {f"recommendation:{recommendation_id}": "open"})


def after(debts: Debts, event_type: str, body: Mapping[str, Any]) -> Debts:
    """Return the debts after an event of the executor; events that settle nothing change nothing."""
    rule = _RULES.get(event_type)
    return _bounded(rule(dict(debts), body)) if rule else debts


def _bounded(debts: Debts) -> Debts:
    surplus = len(debts) - DEBTS_KEPT
    old = [name for name, state in debts.items() if state == "ended"][: max(surplus, 0)]
    return {name: state for name, state in debts.items() if name not in old}


def _end(debts: Debts, kind: str, of: str) -> Debts:
    return debts | {f"{kind}:{of}": "ended"}


def _begin(debts: Debts, kind: str, of: str) -> Debts:
    name = f"{kind}:{of}"
    return debts if name in debts else debts | {name: "open"}


def _refused(debts: Debts, body: Mapping[str, Any]) -> Debts:
    return _end(debts, "recommendation", body["recommendation_id"])


def _requested(debts: Debts, body: Mapping[str, Any]) -> Debts:
    return _begin(_end(debts, "recommendation", body["recommendation_id"]), "approval", body["approval_id"])


def _granted(debts: Debts, body: Mapping[str, Any]) -> Debts:
    name = f"approval:{body['approval_id']}"
    return debts | {name: "granted"} if debts.get(name) == "open" else debts


def _answered(debts: Debts, body: Mapping[str, Any]) -> Debts:
    return _end(debts, "approval", body["approval_id"])


def _started(debts: Debts, body: Mapping[str, Any]) -> Debts:
    return _begin(_end(debts, "approval", body["approval_id"]), "execution", body["execution_id"])


def _cancelled(debts: Debts, body: Mapping[str, Any]) -> Debts:
    """An execution cancelled before its claim was announced by no event: what was granted for it ends with it."""
    name = f"execution:{body['execution_id']}"
    if name not in debts:
        debts = {other: "ended" if state == "granted" else state for other, state in debts.items()}
    return debts | {name: "ended"}


def _ended(debts: Debts, body: Mapping[str, Any]) -> Debts:
    return _end(debts, "execution", body["execution_id"])


def _undoing(debts: Debts, body: Mapping[str, Any]) -> Debts:
    return debts | {f"execution:{body['execution_id']}": "open"}


def _resumed(debts: Debts, body: Mapping[str, Any]) -> Debts:
    """A person decided about an execution that was handed over: it goes on, and owes its end again."""
    name = f"execution:{body['execution_id']}"
    return debts | {name: "open"} if name in debts else debts


def _handed_off(debts: Debts, body: Mapping[str, Any]) -> Debts:
    """A handoff ends what it names; one that names nothing ends everything."""
    for kind in ("execution", "approval"):
        if body.get(f"{kind}_id"):
            debts = _end(debts, kind, body[f"{kind}_id"])
    if not body.get("execution_id") and not body.get("approval_id"):
        debts = dict.fromkeys(debts, "ended")
    return debts


_RULES: Mapping[str, Callable[[Debts, Mapping[str, Any]], Debts]] = {
    "plan.refused": _refused,
    "approval.requested": _requested,
    "approval.granted": _granted,
    "approval.rejected": _answered,
    "approval.expired": _answered,
    "approval.withdrawn": _answered,
    "approval.superseded": _answered,
    "execution.started": _started,
    "execution.cancelled": _cancelled,
    "verification.passed": _ended,
    "verification.failed": _ended,
    "verification.unknown": _ended,
    "execution.resumed": _resumed,
    "rollback.started": _undoing,
    "rollback.finished": _ended,
    "handoff.requested": _handed_off,
}
