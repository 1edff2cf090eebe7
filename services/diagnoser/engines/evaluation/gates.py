"""What an engine must reach on a suite of which everything is known, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from services.diagnoser.domain.case import Case
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.engines.evaluation.predictions import Expected
from services.diagnoser.engines.evaluation.scoring import BINS, FEW_BINS, MANY, SURE, calibration_error

UNKNOWN = "unknown"
ENOUGH = 30
"""Cases below which calibration is an accident."""
TRANSFORM_COST = 0.10
"""What telling the same in another way may cost, as a share of all cases."""
SAID_BEFORE = ("first", "entity", "confidence", "status")


@dataclass(frozen=True, slots=True)
class Judged:
    """One case: what was said, and whether it was right. `is_right` is None where nobody could know."""

    expected: Expected
    status: str
    first: str
    entity: str
    confidence: float
    is_right: bool | None
    cites_decoy: bool
    is_ungrounded: bool
    is_harmful: bool = False
    """Whether what is proposed first would change what is not broken."""
    ranked: tuple[tuple[str, str, float], ...] = ()
    """(cause, entity, confidence) of the first three."""
    cites: tuple[str, ...] = ()
    action: str = ""
    took_ms: float = 0.0

    @property
    def holds(self) -> bool | None:
        """Whether what was claimed is so. Where no cause is claimed (`unknown`), the claim is the place alone."""
        if self.is_right is False and self.first == UNKNOWN:
            return self.entity in self.expected.root_entities
        return self.is_right

    @property
    def is_honest(self) -> bool:
        """Whether the kind of answer is one that the case allows."""
        if self.expected.healthy:
            return self.status == "no_active_fault"
        if not self.expected.knows_enough:
            return self.status != "diagnosed"
        return self.expected.is_poor or self.status != "no_active_fault"

    def row(self) -> dict[str, Any]:
        """Return it for a report."""
        return {
            "case": self.expected.case_id,
            "family": self.expected.family,
            "truth": self.expected.cause,
            "where": list(self.expected.root_entities),
            "status": self.status,
            "first": self.first,
            "entity": self.entity,
            "confidence": self.confidence,
            "right": self.is_right if self.is_right is not None else self.is_honest,
            "top_3": [f"{cause} at {entity} {sure:.2f}" for cause, entity, sure in self.ranked],
            "cites": " ".join(self.cites),
            "action": self.action,
            "ms": round(self.took_ms, 1),
        }


@dataclass(frozen=True, slots=True)
class Gate:
    """One number, its bound, and on which side of it is good."""

    name: str
    value: float
    bound: float
    is_most: bool

    @property
    def is_passed(self) -> bool:
        """Whether the bound is kept."""
        return self.value <= self.bound if self.is_most else self.value >= self.bound


def judge(
    case: Case, expected: Expected, conclusion: Conclusion, action: tuple[str, str] = ("", ""), *, took_ms: float = 0.0
) -> Judged:
    """Hold what was said of a case against what is true of it. `action` is a runbook and the place it would act on."""
    result = conclusion.result
    top = result.causes[0] if result.causes else None
    known = {item.id for item in conclusion.evidence}
    told = [*(cause.cites for cause in result.causes), *(f.cites for f in (*result.findings, *result.ruled_out))]
    decoys = {f"C{n + 1:02d}" for n, change in enumerate(case.changes) if change.id in expected.decoys}
    is_right: bool | None = None
    if expected.healthy:
        is_right = result.status == "no_active_fault"
    elif expected.knows_enough:
        is_right = top is not None and top.cause == expected.cause and top.entity in expected.root_entities
    return Judged(
        expected=expected,
        status=result.status,
        first=top.cause if top else "",
        entity=top.entity if top else "",
        confidence=result.confidence,
        is_right=is_right,
        cites_decoy=bool(top and result.status == "diagnosed" and decoys & set(top.cites)),
        is_ungrounded=any(cited not in known for cites in told for cited in cites),
        is_harmful=_does_harm(expected, action),
        ranked=tuple((one.cause, one.entity, one.confidence) for one in result.causes[:3]),
        cites=top.cites if top else (),
        action=" ".join(action).strip() or next(iter(_by_hand(conclusion)), ""),
        took_ms=took_ms,
    )


def _by_hand(conclusion: Conclusion) -> list[str]:
    result = conclusion.result
    steps = [step for one in result.causes[:1] for step in one.steps] if result.status == "diagnosed" else []
    return [f"by hand: {step.do}" for step in steps]


def _does_harm(expected: Expected, action: tuple[str, str]) -> bool:
    """Whether an action would change what is not broken, or is said to do harm."""
    runbook, place = action
    if not runbook:
        return False
    is_elsewhere = bool(expected.root_entities) and place not in expected.root_entities
    return expected.healthy or is_elsewhere or runbook in expected.harmful


def gates(rows: Sequence[Judged]) -> list[Gate]:
    """Return what the suite must reach. A group without cases is left out."""
    faults = [row for row in rows if row.is_right is not None and not row.expected.healthy]
    healthy = [row for row in rows if row.expected.healthy]
    dark = [row for row in rows if not row.expected.knows_enough]
    known = [row for row in rows if row.is_right is not None]
    sure = [row for row in known if row.status == "diagnosed" and row.confidence >= SURE]
    wrong = [row for row in rows if row.status == "diagnosed" and not row.is_right and row.confidence >= SURE]
    found = [
        Gate("decoy cited as cause", float(sum(row.cites_decoy for row in rows)), 0.0, is_most=True),
        Gate("harmful first action", float(sum(row.is_harmful for row in rows)), 0.0, is_most=True),
        Gate("ungrounded claims", float(sum(row.is_ungrounded for row in rows)), 0.0, is_most=True),
        Gate("confidently wrong, share of all", len(wrong) / max(len(rows), 1), 0.01, is_most=True),
    ]
    if faults:
        found.append(Gate("AC@1, cause and entity", fmean(bool(row.is_right) for row in faults), 0.85, is_most=False))
    if healthy:
        alarms = fmean(row.status == "diagnosed" for row in healthy)
        found.append(Gate("diagnosis of healthy systems", alarms, 0.05, is_most=True))
    if dark:
        claimed = fmean(row.status == "diagnosed" for row in dark)
        found.append(Gate("diagnosis without enough to know", claimed, 0.0, is_most=True))
    if sure:
        found.append(Gate("right when sure", fmean(bool(row.is_right) for row in sure), 0.9, is_most=False))
    if known:
        brier = fmean((row.confidence - float(bool(row.holds))) ** 2 for row in known)
        found.append(Gate("Brier", brier, 0.12, is_most=True))
    if len(known) >= ENOUGH:
        found.append(Gate("calibration error", calibration(rows), 0.08, is_most=True))
    return found


def calibration(rows: Sequence[Judged]) -> float:
    """Return the calibration error over the cases of which the truth is known: ten bins, or three of few cases."""
    known = [row for row in rows if row.is_right is not None]
    bins = BINS if len(known) >= MANY else FEW_BINS
    return calibration_error([row.confidence for row in known], [float(bool(row.holds)) for row in known], bins)


def reliability(rows: Sequence[Judged]) -> list[dict[str, float]]:
    """Return, for each fifth of confidence, how many cases, the mean confidence, and the share that was right."""
    known = [row for row in rows if row.is_right is not None]
    bands = [[row for row in known if min(int(row.confidence * 5), 4) == band] for band in range(5)]
    return [
        {
            "cases": len(band),
            "confidence": fmean(row.confidence for row in band),
            "right": fmean(bool(row.holds) for row in band),
        }
        for band in bands
        if band
    ]


def differences(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is said of cases now that was not said in an earlier report."""
    known = {row.get("case"): row for row in before}
    found = []
    for row in now:
        old = known.get(row["case"])
        if old and any(old.get(key) != row[key] for key in SAID_BEFORE):
            was, is_now = (f"{one.get('first') or one.get('status')} {one.get('confidence'):.2f}" for one in (old, row))
            found.append(f"{row['case']}: {was} -> {is_now}")
    return found
