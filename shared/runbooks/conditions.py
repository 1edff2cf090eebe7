"""Conditions in CEL (Common Expression Language), evaluated with cel-python, which is imported at the first use.

Each clause becomes one line of evidence, so a clause is shown with the values it looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from shared.errors import AuthoredError
from shared.runbooks.substitute import lookup

_PATHS = re.compile(r"\b((?:gather|inputs)(?:\.[a-z_][a-z0-9_]*)+|value)\b")

TENTHS_FROM = 10.0


def holds(condition: str, context: Mapping[str, Any]) -> bool:
    """Evaluate a condition. Raises AuthoredError when it is no CEL, is not a yes or no, or misses a field."""
    from celpy.adapter import json_to_cel  # noqa: PLC0415 -- a quarter of a second that only activities pay
    from celpy.celtypes import BoolType  # noqa: PLC0415 -- as above
    from celpy.evaluation import CELEvalError  # noqa: PLC0415 -- as above

    try:
        result = _program(condition).evaluate({name: json_to_cel(value) for name, value in context.items()})
    except (CELEvalError, KeyError, TypeError, ValueError) as error:
        raise AuthoredError(f"condition {condition!r} cannot be evaluated: {_reason(error)}") from error
    if not isinstance(result, BoolType):
        raise AuthoredError(f"condition {condition!r} is not a yes or no")
    return bool(result)


def seen(condition: str, context: Mapping[str, Any]) -> str:
    """Return the values a condition looked at, such as `gather.memory.value = 93.1`."""
    paths = dict.fromkeys(_PATHS.findall(condition))
    return ", ".join(f"{path} = {shown(lookup(path, context))}" for path in paths)


def shown(value: object) -> str:
    """Return a value as people read it: three digits of a number, more only before the point."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1f}" if abs(value) >= TENTHS_FROM else f"{value:.3g}"


@lru_cache(maxsize=256)
def _program(condition: str) -> Any:  # noqa: ANN401 -- untyped library
    from celpy import Environment  # noqa: PLC0415 -- as above
    from celpy.celparser import CELParseError  # noqa: PLC0415 -- as above

    environment = Environment()
    try:
        return environment.program(environment.compile(condition))
    except CELParseError as error:
        raise AuthoredError(f"condition {condition!r} is not CEL: {error}") from error


def _reason(error: Exception) -> str:
    """Return the library's reason without the dump of all its functions and types that it adds."""
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.partition(" (in activation")[0].partition(" applied to ")[0]
