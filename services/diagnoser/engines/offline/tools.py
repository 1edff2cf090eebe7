"""Facts in the output of tools, found by the shape of its items, whatever the tool and its keys are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from services.diagnoser.domain.case import CaseLog, instant, number
from services.diagnoser.engines.offline import kubernetes
from services.diagnoser.engines.offline.described import described, is_described
from services.diagnoser.engines.offline.facts import Fact, items, word
from shared.incident.numbers import percent


def tool(value: object) -> Iterator[Fact]:
    """Return the facts in a value of any shape; text may be JSON or a table."""
    if isinstance(value, str):
        yield from _text(value)
    elif isinstance(value, list):
        for item in value:
            yield from tool(item)
    elif isinstance(value, dict):
        reader = next((read for is_it, read in _SHAPES if is_it(value)), None)
        yield from reader(value) if reader else (fact for inner in value.values() for fact in tool(inner))


def _text(value: str) -> Iterator[Fact]:
    if value.lstrip()[:1] in {"{", "["}:
        try:
            yield from tool(orjson.loads(value))
        except orjson.JSONDecodeError:
            return
    elif is_described(value):
        yield from described(value)
    elif "\n" in value:
        yield from kubernetes.table(value)


def lines(value: object) -> Iterator[CaseLog]:
    """Return the log lines in a value of any shape: objects with a message, a level and a time."""
    if isinstance(value, list):
        for item in value:
            yield from lines(item)
    elif isinstance(value, dict):
        level = word(value, "status") or word(value, "level")
        if "message" in value and level and "timestamp" in value:
            yield CaseLog(
                entity=word(value, "service"),
                at=instant(value["timestamp"]),
                level=level,
                msg=word(value, "message"),
            )
        else:
            for inner in value.values():
                yield from lines(inner)


def _monitor(item: Mapping[str, Any]) -> Iterator[Fact]:
    state = word(item, "overall_state").lower()
    tags = [tag for tag in item.get("tags") or () if isinstance(tag, str)] if isinstance(item.get("tags"), list) else []
    keys = {key: value for key, _, value in (tag.partition(":") for tag in tags)}
    place = keys.get("service") or keys.get("kube_deployment") or keys.get("host") or ""
    if state in {"ok", "alert", "warn"}:
        yield Fact(0, "monitor_alerting", place, f"a monitor says {state}", state != "ok")


def _load(item: Mapping[str, Any]) -> Iterator[Fact]:
    """Read what a database spends its time on."""
    entity = next((str(value) for key, value in item.items() if str(key).endswith("identifier")), "")
    costs = [_busy(sql) for sql in items(item.get("top_sql"))]
    if costs and sum(costs):
        is_one = max(costs) >= 0.6 * sum(costs) and max(costs) >= 2.0  # noqa: PLR2004 -- most of it, and two processors' worth
        yield Fact(
            0,
            "dominant_statement",
            entity,
            f"one statement takes {percent(max(costs) / sum(costs))} of its time",
            is_one,
        )
    waits = {word(w, "type").lower(): 0.0 for w in items(item.get("top_wait_events"))}
    for wait in items(item.get("top_wait_events")):
        waits[word(wait, "type").lower()] += number(wait.get("db_load_avg")) or 0.0
    for name, load in waits.items():
        is_most = load >= 0.5 * sum(waits.values()) and load >= 2.0  # noqa: PLR2004 -- as above
        yield Fact(
            0,
            f"waits_on_{name}",
            entity,
            f"it waits for {name} {percent(load / (sum(waits.values()) or 1.0))} of the time",
            is_most,
        )


def _busy(sql: Mapping[str, Any]) -> float:
    """Return the load of a statement; what it waits for its client is no work of the database."""
    waits = [w for w in items(sql.get("wait_events")) if word(w, "type").lower() == "client"]
    idle = sum(number(w.get("db_load_avg")) or 0.0 for w in waits)
    return max((number(sql.get("db_load_avg")) or 0.0) - idle, 0.0)


_SHAPES: tuple[tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any]], Iterator[Fact]]], ...] = (
    (lambda item: bool(kubernetes.kind_of(item)), kubernetes.facts),
    (lambda item: "overall_state" in item, _monitor),
    (lambda item: "top_sql" in item or "db_load" in item, _load),
)
