"""The gate: what the model says is wrong counts only if code finds nothing wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.diagnoser.engines.anthropic.answer import Answer, NamedCause
from services.diagnoser.engines.anthropic.claims import problems_of, unknown
from services.diagnoser.engines.anthropic.denying import misstated
from services.diagnoser.engines.anthropic.ground import USER_TEXT, Ground
from services.diagnoser.engines.offline.catalogue import UNKNOWN
from services.diagnoser.engines.offline.changes import TOLERANCE, covers
from shared.incident.evidence import Evidence


def problems(answer: Answer, ground: Ground) -> list[str]:
    """Return what is wrong with an answer, in sentences that help to mend it; nothing when it passes."""
    found = [*_status(answer, ground)]
    for cause in answer.causes:
        found += unknown(cause.cites, ground)
        found += _cause(cause, ground)
    for claim in answer.findings:
        found += [*problems_of(claim, ground), *misstated(claim, ground)]
    for claim in answer.ruled_out:
        found += [*problems_of(claim, ground), *misstated(claim, ground, denies=True)]
    return list(dict.fromkeys(found))


def _status(answer: Answer, ground: Ground) -> Iterator[str]:
    if answer.status == "diagnosed" and not answer.causes:
        yield "it says diagnosed and names no cause"
    if answer.status == "no_active_fault":
        active = [item.id for item in ground.items(ground.shown) if is_wrong_now(item)]
        if answer.causes:
            yield "it says no_active_fault and names a cause"
        if active:
            yield f"it says no_active_fault while {active[0]} is out of order"


def is_wrong_now(item: Evidence) -> bool:
    """Say whether systems measured or state it, and it is out of order now."""
    return item.active_now and item.kind in {"metric", "state"} and item.trust != USER_TEXT


def _cause(one: NamedCause, ground: Ground) -> Iterator[str]:
    if one.cause not in ground.causes and one.cause != UNKNOWN:
        yield f"the catalogue has no cause {one.cause[:60]!r}"
        return
    if one.entity not in ground.entities():
        yield f"the case has no entity {one.entity[:60]!r}"
        return
    own = [item for item in ground.items(one.cites) if is_wrong_now(item) and _is_at(item, one.entity, ground)]
    if not own:
        yield f"{one.cause} at {one.entity} cites nothing measured there that is out of order now"
    known = ground.hypothesis(one.cause, one.entity)
    nothing = "" if one.cause == UNKNOWN else "nothing that was measured speaks for it"
    why = nothing if known is None else ground.why_not(known)
    if why:
        yield f"{one.cause} at {one.entity}: {why}"
    yield from _change(one, own, ground)


def _is_at(item: Evidence, entity: str, ground: Ground) -> bool:
    return item.entity in ground.scene.map.near(entity)


def _change(one: NamedCause, own: Iterable[Evidence], ground: Ground) -> Iterator[str]:
    """Check a change that is blamed, named or only cited: it came before, and it reached the entity."""
    cited = [item.id for item in ground.items(one.cites) if item.kind == "change"]
    began = min((item.start.timestamp() for item in own if item.start is not None), default=None)
    for name in dict.fromkeys([*([one.change] if one.change else []), *cited]):
        item = ground.item(name)
        if item is None or item.kind != "change":
            yield f"no change {name[:40]!r} was shown"
            continue
        change = ground.scene.case.changes[int(name[1:]) - 1]
        if change.at is None or began is None or change.at > began + TOLERANCE:
            yield f"{name} did not come before the trouble at {one.entity} began"
        if not covers(ground.scene, change, one.entity):
            yield f"{name} did not reach {one.entity}"
