"""From a case to a conclusion: pure, deterministic, and honest about what it does not know."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from services.diagnoser.domain.case import Case
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.engines.offline.book import Book
from services.diagnoser.engines.offline.calibrator import load_calibrator
from services.diagnoser.engines.offline.catalogue import Catalogue
from services.diagnoser.engines.offline.certainty import certainty, is_conclusive
from services.diagnoser.engines.offline.channels import ACTIVE
from services.diagnoser.engines.offline.preexisting import preexisting, rests_on
from services.diagnoser.engines.offline.scene import Scene, impact, scene_of
from services.diagnoser.engines.offline.second_fault import second_fault
from services.diagnoser.engines.offline.telling import (
    RULED_OUT_MAX,
    cites,
    contradictions,
    contraindications,
    findings,
    gaps,
    missing,
    next_checks,
    not_explained,
    ruled_out,
    steps,
    title,
    was_so_before,
)
from services.diagnoser.engines.offline.weighing import Hypothesis, hypotheses
from services.diagnoser.engines.offline.wording import moved
from shared.incident.diagnosis import DiagnosticResult, RankedCause
from shared.incident.enums import IncidentCategory
from shared.incident.evidence import Finding, LogTemplate

VERSION = "7"
RANKED_MAX = 5
RANKED_LEAST = 0.01
PLACES = 3
"""So many places are named where the cause is not known, however unlikely the later ones are."""
TEMPLATES_MAX = 50


def diagnose(case: Case, catalogue: Catalogue) -> Conclusion:
    """Return what the evidence of a case says. The same case gives the same bytes."""
    scene = scene_of(case)
    book = Book(scene)
    found = hypotheses(scene, catalogue)
    result = _calm(book, scene) if _is_calm(scene) else _judged(book, scene, found)
    for number, alert in enumerate(case.alerts):
        book.alert(number, alert)
    evidence = tuple(book.entries.values())
    digest = hashlib.sha256(b"\n".join(item.model_dump_json().encode() for item in evidence)).hexdigest()
    stamp = {
        "engine_version": VERSION,
        "catalogue_sha256": catalogue.sha256,
        "calibrator_sha256": load_calibrator()[1],
        "evidence_sha256": digest,
    }
    return Conclusion(result=result.model_copy(update=stamp), evidence=evidence, logs=_templates(scene))


def _is_calm(scene: Scene) -> bool:
    """Whether everything that was measured is within its background now, and what was alerted on was measured."""
    if scene.surging or scene.troubles() or any(o.channel in ACTIVE for o in scene.harmful()):
        return False
    measured = {o.entity for o in scene.observations if o.channel in ACTIVE or not o.is_harmful}
    measured |= {fact.entity for fact in scene.facts if not fact.is_bad and not fact.is_event}
    alerted = scene.alerted()
    seen = {o.channel for entity in alerted for o in scene.by_entity.get(entity, ())}
    if seen and scene.rings - seen:
        return False
    if alerted:
        return all(measured & set(scene.map.near(entity)) for entity in alerted)
    is_over = bool(scene.case.alerts) and all(alert.is_over for alert in scene.case.alerts)
    return bool(measured) or (is_over and not any(shape.level == "error" for shape in scene.shapes))


def _calm(book: Book, scene: Scene) -> DiagnosticResult:
    over = [o for o in scene.observations if o.standing.was_shifted and o.channel in ACTIVE]
    over.sort(key=lambda o: (-abs(o.standing.peak), o.number))
    told = [Finding(statement=f"{moved(o)}; it was outside earlier", cites=book.cite([o])) for o in over[:5]]
    looked = scene.at([*scene.alerted()] or [o.entity for o in scene.observations], ACTIVE)
    states = sorted(scene.facts, key=lambda f: (f.is_bad, not f.is_event, f.number))
    told += map(book.finding, [o for o in looked[:5] if o not in over[:5]])
    told += map(book.finding, states[:5])
    past = (
        "; something was, earlier in the window" if over or any(f.is_bad and not f.is_current for f in states) else ""
    )
    return DiagnosticResult(
        status="no_active_fault",
        statement=f"Nothing that was measured is outside its own background now{past}.",
        confidence=_calm_confidence(scene),
        findings=tuple(told),
        missing=tuple(_doubts(book, scene)),
    )


def _calm_confidence(scene: Scene) -> float:
    windows = sorted(o.standing.windows for o in scene.observations)
    return 0.9 if windows and windows[len(windows) // 2] >= 8 else 0.6  # noqa: PLR2004 -- a history that is not thin


def _judged(book: Book, scene: Scene, found: Sequence[Hypothesis]) -> DiagnosticResult:
    old = preexisting(scene)
    standing = [one for one in found if not one.is_ruled_out and not rests_on(one, old)]
    certain = certainty(scene, standing)
    sure = certain.confidences
    top = standing[0] if standing else None
    is_known = is_conclusive(standing, sure[0] if sure else 0.0)
    ranked = _told_of(standing, sure)
    causes = tuple(_ranked(book, one, p, are_steps_told=is_known and one is top) for one, p in ranked)
    beside = second_fault(scene, top, standing) if is_known and top else None
    also = (_ranked(book, *beside, are_steps_told=False),) if beside else ()
    told = findings(book, scene, top)
    shown = [one for one, _ in ranked]
    before = was_so_before(book, [one for one in found if not one.is_ruled_out and rests_on(one, old)])
    against = (*before, *ruled_out(book, top, [one for one in found if one not in shown]))[:RULED_OUT_MAX]
    lacking = _lacking(book, scene, standing, is_known=is_known)
    return DiagnosticResult(
        status="diagnosed" if is_known else "inconclusive",
        category=top.cause.category if is_known and top and top.cause else IncidentCategory.UNKNOWN,
        statement=_statement(scene, causes, also, lacking, is_known=is_known),
        confidence=sure[0] if sure else 0.0,
        confidence_from=certain.reasons,
        causes=causes,
        also=also,
        findings=told,
        ruled_out=against,
        contradictions=contradictions(book, top),
        unexplained=not_explained(book, scene, top),
        missing=tuple(lacking),
        next_checks=tuple(next_checks(standing) or [f"Get {text}" for text in lacking])[:5],
    )


def _told_of(standing: Sequence[Hypothesis], sure: Sequence[float]) -> list[tuple[Hypothesis, float]]:
    """Return what is told of, each with how sure that is: at a place whose cause is not known the places, each once."""
    pairs = list(zip(standing, sure, strict=True))
    if not pairs or pairs[0][0].cause:
        return [pair for n, pair in enumerate(pairs) if n == 0 or pair[1] >= RANKED_LEAST][:RANKED_MAX]
    places: dict[str, tuple[Hypothesis, float]] = {}
    for pair in pairs:
        places.setdefault(pair[0].entity, pair)
    return [pair for n, pair in enumerate(places.values()) if n < PLACES or pair[1] >= RANKED_LEAST][:RANKED_MAX]


def _ranked(book: Book, one: Hypothesis, confidence: float, *, are_steps_told: bool) -> RankedCause:
    return RankedCause(
        entity=one.entity,
        cause=one.id,
        title=title(one),
        confidence=confidence,
        cites=cites(book, one),
        steps=steps(one) if are_steps_told else (),
        never=contraindications(one),
    )


def _lacking(book: Book, scene: Scene, standing: Sequence[Hypothesis], *, is_known: bool) -> list[str]:
    """Return what was not measured and would matter: for the first hypotheses, and for the case as a whole."""
    near = [one for one in standing[:3] if one.missing and (not is_known or one.potential > 0)]
    for one in near:
        gaps(book, one)
    return list(dict.fromkeys([*(text for one in near for text in missing(one)), *_doubts(book, scene)]))


def _doubts(book: Book, scene: Scene) -> list[str]:
    doubts = [
        f"metrics of {e}" for e in scene.alerted() if not any(o.entity in scene.map.near(e) for o in scene.observations)
    ]
    doubts += [f"{series.name} of {series.entity} in the window" for series in scene.stale[:5]]
    doubts += [] if scene.case.knows_changes else ["changes before it began"]
    doubts += ["metrics"] if not scene.observations and not scene.facts else []
    doubts += ["the zone of times without one; they were read as UTC"] if scene.case.has_doubtful_times else []
    for text in doubts:
        book.gap(text)
    return doubts


def _statement(
    scene: Scene,
    causes: Sequence[RankedCause],
    also: Sequence[RankedCause],
    lacking: Sequence[str],
    *,
    is_known: bool,
) -> str:
    if not causes:
        return "What was measured does not name a cause." + (f" Not known: {', '.join(lacking)}." if lacking else "")
    if is_known:
        felt = [moved(o) for o in impact(scene)[:1]]
        beside = [f"Also, and apart from it: {one.title}" for one in also]
        return ". ".join([causes[0].title, *felt, *beside]) + "."
    best = f"Not enough to name a cause. Closest: {causes[0].title}"
    return best + (f"; not known: {', '.join(lacking[:3])}." if lacking else ".")


def _templates(scene: Scene) -> tuple[LogTemplate, ...]:
    order = sorted(scene.shapes, key=lambda s: (not s.is_bad, -abs(s.surge), s.number))
    return tuple(
        LogTemplate(
            template=shape.template,
            entity=shape.entity,
            level=shape.level,
            count=shape.count,
            baseline_count=shape.earlier,
            first_at=None if shape.first_at is None else datetime.fromtimestamp(shape.first_at, UTC),
        )
        for shape in order[:TEMPLATES_MAX]
    )
