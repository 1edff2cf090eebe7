"""One diagnosis case (`rca-case/1`): what is known of an incident, from whatever systems were connected.

Every field may be missing or null and unknown fields are ignored: a reader that knows only some of it still answers.
An item that cannot be read is left out. Nothing may be concluded from `case_id` and `source`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from shared.incident.model import Model

T = TypeVar("T")
MILLISECONDS_FROM = 1e11
"""A larger epoch number can only be milliseconds."""


def instant(value: object) -> float | None:
    """Return epoch seconds of a number or ISO text; text without a zone is read as UTC. None when it is no time."""
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return number(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    found = number(value)
    return found / 1000.0 if found is not None and found > MILLISECONDS_FROM else found


def is_zoneless(value: object) -> bool:
    """Say whether a time was written as text without its zone, so that it may be hours off."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is None
    except ValueError:
        return False


def number(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool | int | float | str):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            return None
        return found if abs(found) < float("inf") else None
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None or isinstance(value, dict | list) else str(value)


def _mapping(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _readable(value: object, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 -- what the field holds
    """Read a list; item by item when the whole of it cannot be read."""
    if not isinstance(value, list | tuple):
        return handler([])
    try:
        return handler(value)
    except ValidationError:
        return tuple(item for one in value for item in _read(one, handler))


def _read(item: object, handler: ValidatorFunctionWrapHandler) -> Iterator[Any]:
    try:
        yield from handler([item])
    except ValidationError:
        return


def _numbers(value: object, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 -- a tuple of numbers
    """Read measurements; what is no number becomes a missing one, so that times stay right."""
    if not isinstance(value, list | tuple):
        return ()
    try:
        return handler(value)
    except ValidationError:
        return tuple(number(one) for one in value)


Text = Annotated[str, BeforeValidator(_text)]
Instant = Annotated[float | None, BeforeValidator(instant)]
Number = Annotated[float | None, BeforeValidator(number)]
Facts = Annotated[dict[str, Any], BeforeValidator(_mapping)]
Items = Annotated[tuple[T, ...], WrapValidator(_readable)]
Values = Annotated[tuple[float | None, ...], WrapValidator(_numbers)]


class CaseAlert(Model):
    """An alert, or the raw body of a monitoring tool with its labels."""

    id: Text = ""
    entity: Text = ""
    metric: Text = ""
    at: Instant = None
    title: Text = ""
    status: Text = ""
    state: Text = ""
    labels: Facts = Field(default={}, alias="commonLabels")
    annotations: Facts = Field(default={}, alias="commonAnnotations")

    @property
    def place(self) -> str:
        """The entity it is about; empty when it does not say."""
        return self.entity or _text(self.labels.get("host")) or _text(self.labels.get("service"))

    @property
    def named(self) -> tuple[str, ...]:
        """All that it may be about, the likeliest first: its entity, labels, annotations, the words of its title."""
        told = [*self.labels.values(), *self.annotations.values()]
        found = [self.place, *(value for value in told if isinstance(value, str)), *self.title.split()]
        return tuple(dict.fromkeys(text.strip(",.:;?!()'\"") for text in found if text))

    @property
    def is_over(self) -> bool:
        """Whether the source itself says that there is no problem (any more)."""
        return (self.status or self.state).lower() in {"recovered", "resolved", "normal", "ok"}


class CaseEntity(Model):
    """A part of the system."""

    id: Text = ""
    kind: Text = ""
    zone: Text = ""


class CaseEdge(Model):
    """`src` calls, runs on, ... `dst`."""

    src: Text = ""
    dst: Text = ""
    kind: Text = "calls"


class CaseTopology(Model):
    """Who is there and who needs whom."""

    entities: Items[CaseEntity] = ()
    edges: Items[CaseEdge] = ()


class CaseBackground(Model):
    """What was normal for a metric before what was fetched of it: quantiles of medians of earlier windows of 300 s."""

    windows: Number = None
    quantiles: Values = ()
    since: Instant = None
    until: Instant = None

    @property
    def medians(self) -> tuple[float, ...]:
        """The quantiles that are known, in order."""
        return tuple(sorted(value for value in self.quantiles if value is not None))

    @property
    def depth(self) -> int:
        """How many windows are behind it; none when it says nothing of how far they lie apart."""
        known = len(self.medians)
        return max(int(self.windows or 0), known) if known > 1 else 0


class CaseSeries(Model):
    """One metric: a baseline that ends where the window starts. `limit` is the capacity of what is measured."""

    id: Text = ""
    entity: Text = ""
    name: Text = ""
    unit: Text = ""
    harmful: Text = ""
    step_s: Number = None
    baseline: Values = ()
    window: Values = ()
    window_t0: Instant = None
    limit: Number = None
    background: Annotated[CaseBackground, BeforeValidator(_mapping)] = CaseBackground()


class CaseLog(Model):
    """A log line as it was written; `pod` is the instance that wrote it."""

    entity: Text = ""
    pod: Text = ""
    at: Instant = None
    level: Text = ""
    msg: Text = ""
    raw: Text = ""


class CaseChange(Model):
    """A deploy, configuration change, flag flip, ..."""

    id: Text = ""
    at: Instant = None
    kind: Text = ""
    entity: Text = ""
    title: Text = ""
    details: Facts = Field(default={})

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where it took effect; empty when the source does not say."""
        named = self.details.get("hosts")
        return tuple(name for name in named if isinstance(name, str)) if isinstance(named, list | tuple) else ()


class CaseEvent(Model):
    """Something that happened and was no change of anybody's: a failover, a backup, a node that went away, ..."""

    id: Text = ""
    at: Instant = None
    kind: Text = ""
    entity: Text = ""
    title: Text = ""


class Case(Model):
    """The whole case. Times are epoch seconds of data time."""

    alerts: Items[CaseAlert] = ()
    topology: Annotated[CaseTopology, BeforeValidator(_mapping)] = CaseTopology()
    metrics: Items[CaseSeries] = ()
    logs: Items[CaseLog] = ()
    logs_baseline: Items[CaseLog] = ()
    changes: Items[CaseChange] = ()
    events: Items[CaseEvent] = ()
    raw: Facts = Field(default={})
    """Facts, pods, hosts, status pages, ..., and the output of tools as they gave it."""
    knows_changes: bool = False
    """Whether anybody looked for changes; an empty list says that there were none."""
    has_doubtful_times: bool = False
    """Whether a time of an alert or change came as text without its zone."""


def read_case(value: object) -> Case:
    """Return a case. Raises ValueError when `value` is no JSON object."""
    if not isinstance(value, dict):
        raise ValueError(f"a case is a JSON object, not {type(value).__name__}")  # noqa: TRY004 -- wrong data, not a bug
    lists = [found for key in ("alerts", "changes") if isinstance(found := value.get(key), list | tuple)]
    doubtful = any(is_zoneless(item.get("at")) for items in lists for item in items if isinstance(item, dict))
    known = isinstance(value.get("changes"), list | tuple)
    return Case.model_validate({**value, "has_doubtful_times": doubtful, "knows_changes": known})
