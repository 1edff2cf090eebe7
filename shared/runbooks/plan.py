"""The plan: exactly what will run, as RFC 8785 bytes whose digest people approve.

Everything is resolved: targets, arguments, verification, rollback. There are no floats, because 1 and 1.0 would be two
plans that look like one; names are ASCII for the same reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import rfc8785
from pydantic import ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from shared.errors import AuthoredError, RefusedError
from shared.incident.enums import RiskLevel
from shared.incident.incident import Action
from shared.incident.model import Environment, Model
from shared.runbooks.model import Runbook, Step
from shared.runbooks.substitute import substitute

Scalar = StrictStr | StrictInt | StrictBool


class _Part(Model):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PlannedRead(_Part):
    """One read that the recheck repeats."""

    id: str
    uses: str
    arguments: dict[str, Scalar]


class PlannedClause(_Part):
    """One precondition."""

    when: str
    text: str


class PlannedUndo(_Part):
    """The declared undo of a step."""

    name: str
    uses: str
    target: str
    arguments: dict[str, Scalar]
    timeout_seconds: int


class PlannedStep(_Part):
    """One call, resolved."""

    id: str
    name: str
    uses: str
    target: str
    arguments: dict[str, Scalar]
    risk: str
    reversible: bool
    impact: str
    timeout_seconds: int
    settle_seconds: int
    rollback: PlannedUndo | None = None


class PlannedVerify(_Part):
    """What must be true afterwards. `backoff_percent` 100 means reads at a steady pace."""

    name: str
    metric: str
    entity: str
    condition: str
    for_seconds: int
    within_seconds: int
    interval_seconds: int
    max_attempts: int
    backoff_percent: int


class Plan(_Part):
    """A plan. `text()` gives the bytes; nothing outside them is executed."""

    format: Literal["signoff-plan/1"] = "signoff-plan/1"
    environment: Environment
    incident_id: str
    runbook_id: str
    runbook_sha256: str
    title: str
    inputs: dict[str, Scalar]
    gather: tuple[PlannedRead, ...] = Field(strict=False)
    preconditions: tuple[PlannedClause, ...] = Field(strict=False)
    steps: tuple[PlannedStep, ...] = Field(strict=False, min_length=1)
    verify: PlannedVerify
    deadline_seconds: int

    def text(self) -> str:
        """Return the RFC 8785 bytes as text."""
        return rfc8785.dumps(self.model_dump(mode="json")).decode()

    @property
    def targets(self) -> tuple[str, ...]:
        """Everything the plan may touch, sorted."""
        undone = {step.rollback.target for step in self.steps if step.rollback}
        return tuple(sorted({step.target for step in self.steps} | undone))

    @property
    def risk(self) -> RiskLevel:
        """The highest risk of its steps."""
        return max((RiskLevel(step.risk) for step in self.steps), key=lambda risk: risk.rank)

    def actions(self) -> tuple[Action, ...]:
        """Return the steps as pages show them."""
        return tuple(
            Action(
                id=step.id,
                name=step.name,
                uses=step.uses,
                target=step.target,
                arguments=dict(step.arguments),
                risk=RiskLevel(step.risk),
                reversible=step.reversible,
                impact=step.impact,
            )
            for step in self.steps
        )


def digest(text: str) -> str:
    """Return the digest that people approve: SHA-256 of the plan's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_plan(text: str, sha256: str) -> Plan:
    """Return the plan in these bytes. Raises RefusedError when they are not the ones of `sha256`, or no plan."""
    if digest(text) != sha256:
        raise RefusedError("the plan is not the one that was approved")
    try:
        plan = Plan.model_validate_json(text)
    except ValidationError as error:
        raise RefusedError("the plan is not readable") from error
    if plan.text() != text:
        raise RefusedError("the plan is not in its canonical form")
    return plan


def make_plan(
    runbook: Runbook, *, environment: str, incident_id: str, inputs: Mapping[str, Any], gather: Mapping[str, Any]
) -> Plan:
    """Return the plan of a runbook with these inputs and reads. Raises AuthoredError for what cannot be resolved."""
    context = {"inputs": dict(inputs), "gather": dict(gather)}
    verify = runbook.verify
    return Plan(
        environment=environment,
        incident_id=incident_id,
        runbook_id=runbook.id,
        runbook_sha256=runbook.sha256,
        title=_text(runbook.actions[0].name if len(runbook.actions) == 1 else runbook.title, context),
        inputs={name: _scalar(value, name) for name, value in inputs.items()},
        gather=tuple(PlannedRead(id=g.id, uses=g.uses, arguments=_arguments(g.with_, context)) for g in runbook.gather),
        preconditions=tuple(PlannedClause(when=_ascii(c.when), text=_ascii(c.text)) for c in runbook.preconditions),
        steps=tuple(_step(step, context) for step in runbook.actions),
        verify=PlannedVerify(
            name=_text(verify.name, context),
            metric=_text(verify.metric, context),
            entity=_text(verify.entity, context),
            condition=_ascii(verify.condition),
            for_seconds=verify.for_seconds,
            within_seconds=verify.within_seconds,
            interval_seconds=verify.interval_seconds,
            max_attempts=verify.max_attempts,
            backoff_percent=round(verify.backoff * 100),
        ),
        deadline_seconds=runbook.deadline_seconds,
    )


def _step(step: Step, context: Mapping[str, Any]) -> PlannedStep:
    undo = step.rollback
    return PlannedStep(
        id=step.id,
        name=_text(step.name, context),
        uses=step.uses,
        target=_text(step.target, context),
        arguments=_arguments(step.with_, context),
        risk=step.risk.value,
        reversible=step.reversible,
        impact=_text(step.impact, context),
        timeout_seconds=step.timeout_seconds,
        settle_seconds=step.settle_seconds,
        rollback=None
        if undo is None
        else PlannedUndo(
            name=_text(undo.name, context),
            uses=undo.uses,
            target=_text(undo.target, context),
            arguments=_arguments(undo.with_, context),
            timeout_seconds=undo.timeout_seconds,
        ),
    )


def _arguments(given: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Scalar]:
    return {name: _scalar(substitute(value, context), name) for name, value in given.items()}


def _text(template: str, context: Mapping[str, Any]) -> str:
    return str(_scalar(substitute(template, context), template))


def _ascii(text: str) -> str:
    """Return a text that is part of the plan as it was written."""
    return str(_scalar(text, text))


def _scalar(value: object, name: str) -> Scalar:
    """Return a value as a plan may hold it: text in ASCII, a whole number, or a yes or no."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | bool):
        raise AuthoredError(f"{name!r} is a {type(value).__name__}; a plan holds text, whole numbers, yes or no")
    if isinstance(value, str) and not value.isascii():
        raise AuthoredError(f"{name!r} has letters outside ASCII, which can look like others: {value!a}")
    return value
