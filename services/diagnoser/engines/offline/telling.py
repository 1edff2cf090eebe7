"""What is said of a hypothesis: its title, findings with citations, why others fall behind, what to look at next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from services.diagnoser.engines.offline.book import Book, Seen, before, name_of
from services.diagnoser.engines.offline.book import told as stated
from services.diagnoser.engines.offline.catalogue import UNKNOWN, Signal
from services.diagnoser.engines.offline.changes import covers
from services.diagnoser.engines.offline.scene import Observation, Scene, impact
from services.diagnoser.engines.offline.signals import Match
from services.diagnoser.engines.offline.weighing import Hypothesis, unexplained
from services.diagnoser.engines.offline.wording import moved, span
from shared.incident.diagnosis import Contraindication, ManualStep
from shared.incident.evidence import Finding

FINDINGS_MAX = 10
RULED_OUT_MAX = 5
SPARED_MAX = 8
NAMES_MAX = 4


def title(one: Hypothesis) -> str:
    """Return the title of a cause with its place and change filled in."""
    if one.cause is None:
        return f"Trouble starts at {one.entity}; its cause is not known"
    change = name_of(one.link.change) if one.link else "a change"
    return one.cause.title.replace("{entity}", one.entity).replace("{change}", change)


def steps(one: Hypothesis) -> tuple[ManualStep, ...]:
    """Return what a person may do about it."""
    change = name_of(one.link.change) if one.link else "the last change"
    return tuple(
        ManualStep(
            do=action.do.replace("{entity}", one.entity).replace("{change}", change),
            risk=action.risk,
            reversible=action.reversible,
            verify=action.verify.replace("{entity}", one.entity),
        )
        for action in (one.cause.actions if one.cause else ())
    )


def contraindications(one: Hypothesis) -> tuple[Contraindication, ...]:
    """Return what must not be done about it."""
    return tuple(Contraindication(verbs=never.verbs, why=never.why) for never in (one.cause.never if one.cause else ()))


def cites(book: Book, one: Hypothesis) -> tuple[str, ...]:
    """Return the evidence a hypothesis rests on; what is missing when nothing else speaks for it."""
    shown = list(book.cite((*one.observations[:6], *one.facts[:4])))
    shown += [book.link(one.link)] if one.link else []
    shown += book.cite(shape for m in one.support for shape in m.shapes)
    shown += book.cite(one.suspect.shapes[:3]) if one.suspect else ()
    shown = shown or [
        book.alert(n, a) for n, a in enumerate(book.scene.case.alerts) if book.scene.alerts[n] == one.entity
    ]
    return tuple(dict.fromkeys(shown)) or gaps(book, one) or (book.gap(f"what happens at {one.entity}", one.entity),)


def gaps(book: Book, one: Hypothesis) -> tuple[str, ...]:
    """Enter what a hypothesis would need and nobody measured."""
    return tuple(book.gap(text, one.entity) for text in missing(one))


def missing(one: Hypothesis) -> list[str]:
    """Return what a hypothesis would need and nobody measured."""
    return [f"{_wanted(m.signal)} of {one.entity}" for m in one.missing]


def _wanted(signal: Signal) -> str:
    return " or ".join([*signal.channel, *(kind.replace("_", " ") for kind in signal.fact)]) or "log lines"


def findings(book: Book, scene: Scene, top: Hypothesis | None) -> tuple[Finding, ...]:
    """Return the statements behind the first hypothesis, then what else is wrong now."""
    told: dict[str, Finding] = {}
    seen: list[Seen] = []
    if top is not None:
        if top.link:
            spared = f" and spared {_names(top.link.spared)}" if top.link.spared else ""
            where = f" reached {', '.join(top.link.change.hosts)}" if top.link.change.hosts else ""
            said = f"{name_of(top.link.change)} came {before(top.link.delay)}{where and ' and' + where}{spared}"
            cited = (book.link(top.link), *book.cite(top.link.spared[:SPARED_MAX]))
            told[cited[0]] = Finding(statement=said, cites=cited)
        seen += [*top.observations, *top.facts, *(shape for m in top.support for shape in m.shapes)]
    seen += [*impact(scene), *scene.harmful(), *scene.troubles(), *scene.surging]
    for found in map(book.finding, seen):
        told.setdefault(found.cites[0], found)
    return tuple(islice(told.values(), FINDINGS_MAX))


def _names(seen: Iterable[Observation]) -> str:
    names = list(dict.fromkeys(one.entity for one in seen))
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more


def ruled_out(book: Book, top: Hypothesis | None, others: Sequence[Hypothesis]) -> tuple[Finding, ...]:
    """Return what one might think and why it is not so, each with the evidence against it."""
    told: dict[str, Finding] = {}
    for one in others:
        needed = {way for signal in one.cause.required for way in signal.ways} if one.cause else set()
        tempting = one.link is not None or any(m.signal in needed for m in one.support)
        contradicting = [m for m in (*one.absent, *one.against) if m.observations or m.shapes or m.facts]
        if one.cause is None or not tempting or not contradicting or (top and one.id == top.id):
            continue
        cited = [c for m in contradicting for c in _cited(book, m)]
        why = "; ".join(dict.fromkeys(_against(m) for m in contradicting))
        told.setdefault(one.id, Finding(statement=f"{title(one)}: {why}", cites=tuple(dict.fromkeys(cited))))
    changes = _other_changes(book, top, [one for one in others if one.link])
    return tuple(islice([*told.values(), *changes], RULED_OUT_MAX))


def was_so_before(book: Book, old: Sequence[Hypothesis]) -> list[Finding]:
    """Return what is no cause because all that shows it was so before the incident."""
    told: dict[str, Finding] = {}
    for one in (one for one in old if one.cause):
        said = f"{title(one)}: it was so before the incident began"
        told.setdefault(one.id, Finding(statement=said, cites=book.cite(one.observations[:3])))
    return list(told.values())


def contradictions(book: Book, top: Hypothesis | None) -> tuple[Finding, ...]:
    """Return what speaks against the first hypothesis and does not rule it out."""
    told: dict[str, Finding] = {}
    for one in top.against if top else ():
        cited = _cited(book, one)
        if cited:
            told.setdefault(_against(one), Finding(statement=_against(one), cites=cited))
    return tuple(islice(told.values(), RULED_OUT_MAX))


def not_explained(book: Book, scene: Scene, top: Hypothesis | None) -> tuple[Finding, ...]:
    """Return what suffers now where the first hypothesis does not reach."""
    return tuple(book.finding(one) for one in (unexplained(scene, top.entity) if top else ())[:RULED_OUT_MAX])


def _cited(book: Book, one: Match) -> tuple[str, ...]:
    return book.cite((*one.observations[:2], *one.shapes[:1], *one.facts[:2]))


def _against(one: Match) -> str:
    shown = moved(one.observations[0]) if one.observations else stated(one.facts[0]) if one.facts else ""
    return one.signal.says or shown or "its signs are not there"


def _other_changes(book: Book, top: Hypothesis | None, linked: Sequence[Hypothesis]) -> list[Finding]:
    told = []
    used = {one.link.number for one in (*linked, *([top] if top else [])) if one.link}
    onsets = [o.onset for o in top.observations if o.onset is not None] if top else []
    for number, change in enumerate(book.scene.case.changes):
        if number in used or top is None or change.at is None or not onsets:
            continue
        late = change.at - min(onsets)
        when = f"came {span(late)} {'after' if late > 0 else 'before'} it began"
        where = "" if covers(book.scene, change, top.entity) else f" and did not reach {top.entity}"
        cited = book.change(number, change, f", {when.removeprefix('came ')}")
        told.append(Finding(statement=f"{name_of(change)}: it {when}{where}", cites=(cited,)))
    return told


def next_checks(found: Sequence[Hypothesis]) -> list[str]:
    """Return what would separate the first hypothesis from the next different one, then what is missing."""
    if not found:
        return []
    top, rivals = found[0], [one for one in found[1:] if one.id != found[0].id]
    asked = [text for rival in rivals[:2] if (text := _separating(top, rival))]
    if top.cause is None:
        asked.append(f"Look at {top.entity} itself: its logs, processes, limits and latest changes")
    asked += [f"Get {text}" for one in found[:2] for text in missing(one)]
    return list(dict.fromkeys(asked))


def _separating(top: Hypothesis, rival: Hypothesis) -> str:
    for one, other in ((top, rival), (rival, top)):
        text = one.cause.check_against(other.id if other.cause else UNKNOWN) if one.cause else ""
        if text:
            change = one.link or other.link
            named = name_of(change.change) if change else "the last change"
            return text.replace("{entity}", one.entity).replace("{change}", named)
    needed = [f"{_wanted(m.signal)} of {one.entity}" for one in (top, rival) for m in one.support[:1]]
    return f"Compare {' with '.join(dict.fromkeys(needed))}: which of them moved first" if len(set(needed)) > 1 else ""
