"""`${{ path }}`: a field, and nothing else. No expressions, no filters, no code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared.errors import AuthoredError

_FIELD = re.compile(r"\$\{\{\s*([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*)\s*\}\}")
Context = Mapping[str, Any]


def substitute(template: object, context: Context) -> Any:  # noqa: ANN401 -- the type of the field
    """Return a value with its fields filled in; a lone field keeps its type.

    Raises AuthoredError as `fields_of`, and for an unknown field. What a field holds is not looked at again: text from
    outside stays text.
    """
    if not isinstance(template, str) or not fields_of(template):
        return template
    whole = _FIELD.fullmatch(template.strip())
    if whole:
        return lookup(whole[1], context)
    return _FIELD.sub(lambda match: str(lookup(match[1], context)), template)


def lookup(path: str, context: Context) -> Any:  # noqa: ANN401 -- as above
    """Return the field at a dotted path."""
    value: Any = context
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise AuthoredError(f"there is no field {path!r} (no {part!r})")
        value = value[part]
    return value


def fields_of(template: str) -> list[str]:
    """Return the paths a text names. Raises AuthoredError for anything else in `${{ }}`."""
    if "${{" in _FIELD.sub("", template):
        raise AuthoredError(f"{template!r}: only a field such as inputs.host may stand in ${{{{ }}}}")
    return _FIELD.findall(template)
