"""From what a recommendation says to what is really there: typed inputs, targets, conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from services.executor.domain.work import ClauseRead, Scalar
from shared.errors import AuthoredError, NotFoundError
from shared.integrations.reading import InfrastructureReader
from shared.runbooks.conditions import holds, seen
from shared.runbooks.model import Input
from shared.runbooks.plan import PlannedClause

_TYPES: Mapping[str, type] = {"integer": int, "boolean": bool}


async def resolve_inputs(
    inputs: Mapping[str, Input], given: Mapping[str, Scalar], infrastructure: InfrastructureReader
) -> dict[str, Scalar]:
    """Return every input of a runbook with its value. Raises AuthoredError or NotFoundError, naming the input."""
    unknown = sorted(set(given) - set(inputs))
    if unknown:
        raise AuthoredError(f"the runbook has no input {unknown[0]!r}")
    resolved: dict[str, Scalar] = {}
    for name, wanted in inputs.items():
        value = given.get(name, wanted.default)
        if value is None:
            raise AuthoredError(f"the input {name!r} has no value")
        problem = _problem(wanted, value)
        if problem:
            raise AuthoredError(f"the input {name!r} {problem}")
        if wanted.type in ("host", "service"):
            await must_exist(infrastructure, str(value), wanted.type)
        resolved[name] = value
    return resolved


def _problem(wanted: Input, value: Scalar) -> str:
    if type(value) is not _TYPES.get(wanted.type, str):
        return f"is no {wanted.type}: {value!r}"
    if wanted.pattern and not re.fullmatch(wanted.pattern, str(value)):
        return f"does not fit {wanted.pattern!r}: {value!r}"
    return ""


async def must_exist(infrastructure: InfrastructureReader, name: str, kind: str = "") -> None:
    """Raise NotFoundError unless there is a host, or another entity, of this name."""
    if kind != "service" and await infrastructure.hosts([name]):
        return
    if kind != "host" and name in (await infrastructure.topology()).entities:
        return
    raise NotFoundError(f"there is no {kind or 'target'} {name!r}")


def read_clauses(clauses: Iterable[PlannedClause], context: Mapping[str, Any]) -> list[ClauseRead]:
    """Return each precondition as it is now. Raises AuthoredError for one that cannot be evaluated."""
    return [
        {"text": clause.text, "holds": holds(clause.when, context), "value": seen(clause.when, context)}
        for clause in clauses
    ]
