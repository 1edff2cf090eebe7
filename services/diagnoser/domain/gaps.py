"""Missing data is evidence too: it has an id, and a conclusion names it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import CUT
from shared.events.investigations import CollectorOutcome
from shared.incident.diagnosis import DiagnosticResult
from shared.incident.evidence import SUMMARY_MAX, Evidence, Finding

OK, EMPTY, GAP, TIMEOUT, FAILED = "ok", "empty", "gap", "timeout", "failed"
_LOOKED = frozenset({OK, EMPTY})


def looked(found: object) -> str:
    """Return how somebody fared who looked and could say what there is."""
    return OK if _holds(found) else EMPTY


def _holds(found: object) -> bool:
    """Say whether anything is there, whatever it is nested in; what was cut is not."""
    if isinstance(found, Mapping):
        return any(_holds(value) for name, value in found.items() if name != CUT)
    return bool(found)


def lost(outcomes: Sequence[CollectorOutcome]) -> bool:
    """Say whether anybody who could have looked failed or was late, and may not the next time."""
    return any(outcome.outcome in (TIMEOUT, FAILED) for outcome in outcomes)


def gaps_of(outcomes: Sequence[CollectorOutcome]) -> tuple[Evidence, ...]:
    """Return one piece of evidence for each collector that could not look."""
    return tuple(
        Evidence(
            id=f"gap-{outcome.collector}",
            kind="gap",
            channel=outcome.collector,
            trust="system",
            active_now=False,
            summary=f"No {outcome.collector}: {outcome.detail or outcome.outcome}"[:SUMMARY_MAX],
        )
        for outcome in outcomes
        if outcome.outcome not in _LOOKED
    )


def with_gaps(conclusion: Conclusion, gaps: Sequence[Evidence]) -> Conclusion:
    """Return a conclusion whose evidence holds the gaps, and whose result says what was missing."""
    known = {item.id for item in conclusion.evidence}
    evidence = (*conclusion.evidence, *(gap for gap in gaps if gap.id not in known))
    result = conclusion.result
    missing = tuple(dict.fromkeys([*result.missing, *(gap.channel for gap in gaps)]))
    return conclusion.model_copy(
        update={"evidence": evidence, "result": result.model_copy(update={"missing": missing})}
    )


def blind(gaps: Sequence[Evidence]) -> Conclusion:
    """Return the conclusion when nothing could be looked at: no engine is asked."""
    cites = tuple(gap.id for gap in gaps)
    statement = "Nothing could be looked at; the alerts alone do not tell a cause."
    return Conclusion(
        result=DiagnosticResult(
            status="inconclusive",
            statement=statement,
            findings=(Finding(statement=statement, cites=cites),) if cites else (),
            next_checks=("connect a monitoring system for this environment, or look at its dashboards by hand",),
        )
    )


def without_engine(why: str) -> Conclusion:
    """Return the conclusion when evidence was gathered and no engine judged it."""
    return Conclusion(
        result=DiagnosticResult(
            status="inconclusive",
            statement="Evidence was gathered, but it could not be judged.",
            missing=("the judgement of an engine",),
            next_checks=("look at the gathered series and logs by hand",),
            degraded=why[:300],
        )
    )
