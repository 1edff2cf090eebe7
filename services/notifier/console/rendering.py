"""Templates: everything is escaped, nothing is undefined, nothing in them decides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.notifier.domain import wording
from services.notifier.domain.charts import HEIGHT, WIDTH
from services.notifier.domain.origin import place_of
from shared.events.people import QUESTION_MAX
from shared.incident import numbers
from shared.incident.model import is_simulated
from shared.incident.visible import visible

FOLDER = Path(__file__).parent


def templates() -> Environment:
    """Return the templates with their filters."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "stage": wording.stage,
        "severity": wording.severity,
        "risk": wording.risk,
        "deed": wording.deed,
        "undo": undo,
        "cause": wording.cause,
        "ago": ago,
        "duration": wording.duration,
        "clock": clock,
        "day": day,
        "minute": minute,
        "percent": percent,
        "web_link": web_link,
    }
    environment.tests |= {"simulated": is_simulated}
    environment.globals |= {
        "chart_width": WIDTH,
        "chart_height": HEIGHT,
        "question_max": QUESTION_MAX,
        "no_cause": wording.NO_CAUSE,
    }
    return environment


def _shown(value: object) -> object:
    """Everything that a template prints passes here."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def clock(value: str | datetime) -> str:
    """Return the time of day in UTC."""
    return _instant(value).strftime("%H:%M:%S")


def day(value: str | datetime) -> str:
    """Return day and time in UTC."""
    return _instant(value).strftime("%Y-%m-%d %H:%M:%S UTC")


def undo(thing: Any) -> str:  # noqa: ANN401 -- whatever has `reversible`, as a field or under that name
    """Return sign and word of whether something can be undone."""
    reversible = thing["reversible"] if isinstance(thing, Mapping) else thing.reversible
    return "↺ Reversible" if reversible else "⇥ Not reversible"


def minute(value: str | datetime, now: float) -> str:
    """Return the minute in UTC, with its day unless that is the day of `now` (seconds since the epoch)."""
    instant = _instant(value)
    return instant.strftime(
        "%H:%M UTC" if instant.date() == datetime.fromtimestamp(now, UTC).date() else "%Y-%m-%d %H:%M UTC"
    )


def ago(value: str | datetime, now: float) -> str:
    """Return how long before `now` (seconds since the epoch) something was."""
    return f"{wording.duration(max(0.0, now - _instant(value).timestamp()))} ago"


def percent(share: float) -> str:
    """Return a share of one on one line."""
    return numbers.percent(share).replace(" ", "\u00a0")


def web_link(link: str | None) -> str:
    """Return a link that came with an alert if it is one to the web, else nothing: never `javascript:`."""
    if not link or not link.lower().startswith(("http://", "https://")):
        return ""
    try:
        return link if place_of(link).hosts else ""
    except ValueError:
        return ""


def _instant(value: str | datetime) -> datetime:
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant.astimezone(UTC)


def frame(fragment: str, number: int) -> bytes:
    """Return a fragment as one frame of a stream."""
    lines = "".join(f"data: {line}\n" for line in fragment.splitlines())
    return f"id: {number}\n{lines}\n".encode()


Context = dict[str, Any]
