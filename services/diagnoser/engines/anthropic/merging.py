"""The offline conclusion with the opinion of the model beside it. Every number here is computed by code.

The model may explain, rank what the offline engine could not decide, and disagree in the open. It never adds a cause to
a diagnosis, takes one away or raises a status: what is proposed follows from what was measured, whatever anybody has
written into the evidence for a model to read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.engines.anthropic.answer import Answer, NamedCause
from services.diagnoser.engines.anthropic.claims import Claim
from services.diagnoser.engines.anthropic.ground import Ground
from services.diagnoser.engines.anthropic.wording import finding
from services.diagnoser.engines.offline.certainty import confidences
from services.diagnoser.engines.offline.telling import FINDINGS_MAX, RULED_OUT_MAX, title
from services.diagnoser.engines.offline.weighing import Hypothesis
from shared.incident.diagnosis import DiagnosticResult, RankedCause
from shared.incident.evidence import Finding
from shared.incident.numbers import percent

DISAGREEING_MOST = 0.60
OPINION = 2.0
"""What the choice of the model adds to the log-odds of a hypothesis, in nats."""
RANKED_MAX = 5


def merged(ground: Ground, answer: Answer, engine: str) -> Conclusion:
    """Return the conclusion with an answer that passed the gate."""
    offline = ground.conclusion.result
    told = _told(_findings(answer.findings, ground), offline.findings, FINDINGS_MAX)
    against = _told(_findings(answer.ruled_out, ground), offline.ruled_out, RULED_OUT_MAX)
    causes = offline.causes
    if not _agrees(offline, answer):
        told = (_dissent(ground, answer), *told)[:FINDINGS_MAX]
        if answer.causes and offline.status == "inconclusive":
            causes = _ranked(ground, answer)
    update = {
        "engine": engine,
        "findings": told,
        "ruled_out": against,
        "causes": causes,
        "confidence": causes[0].confidence if causes else offline.confidence,
    }
    result = offline.model_copy(update=update)
    return _with_evidence(ground, result)


def _agrees(offline: DiagnosticResult, answer: Answer) -> bool:
    if not answer.causes:
        return answer.status == offline.status or (answer.status, offline.causes) == ("inconclusive", ())
    top = offline.causes[:1]
    return bool(top) and (top[0].cause, top[0].entity) == (answer.causes[0].cause, answer.causes[0].entity)


def _ranked(ground: Ground, answer: Answer) -> tuple[RankedCause, ...]:
    """Return the causes that the offline engine could not decide between, with the first of the model among them."""
    chosen = answer.causes[0]
    others = [
        one for one in ground.conclusion.result.causes if (one.cause, one.entity) != (chosen.cause, chosen.entity)
    ]
    named = RankedCause(
        entity=chosen.entity,
        cause=chosen.cause,
        title=_title(ground, chosen),
        confidence=_confidence(ground, chosen),
        cites=tuple(dict.fromkeys(chosen.cites)),
    )
    return tuple(sorted([named, *others], key=lambda one: -one.confidence))[:RANKED_MAX]


def _confidence(ground: Ground, chosen: NamedCause) -> float:
    """Return the confidence of the offline engine if the opinion of the model were one more thing that was seen."""
    known = ground.hypothesis(chosen.cause, chosen.entity)
    if known is None:
        return 0.0
    backed = replace(known, log_odds=known.log_odds + OPINION)
    others = [one for one in ground.hypotheses if one is not known and not ground.why_not(one)]
    ranked = sorted([backed, *others], key=lambda one: -one.log_odds)
    return min(confidences(ground.scene, ranked)[ranked.index(backed)], DISAGREEING_MOST)


def _title(ground: Ground, chosen: NamedCause) -> str:
    known: Hypothesis | None = ground.hypothesis(chosen.cause, chosen.entity)
    return title(known or Hypothesis(None, chosen.entity, 0.0))


def _dissent(ground: Ground, answer: Answer) -> Finding:
    if not answer.causes:
        cites = tuple(name for name in ground.shown)[:3]
        return Finding(statement="The model does not name a cause.", cites=cites)
    chosen = answer.causes[0]
    told = f"The model sees it differently: {_title(ground, chosen)} ({percent(_confidence(ground, chosen))})"
    return Finding(statement=told, cites=tuple(dict.fromkeys(chosen.cites)))


def _findings(claims: Iterable[Claim], ground: Ground) -> list[Finding]:
    return [told for claim in claims if (told := finding(claim, ground)) is not None]


def _told(first: Iterable[Finding], then: Iterable[Finding], most: int) -> tuple[Finding, ...]:
    kept = {one.statement: one for one in (*first, *then)}
    return tuple(kept.values())[:most]


def _with_evidence(ground: Ground, result: DiagnosticResult) -> Conclusion:
    """Return the conclusion with all that its result cites."""
    citing = [*(c.cites for c in result.causes), *(f.cites for f in (*result.findings, *result.ruled_out))]
    known = {item.id: item for item in ground.conclusion.evidence}
    known |= {name: ground.book.entries[name] for cites in citing for name in cites if name not in known}
    evidence = tuple(known.values())
    digest = hashlib.sha256(b"\n".join(item.model_dump_json().encode() for item in evidence)).hexdigest()
    stamped = result.model_copy(update={"evidence_sha256": digest})
    return Conclusion(result=stamped, evidence=evidence, logs=ground.conclusion.logs)
