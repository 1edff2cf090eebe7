"""An event of any type with one text wherever its schema lets anybody write, for what has to show every one of them."""

from __future__ import annotations

from typing import Any

from shared.events.payload import Payload
from shared.events.registry import EVENTS

Schema = dict[str, Any]


def filled(event_type: str, text: str, **fields: Any) -> Payload:  # noqa: ANN401 -- fields of any payload
    """Return an event of this type; all its optional parts are there, and `fields` are as given."""
    schema = EVENTS[event_type].model_json_schema()
    body = _value(schema, schema.get("$defs", {}), text)
    return EVENTS[event_type].model_validate({**body, **fields})


def _value(schema: Schema, known: dict[str, Schema], text: str) -> Any:  # noqa: ANN401 -- any JSON
    if "$ref" in schema:
        return _value(known[schema["$ref"].rpartition("/")[2]], known, text)
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    if "anyOf" in schema:
        return _value(next(one for one in schema["anyOf"] if one.get("type") != "null"), known, text)
    match schema.get("type"):
        case "object":
            more = schema.get("additionalProperties")
            named = {name: _value(inner, known, text) for name, inner in schema.get("properties", {}).items()}
            return named | ({text: _value(more, known, text)} if isinstance(more, dict) else {})
        case "array":
            inner = schema.get("prefixItems") or [schema.get("items", {})]
            return [_value(one, known, text) for one in inner]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return _string(schema, text)


def _string(schema: Schema, text: str) -> str:
    match schema.get("format"), schema.get("pattern"):
        case "date-time", _:
            return "2026-11-24T03:00:00Z"
        case _, None:
            return text[: schema.get("maxLength", len(text))]
        case _, pattern:
            return _BY_PATTERN[pattern]


_BY_PATTERN = {"^[0-9a-f]{64}$": "0" * 64}
