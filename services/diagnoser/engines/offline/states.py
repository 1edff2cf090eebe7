"""Facts of a case that have fields of their own: states, instances, status pages, planned work, events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from services.diagnoser.domain.case import Case, instant, number
from services.diagnoser.engines.offline.facts import KINDS, OVER, Fact, brief, event, instances, items, word
from services.diagnoser.engines.offline.tools import tool

NEARLY_ALL = 0.95
OFFSET_MS = 100.0
LASTS = 3600.0
"""Seconds for which trouble an event tells of is believed to last, when no end is known."""
AHEAD = 900.0
_FINE = frozenset(["available", "running", "ok", "healthy", "ready", "active", "in_service", "primary", "backing-up"])
_OWN = frozenset({"state", "pods", "hosts", "on_call", "status_pages", "calendar", "past_incidents"})
_OF_PODS = frozenset({"crash_loop", "unschedulable", "image_missing", "probe_failing", "config_missing", "oom_killed"})


def facts_of(case: Case, now: float | None) -> tuple[Fact, ...]:
    """Return the facts of a case, those with a field of their own first, then events, each in the order of the case."""
    found: list[Fact] = []
    for item in items(case.raw.get("state")):
        found += _state(item)
    for item in items(case.raw.get("pods")):
        found += _own_pod(item)
    for item in items(case.raw.get("status_pages")):
        found.append(_page(item))
    for item in items(case.raw.get("calendar")):
        found += _planned(item, now)
    for key, value in case.raw.items():
        if key not in _OWN or isinstance(value, dict):
            found += tool(value)
    found += [event(e.entity, f"{e.kind} {e.title}", e.kind, e.at) for e in case.events]
    told = [fact.at for fact in found if fact.at is not None and fact.is_event]
    is_measured = any(series.window_t0 is not None for series in case.metrics)
    latest = now if is_measured else max([*told, *([] if now is None else [now])], default=None)
    known = (fact for fact in _settled(found, latest) if fact.kind in KINDS)
    return tuple(replace(fact, number=n) for n, fact in enumerate(known))


def _settled(facts: Iterable[Fact], now: float | None) -> Iterator[Fact]:
    """Let a later word that something is over, or that it is fine now, take the earlier ones back."""
    every = list(facts)
    fine = {(f.kind, f.entity) for f in every if not f.is_bad and not f.is_event}
    lacking = {f.entity for f in every if f.kind == "pods_not_ready" and f.is_bad}
    ready = {f.entity for f in every if f.kind == "pods_not_ready" and not f.is_bad} - lacking
    over = [(f.kind, f.entity, f.at) for f in every if f.is_event and not f.is_bad and f.at is not None]
    for fact in every:
        if not fact.is_event or not fact.is_bad:
            yield fact
            continue
        is_old = now is not None and fact.at is not None and now - fact.at > LASTS
        is_early = fact.at is not None and now is not None and fact.at > now + AHEAD
        is_over = any(k in {"", fact.kind} and e == fact.entity and at >= (fact.at or 0.0) for k, e, at in over)
        is_fine = (fact.kind, fact.entity) in fine or (fact.kind in _OF_PODS and fact.entity in ready)
        yield replace(fact, is_current=not (is_old or is_early or is_over or is_fine))


def _state(item: Mapping[str, Any]) -> Iterator[Fact]:
    kind, entity, at = word(item, "kind"), word(item, "entity"), instant(item.get("at"))
    if kind in _CAPACITIES:
        yield from _capacity(item, entity, at, *_CAPACITIES[kind])
    for name, is_bad, text in _STATES.get(kind, _nothing)(item, at):
        yield Fact(0, name, entity, text, is_bad, at=at)


_CAPACITIES = {
    "pool": ("pool_exhausted", "used", "max", "to", "connections to {} in use"),
    "ports": ("ports_exhausted", "ephemeral_used", "ephemeral_limit", "", "ports in use"),
    "quota": ("quota_exhausted", "used_per_min", "limit_per_min", "api", "calls a minute used"),
}
"""Kind of state -> its fact, the fields of what is used, of what there is and of whom else it is about, and words."""


def _capacity(  # noqa: PLR0917 -- the columns of the table above
    item: Mapping[str, Any], entity: str, at: float | None, name: str, used: str, most: str, peer: str, what: str
) -> Iterator[Fact]:
    part, whole, to = number(item.get(used)), number(item.get(most)), word(item, peer)
    if part is not None and whole:
        text = f"{brief(part)} of {brief(whole)} {what.format(to)}"
        yield Fact(0, name, entity, text, part >= NEARLY_ALL * whole, at=at, peer=to)


Stated = Iterator[tuple[str, bool, str]]


def _nothing(_: Mapping[str, Any], __: float | None) -> Stated:
    yield from ()


def _slo(item: Mapping[str, Any], _: float | None) -> Stated:
    burn, now, target = (number(item.get(key)) for key in ("burn_rate_1h", "p95_now_ms", "p95_target_ms"))
    if burn is not None or (now is not None and target is not None):
        is_bad = (burn or 0.0) > 2.0 or (now is not None and target is not None and now > 1.2 * target)  # noqa: PLR2004 -- twice the budget
        yield "slo_burning", is_bad, f"error budget burns {brief(burn)} times as fast as allowed"


def _runtime(item: Mapping[str, Any], _: float | None) -> Stated:
    pods, ready, restarts = (number(item.get(key)) for key in ("pods", "ready", "restarts_1h"))
    if pods is not None and ready is not None:
        yield "pods_not_ready", ready < pods, instances(ready, pods)
    if restarts is not None:
        yield "restarting", restarts > 0, f"{brief(restarts)} restarts in an hour"


def _instance(item: Mapping[str, Any], _: float | None) -> Stated:
    state, days = word(item, "state").lower(), number(item.get("last_failover_days"))
    if state:
        yield "instance_down", state not in _FINE and "fail" not in state, f"its state is {state}"
        yield "failed_over", "fail" in state, f"its state is {state}"
    if days is not None:
        yield "failed_over", days < 0.1, f"failed over {brief(days)} days ago"  # noqa: PLR2004 -- some two hours


def _tls(item: Mapping[str, Any], at: float | None) -> Stated:
    ends = [end for key in ("leaf_not_after", "issuer_not_after") if (end := instant(item.get(key))) is not None]
    if ends and at is not None:
        yield "certificate_expired", min(ends) <= at, "a certificate of its chain is valid until then"


def _ntp(item: Mapping[str, Any], _: float | None) -> Stated:
    offset = number(item.get("offset_ms"))
    is_off = item.get("synchronised") is False or abs(offset or 0.0) > OFFSET_MS
    yield "clock_off", is_off, f"its clock is {brief(offset)} ms off"


def _disk(item: Mapping[str, Any], _: float | None) -> Stated:
    used = number(item.get("used_pct"))
    if used is not None:
        yield "disk_full", used >= 100 * NEARLY_ALL, f"a disk is {brief(used)} % full"


def _backup(item: Mapping[str, Any], _: float | None) -> Stated:
    yield "backup_running", word(item, "state").lower() in {"running", "in_progress", "started"}, "a backup is running"


_STATES: Mapping[str, Callable[[Mapping[str, Any], float | None], Stated]] = {
    "slo": _slo,
    "runtime": _runtime,
    "instance": _instance,
    "tls": _tls,
    "ntp": _ntp,
    "disk": _disk,
    "backup": _backup,
}


def _own_pod(item: Mapping[str, Any]) -> Iterator[Fact]:
    if isinstance(item.get("ready"), bool):
        text = instances(item["ready"], 1, word(item, "pod"))
        yield Fact(0, "pods_not_ready", word(item, "entity"), text, not item["ready"])


def _page(item: Mapping[str, Any]) -> Fact:
    status = word(item, "status")
    is_fine = OVER.search(status) is not None or status.lower() in {"", "ok", "up", "none", "green"}
    at = instant(item.get("updated")) or instant(item.get("at"))
    text = f"its status page says {'all is well' if is_fine else 'there is trouble'}"
    return Fact(0, "provider_outage", word(item, "provider"), text, not is_fine, at=at)


def _planned(item: Mapping[str, Any], now: float | None) -> Iterator[Fact]:
    start, end = instant(item.get("start")), instant(item.get("end"))
    is_now = now is not None and start is not None and start <= now <= (end if end is not None else now)
    named = item.get("entities")
    for entity in named if isinstance(named, list) else []:
        yield Fact(0, "planned_work", str(entity), "work was planned for this time", is_now, at=start, is_text=True)
