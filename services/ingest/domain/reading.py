"""Reading what senders write: JSON that is almost JSON, and fields that may be missing, odd or too long."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from services.ingest.domain.parsed import NotUnderstood
from shared.incident.enums import Severity

TITLE_MAX = 500
DESCRIPTION_MAX = 4000
LINK_MAX = 1000
LABEL_MAX = 200
LABEL_NAME_MAX = 100
LABELS_MAX = 64
LABELS_TEXT_MAX = 3000
"""Characters of all labels together. With four bytes a character the largest alert still fits into an event."""
SERVICES_MAX = 20

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"[\t\n\r]\s*")
_MISSING = frozenset({"", "null", "none", "undefined"})
_UNFILLED = re.compile(r"\$[a-z_]+(\[[^\]]*\])?|\{\{[^{}]*\}\}", re.IGNORECASE)
"""What senders write when they have nothing: an empty word, a null as text, a variable that was not filled in."""
_MISSING_MAX = len("undefined")
_FORM = re.compile(rb"\s*[A-Za-z_][\w.\[\]-]*=")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * 19
_EMPTY_VALUES_MAX = 32
_FORM_FIELDS_MAX = 1000

_OLDEST, _NEWEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_OLDEST_SECONDS, _NEWEST_SECONDS = _OLDEST.timestamp(), _NEWEST.timestamp()
_MILLISECONDS = 1e11
"""Larger numbers are milliseconds: as seconds they would lie after the year 5000."""


def read_json(body: bytes) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the JSON value of a body, or the fields of a form, of which one named `payload` may hold the JSON.

    Forgiven are a byte order mark, raw newlines in strings, and values left empty (`"a": ,`: a variable without quotes
    that had no value). Names that stand twice and numbers that are none are not: what they mean is a guess.
    """
    value = _read_strict(body)
    return _read_lenient(body) if value is None else value


def _read_strict(body: bytes) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the value of JSON that leaves nothing to guess, in half the time; None when it is not certain to be that.

    The quick parser lets a name stand twice and rounds large integers. A name that stood twice is gone when the value
    is written again, and a colon with it, unless an escaped colon took its place. Integers that it might round have 19
    digits; behind a quote such a number is text.
    """
    digits = body.translate(_DIGITS)
    if digits.count(_LONG) != digits.count(b'"' + _LONG) or (b"\\" in body and b"\\u003" in body):
        return None
    try:
        value = orjson.loads(body)
        return value if orjson.dumps(value).count(b":") == body.count(b":") else None
    except (ValueError, TypeError):  # No strict JSON; or nested more deeply than can be written.
        return None


def _read_lenient(body: bytes) -> Any:  # noqa: ANN401 -- any JSON value
    if not body.strip():
        raise NotUnderstood("empty", "the body is empty; check the payload of the webhook")
    try:
        text = body.decode("utf-8-sig")
        if not _FORM.match(body):
            return _load(text)
        fields = dict(parse_qsl(text.strip(), keep_blank_values=True, max_num_fields=_FORM_FIELDS_MAX))
        return _load(fields["payload"]) if set(fields) == {"payload"} else fields
    except UnicodeDecodeError as error:
        raise NotUnderstood("not_utf8", f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        detail = f"{error.msg} at line {error.lineno} column {error.colno}; quote every variable of the payload"
        raise NotUnderstood("broken_json", detail) from error
    except (RecursionError, ValueError) as error:
        raise NotUnderstood("broken_json", "nested too deeply, too many fields, or a number is too long") from error


def _load(text: str) -> Any:  # noqa: ANN401 -- any JSON value
    for _ in range(_EMPTY_VALUES_MAX):
        try:
            return _DECODER.decode(text)
        except json.JSONDecodeError as error:
            before, after = text[: error.pos].rstrip(), text[error.pos :].lstrip()
            if not before.endswith(":") or not after.startswith((",", "}")):
                raise
            text = f"{before} null{after}"
    raise NotUnderstood("broken_json", "too many values are empty; quote every variable of the payload")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise NotUnderstood("duplicate_name", "a name stands twice in one object; each may stand once")
    return fields


def _no_number(name: str) -> None:
    raise NotUnderstood("broken_json", f"{name} is no JSON")


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_object, parse_constant=_no_number)


def word(value: object, limit: int = LABEL_MAX) -> str:
    """Return a field as text on one line, so that no title passes for two entries; see `prose`."""
    if type(value) is str and value.isascii() and value.isprintable():  # Nearly all is, and stays as it is.
        return _some(value, limit)
    text = prose(value, limit)
    return text if text.isprintable() else _LINE_END.sub(" ", text)


def prose(value: object, limit: int) -> str:
    """Return a field as text with its lines; what stands for "missing" (null, an unresolved variable) becomes empty.

    Control characters go. Half a surrogate pair, which JSON can escape and UTF-8 cannot hold, becomes `?`.
    """
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return ""
    text = str(value)
    if not (text.isascii() and text.replace("\n", "").isprintable()):
        text = _CONTROL.sub("", text.encode("utf-8", "replace").decode())
    return _some(text, limit)


def _some(text: str, limit: int) -> str:
    """Return a text without blanks around it and cut to `limit`; empty when it stands for "missing"."""
    text = text.strip()
    if len(text) <= _MISSING_MAX and text.lower() in _MISSING:
        return ""
    if text[0] in "${" and _UNFILLED.fullmatch(text):
        return ""
    return text if len(text) <= limit else text[:limit].strip()


def labels(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return name and value pairs as labels, without those that lack a half and those that there is no room for.

    A name that is too long is none. It is not cut: its end says whether the value is a secret.
    """
    found: dict[str, str] = {}
    room = LABELS_TEXT_MAX
    for name, value in pairs:
        if len(name) > LABEL_NAME_MAX:
            continue
        room -= len(name) + len(value)
        if room < 0 or len(found) == LABELS_MAX:
            break
        if name and value:
            found[name] = value
    return found


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, empty for anything else."""
    return value if isinstance(value, dict) else {}


def epoch(text: str) -> datetime | None:
    """Return a time from epoch seconds or milliseconds, None when it is neither or outside 2000 to 2100."""
    try:
        number = float(text)
    except ValueError:
        return None
    seconds = number / 1000 if number > _MILLISECONDS else number
    return datetime.fromtimestamp(seconds, UTC) if _OLDEST_SECONDS <= seconds <= _NEWEST_SECONDS else None


def iso_time(text: str) -> datetime | None:
    """Return a time from ISO 8601 text with zone, None when it is not."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None and _OLDEST <= time <= _NEWEST else None


_SEVERITIES = {
    "p1": Severity.SEV1, "sev1": Severity.SEV1, "sev-1": Severity.SEV1, "critical": Severity.SEV1,
    "p2": Severity.SEV2, "sev2": Severity.SEV2, "sev-2": Severity.SEV2, "high": Severity.SEV2, "error": Severity.SEV2,
    "p3": Severity.SEV3, "sev3": Severity.SEV3, "sev-3": Severity.SEV3, "medium": Severity.SEV3,
    "p4": Severity.SEV4, "sev4": Severity.SEV4, "sev-4": Severity.SEV4, "low": Severity.SEV4, "warning": Severity.SEV4,
    "p5": Severity.SEV4, "sev-5": Severity.SEV4, "info": Severity.SEV4,
}  # fmt: skip


def severity(*candidates: str) -> Severity:
    """Return the first candidate that names a severity, else sev3."""
    for candidate in candidates:
        found = _SEVERITIES.get(candidate.lower())
        if found is not None:
            return found
    return Severity.SEV3
