"""The evidence of a case as a bounded, deterministic text: what matters most first, and never more than fits.

Every line is one item: id, kind, entity, channel, trust, for how long, and a text in quotes as JSON has them, so that
no text of anybody can end its line or look like another. Log bodies are there as masked shapes only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson

from services.diagnoser.engines.anthropic.claims import Source
from services.diagnoser.engines.anthropic.estimate import fitting
from services.diagnoser.engines.anthropic.ground import Ground
from services.diagnoser.engines.anthropic.veil import Veil
from services.diagnoser.engines.offline.wording import span
from shared.incident.evidence import Evidence

ITEMS_MAX = 40
TOKENS_MAX = 3000
CANDIDATES_MAX = 5
PLACES_MAX = 12
NAME_MAX = 80
_TAGS = str.maketrans("<>", "()")
_RESERVED = 700
"""Tokens of the pack for where things are and what the offline engine thinks."""


class Item(NamedTuple):
    """What may be cited: its id, its line, and what the model has read of it then."""

    id: str
    line: str
    text: str


def packed(items: Iterable[Item], around: Iterable[str], veil: Veil, source: Source) -> str:
    """Return the pack: as many items as fit, what matters most first. They are entered as shown to the model."""
    chosen = list(items)[:ITEMS_MAX]
    lines = fitting([veil.hide(item.line) for item in chosen], TOKENS_MAX - _RESERVED)
    for item in chosen[: len(lines)]:
        source.shown.setdefault(item.id, []).append(item.text)
    told = fitting([veil.hide(text) for text in around], _RESERVED - 50)
    return "\n".join(["<evidence>", *lines, "</evidence>", "<context>", *told, "</context>"])


def pack(ground: Ground, veil: Veil) -> str:
    """Return the pack of a case."""
    items = [Item(item.id, line(ground, item), item.summary) for item in _chosen(ground)[:ITEMS_MAX]]
    return packed(items, [*_places(ground), *_candidates(ground)], veil, ground)


def line(ground: Ground, item: Evidence) -> str:
    """Return the line of a piece of evidence of a case."""
    now = ground.scene.now
    lasts = f"for {span(now - item.start.timestamp())}" if item.start is not None and now is not None else ""
    return fields(item.id, item.kind, item.entity, item.channel, item.trust, lasts, item.summary)


def fields(*told: str) -> str:
    """Return one line: plain fields, and the last one as a text in quotes."""
    return f"{' | '.join(plain(text) or '-' for text in told[:-1])} | {quoted(told[-1])}"


def quoted(text: str) -> str:
    """Return a text as a JSON string on one line, in which nothing opens or closes a tag."""
    return orjson.dumps(" ".join(text.split())).decode().translate(_TAGS)


def plain(text: str) -> str:
    """Return a name so that it ends no line and no field."""
    return " ".join(text.replace("|", "/").translate(_TAGS).split())[:NAME_MAX]


def _chosen(ground: Ground) -> list[Evidence]:
    """Return the evidence, what the offline conclusion rests on first, then what else is wrong, then the rest."""
    scene, book = ground.scene, ground.book
    first = [item.id for item in ground.conclusion.evidence]
    more = [*book.cite((*scene.harmful(), *scene.troubles(), *scene.surging))]
    more += [book.change(number, change) for number, change in enumerate(scene.case.changes)]
    more += book.cite(scene.at(scene.alerted(), {o.channel for o in scene.observations}))
    return [book.entries[name] for name in dict.fromkeys([*first, *more])]


def _places(ground: Ground) -> Iterator[str]:
    scene = ground.scene
    around = [o.entity for o in scene.harmful()]
    for entity in list(dict.fromkeys([*scene.alerted(), *around]))[:PLACES_MAX]:
        yield place(ground, entity)


def place(ground: Ground, entity: str) -> str:
    """Return one line about an entity: what it is, where it runs, what runs there, whom it calls, who calls it."""
    chart = ground.scene.map
    parts = [f"entity {plain(entity)} ({plain(chart.kinds.get(entity, 'of unknown kind'))})"]
    for word, found in (
        ("runs on", chart.machines),
        ("runs", chart.tenants),
        ("calls", chart.callees),
        ("is called by", chart.callers),
    ):
        names = list(dict.fromkeys(found.get(entity, ())))[:8]
        parts += [f"{word} {', '.join(plain(name) for name in names)}"] if names else []
    return "; ".join(parts)


def _candidates(ground: Ground) -> Iterator[str]:
    result = ground.conclusion.result
    yield f"the offline engine says: {result.status}, confidence {result.confidence:.2f}"
    for one in result.causes[:CANDIDATES_MAX]:
        yield f"candidate: {one.cause} at {plain(one.entity)}, confidence {one.confidence:.2f}"
    yield from (f"not measured: {plain(text)}" for text in result.missing[:CANDIDATES_MAX])
