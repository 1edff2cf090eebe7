"""Text of senders as a person sees it: what could make it look other than it is stands there as an escape."""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # without width, or blank
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"  # lines, directions, joiners
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"  # shorthand, music, tags
)
_LINES = re.compile("[\t\n\r]")


def visible(text: str) -> str:
    """Return text with its control, direction and zero-width characters as escapes; tabs and line ends stay.

    The escapes are those of JSON, so a JSON text still means the same.
    """
    return text if text.isascii() and text.isprintable() else _HIDDEN.sub(_escape, text)


def one_line(text: str) -> str:
    """Return text as `visible` does, and on one line: on a terminal a second one could pass for ours."""
    return _LINES.sub(lambda found: repr(found[0])[1:-1], visible(text))


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
