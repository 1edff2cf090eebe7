"""What comes in, made ready for an inbox: text both databases take, each id once, bodies read totally. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import orjson

from shared.store.model import Incoming, Lane, Message
from shared.store.schema import seen_key


class Accepted(NamedTuple):
    """One message as `seen` and `inbox` will hold it; `key` is its place in `seen`, `meta` JSON text."""

    key: bytes
    aggregate: str
    lane: Lane
    id: str
    type: str
    body: bytes
    meta: str


def accept(messages: Iterable[Incoming], lane_of: Callable[[str], Lane]) -> list[Accepted]:
    """Return the messages in order, each (id, resend) once. Raises ConfigurationError for an unknown kind."""
    taken: dict[bytes, Accepted] = {}
    homes: dict[str, tuple[str, Lane]] = {}
    for message in messages:
        key = seen_key(message.id, message.resend)
        if key in taken:
            continue
        home = homes.get(message.aggregate)
        if home is None:
            home = homes[message.aggregate] = (mended(message.aggregate), lane_of(message.aggregate))
        meta = {"resend": str(message.resend), **message.meta} if message.resend else message.meta
        taken[key] = Accepted(key, *home, mended(message.id), mended(message.type), message.body, mended_json(meta))
    return list(taken.values())


def read_message(seq: int, message_id: str, message_type: str, body: bytes, meta: str) -> tuple[Message, str | None]:
    """Return a message as it lay in the inbox, and why it can never be decided, if its body is no JSON.

    Such a message has its body as text, with what is no UTF-8 replaced.
    """
    headers = orjson.loads(meta) if meta else {}
    try:
        return Message(seq, message_id, message_type, orjson.loads(body), headers), None
    except orjson.JSONDecodeError as error:
        text = body.decode(errors="replace")
        return Message(seq, message_id, message_type, text, headers), f"body is no JSON: {error}"


def mended(text: str) -> str:
    """Return `text` as both databases take it: a NUL and half a surrogate pair become replacement characters."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode(errors="replace").decode()


def mended_json(meta: Mapping[str, str]) -> str:
    """Return envelope fields as JSON text, empty when there are none."""
    if not meta:
        return ""
    try:
        text = orjson.dumps(meta).decode()
    except TypeError:  # Half a surrogate pair.
        text = "\\u0000"
    if "\\u0000" not in text:
        return text
    return orjson.dumps({mended(name): mended(value) for name, value in meta.items()}).decode()


def plain(text: str) -> str:
    """Return `text`. Raises ValueError for what PostgreSQL does not take as text: a NUL, half a surrogate pair."""
    if "\0" in text:
        raise ValueError(f"text with a NUL character: {text!r}")
    if not text.isascii():
        text.encode()
    return text
