"""What a body turned out to be. A body gives one of these, or several alerts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from shared.incident.alert import Alert
from shared.incident.enums import Severity

TITLE_MAX = 500
DESCRIPTION_MAX = 4000
LABELS_MAX = 64
LABEL_MAX = 200

_OLDEST, _NEWEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_MILLISECONDS = 1e11
"""Larger numbers are milliseconds: as seconds they would lie after the year 5000."""


@dataclass(frozen=True, slots=True)
class AlertFound:
    """A sighting of an alert. `delivery_key` is the sender's own id of the delivery, equal on each attempt."""

    alert: Alert
    delivery_key: str | None = None


@dataclass(frozen=True, slots=True)
class NotAnAlert:
    """Understood, and not about an alert."""

    why: str
    title: str = ""
    is_test: bool = False
    delivery_key: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Authentic and not understood. `why` is stable; `detail` tells a person what to do."""

    why: str
    detail: str = ""


Parsed = tuple[AlertFound | NotAnAlert | Unreadable, ...]
Parser = Callable[[bytes, Mapping[str, str], datetime], Parsed]
"""(body, headers with lower-case names, receipt time) -> what it is. Total: it never raises."""


class NotUnderstood(Exception):  # noqa: N818 -- leaves a parser as a value, never as an error
    """Ends a parser with an Unreadable."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.unreadable = Unreadable(why, detail)


def total(parser: Parser) -> Parser:
    """Make a parser that raises NotUnderstood one that never raises."""

    @wraps(parser)
    def parse(body: bytes, headers: Mapping[str, str], received_at: datetime) -> Parsed:
        try:
            return parser(body, headers, received_at)
        except NotUnderstood as reason:
            return (reason.unreadable,)

    return parse


def read_json(body: bytes) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the JSON value of a body; a byte order mark and raw newlines in strings are forgiven."""
    if not body.strip():
        raise NotUnderstood("empty", "the body is empty; check the payload of the webhook")
    try:
        return json.loads(body.decode("utf-8-sig"), strict=False)
    except UnicodeDecodeError as error:
        raise NotUnderstood("not_utf8", f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        detail = f"{error.msg} at line {error.lineno} column {error.colno}; quote every variable of the payload"
        raise NotUnderstood("broken_json", detail) from error
    except (RecursionError, ValueError) as error:
        raise NotUnderstood("broken_json", "nested too deeply, or a number is too long") from error


def word(value: object, limit: int = LABEL_MAX) -> str:
    """Return a field as text; what stands for "missing" (null, an unresolved variable) becomes empty.

    Half a surrogate pair, which JSON can escape and UTF-8 cannot hold, becomes `?`.
    """
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return ""
    text = str(value).encode("utf-8", "replace").decode().replace("\x00", "").strip()
    return "" if text.lower() in ("null", "none", "undefined") or text.startswith("$") else text[:limit]


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
    return datetime.fromtimestamp(seconds, UTC) if _OLDEST.timestamp() <= seconds <= _NEWEST.timestamp() else None


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
    return next((_SEVERITIES[c.lower()] for c in candidates if c.lower() in _SEVERITIES), Severity.SEV3)
