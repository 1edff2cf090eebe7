"""What a body turned out to be. A body gives one of these, or several alerts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import ParamSpec

from shared.incident.alert import Alert

P = ParamSpec("P")


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


Found = AlertFound | NotAnAlert | Unreadable
Parsed = tuple[Found, ...]
Parser = Callable[[bytes, Mapping[str, str], datetime], Parsed]
"""(body, headers with lower-case names, receipt time) -> what it is. Total: it never raises."""


class NotUnderstood(Exception):  # noqa: N818 -- leaves a parser as a value, never as an error
    """Ends a parser with an Unreadable."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.unreadable = Unreadable(why, detail)


def total(parser: Parser) -> Parser:
    """Make a parser one that never raises and always finds something, so that no body is lost or sent back for ever."""

    @wraps(parser)
    def parse(body: bytes, headers: Mapping[str, str], received_at: datetime) -> Parsed:
        try:
            return parser(body, headers, received_at) or (Unreadable("nothing", "there is no message in the body"),)
        except NotUnderstood as reason:
            return (reason.unreadable,)
        except Exception as error:  # noqa: BLE001 -- a 500 would be sent again for two days and hold up what follows
            return (Unreadable("parser_failed", f"{type(error).__name__} in the parser; please report this body"),)

    return parse


def understood(find: Callable[P, Found], *args: P.args, **kwargs: P.kwargs) -> Found:
    """Return what `find` finds, so that of several messages one that is not understood takes no other with it."""
    try:
        return find(*args, **kwargs)
    except NotUnderstood as reason:
        return reason.unreadable
