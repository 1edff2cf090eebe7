"""The read verbs of runbooks: what `gather` may use. One table; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.executor.domain.work import Scalar
from services.executor.ports import Outside
from shared.errors import AuthoredError, NotFoundError
from shared.integrations.reading import Window
from shared.runbooks.substitute import substitute

RECENT = timedelta(minutes=10)
"""Data time within which a measurement counts as the latest."""

Arguments = Mapping[str, Scalar]
Fields = dict[str, Any]


async def largest_process(outside: Outside, environment: str, arguments: Arguments) -> Fields:
    """Return the process of a host that holds the most memory; `memory_percent` is of the host's memory."""
    name = str(arguments["host"])
    infrastructure = outside.infrastructure(environment)
    processes = await infrastructure.processes(name)
    if not processes:
        raise NotFoundError(f"{name} has no processes")
    largest = max(processes, key=lambda process: process.memory_bytes)
    hosts = await infrastructure.hosts([name])
    size = float(hosts[0].facts.get("memory_bytes", 0)) if hosts else 0.0
    fields = {
        "name": largest.name,
        "pid": largest.pid,
        "service": largest.service,
        "started_at": largest.started_at.isoformat(),
        "cpu_percent": float(largest.cpu_percent),
        "memory_bytes": largest.memory_bytes,
    }
    return fields | ({"memory_percent": 100.0 * largest.memory_bytes / size} if size else {})


async def latest_metric(outside: Outside, environment: str, arguments: Arguments) -> Fields:
    """Return the newest measurement of a metric of an entity."""
    entity, metric = str(arguments["entity"]), str(arguments["metric"])
    monitoring = outside.monitoring(environment)
    now = await monitoring.now()
    for series in await monitoring.series([entity], Window(now - RECENT, now)):
        measured = [index for index, value in enumerate(series.values) if value is not None]
        if series.name == metric and measured:
            at = series.start + timedelta(seconds=series.step_seconds * measured[-1])
            return {"value": series.values[measured[-1]], "unit": series.unit, "at": at.isoformat()}
    minutes = RECENT.total_seconds() / 60
    raise NotFoundError(f"no {metric} of {entity} was measured within the last {minutes:g} min")


@dataclass(frozen=True, slots=True)
class ReadVerb:
    """One read verb: the arguments it takes, all of them needed, and what it does."""

    arguments: frozenset[str]
    read: Callable[[Outside, str, Arguments], Awaitable[Fields]]


READS: Mapping[str, ReadVerb] = {
    "host/largest-process@v1": ReadVerb(frozenset({"host"}), largest_process),
    "metric/latest@v1": ReadVerb(frozenset({"entity", "metric"}), latest_metric),
}


async def read(outside: Outside, environment: str, uses: str, arguments: Arguments) -> Fields:
    """Read once. Raises AuthoredError for a verb or arguments there are not, NotFoundError when nothing is there."""
    problem = problem_of(uses, arguments)
    if problem:
        raise AuthoredError(problem)
    return await READS[uses].read(outside, environment, arguments)


async def gather(
    outside: Outside,
    environment: str,
    reads: Iterable[tuple[str, str, Mapping[str, object]]],
    inputs: Mapping[str, Scalar],
) -> dict[str, Fields]:
    """Return what these reads (id, verb, arguments) say; a later one may name fields of an earlier one."""
    gathered: dict[str, Fields] = {}
    for name, uses, given in reads:
        context = {"inputs": inputs, "gather": gathered}
        arguments = {key: substitute(value, context) for key, value in given.items()}
        gathered[name] = await read(outside, environment, uses, arguments)
    return gathered


def problem_of(uses: str, arguments: Mapping[str, object]) -> str:
    """Return what is wrong with a read as it is written, empty when it can be read."""
    verb = READS.get(uses)
    if verb is None:
        return f"no read verb {uses!r}; there are {', '.join(sorted(READS))}"
    if frozenset(arguments) != verb.arguments:
        return f"{uses} takes {', '.join(sorted(verb.arguments))}, not {', '.join(sorted(arguments)) or 'nothing'}"
    return ""
