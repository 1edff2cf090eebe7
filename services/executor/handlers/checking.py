"""What must be right in a runbook before an incident needs it. Which verbs can act differs by environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.executor.handlers.gathering import problem_of
from shared.errors import AuthoredError
from shared.runbooks.model import Runbook
from shared.runbooks.substitute import fields_of


def check_runbooks(runbooks: Iterable[Runbook]) -> None:
    """Raise AuthoredError for the first runbook with a read that does not exist, or a field that cannot."""
    for runbook in runbooks:
        for problem in _problems(runbook):
            raise AuthoredError(f"{runbook.id}/runbook.yaml: {problem}")


def _problems(runbook: Runbook) -> Iterator[str]:
    known = {f"inputs.{name}" for name in runbook.inputs}
    for one in runbook.gather:
        wrong = problem_of(one.uses, one.with_)
        if wrong:
            yield f"gather {one.id!r}: {wrong}"
        yield from _unknown_fields(one.with_, known)
        known.add(f"gather.{one.id}")
    yield from _unknown_fields([step.model_dump() for step in runbook.actions], known)
    yield from _unknown_fields([runbook.verify.model_dump(), runbook.expected_effect], known)


def _unknown_fields(value: object, known: set[str]) -> Iterator[str]:
    for text in _texts(value):
        for path in fields_of(text):
            if not any(path == field or path.startswith(f"{field}.") for field in known):
                yield f"{text!r}: there is no {path!r} here; there are {', '.join(sorted(known))}"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
