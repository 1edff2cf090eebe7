"""What leaves this machine: no secrets, no addresses of people and machines, and nothing at all in doubt.

Secrets are taken out for good; mail and network addresses, card numbers and long random words get a stable
placeholder each, which is put back into what the model answers. The map of them never leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.diagnoser.engines.anthropic.client import Client, GivenUpError, Reply, Request
from shared.telemetry.redacting import REDACTED, Redactor

_KINDS = (
    ("mail", re.compile(r"[\w.+-]{1,64}@[\w-](?:[\w.()*-]{0,100}\w)?|[\w.+-]{1,64}@\(\w+\)[\w.-]*")),
    (
        "ip",
        re.compile(
            r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]\d)|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{0,4}"
        ),
    ),
    ("card", re.compile(r"(?<!\d)(?:\d[ -]?){13,18}\d(?!\d)")),
    ("word", re.compile(r"(?<![A-Za-z0-9+/_])(?=[A-Za-z+/_]*\d)(?=[\d+/_]*[A-Za-z])[A-Za-z0-9+/_]{28,}={0,2}")),
)
_PLACEHOLDER = re.compile(r"\[(?:mail|ip|card|word)-\d+\]")
_NEVER = re.compile(
    r"-----BEGIN|\bA[KS]IA[A-Z0-9]{16}|\bgh[oprsu]_\w{20}|\bgithub_pat_\w|\bglpat-|\bxox[abeoprs]-|\bxapp-"
    r"|\b[rs]k_(?:live|test)_\w|\bsk-[\w-]{16}|\beyJ[\w-]{8,}\.[\w-]{8,}|\bAIza[\w-]{20}|\bhv[bs]\.[\w-]{12}|\bnpm_\w{20}"
    r"|://[^/\s:@]+:(?!\[redacted\])[^/\s@]+@"
)
"""Told anew, so that a mistake in the redactor is noticed here."""


@dataclass(slots=True)
class Veil:
    """Hides and reveals, for one conversation."""

    redactor: Redactor
    _placeholders: dict[str, str] = field(default_factory=dict)
    _hidden: dict[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """Return a text that may leave. Raises GivenUpError when the redactor breaks."""
        try:
            text = self.redactor.text(text)
        except Exception as error:  # whatever it is, nothing was taken out
            raise GivenUpError("redaction", "the redactor failed; nothing was sent") from error
        for kind, pattern in _KINDS:
            text = pattern.sub(lambda found, kind=kind: self._placeholder(kind, found[0]), text)  # type: ignore[misc]  # bound at once
        return text

    def reveal(self, text: str) -> str:
        """Return a text with the placeholders of this conversation replaced by what they stand for."""
        return _PLACEHOLDER.sub(lambda found: self._hidden.get(found[0], found[0]), text)

    def is_clean(self, text: str) -> bool:
        """Say whether nothing is left in a text that must not leave."""
        return _NEVER.search(text) is None and self.redactor.text(text) == text

    def _placeholder(self, kind: str, text: str) -> str:
        if text == REDACTED:
            return text
        if text not in self._placeholders:
            name = f"[{kind}-{len(self._placeholders) + 1}]"
            self._placeholders[text], self._hidden[name] = name, text
        return self._placeholders[text]


@dataclass(frozen=True, slots=True)
class VeiledClient:
    """The only way out: a request in which anything is left that must not leave is not sent."""

    client: Client
    veil: Veil

    async def ask(self, request: Request) -> Reply:
        """Return the reply. Raises GivenUpError `redaction` instead of sending what is in doubt."""
        try:
            is_clean = all(self.veil.is_clean(text) for text in _texts(request.messages))
        except Exception as error:  # a redactor that breaks has not said that anything is clean
            raise GivenUpError("redaction", "the redactor failed; nothing was sent") from error
        if not is_clean:
            raise GivenUpError("redaction", "something that looks like a secret was left; nothing was sent")
        return await self.client.ask(request)


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for key, inner in value.items() for text in (str(key), *_texts(inner)))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _texts(inner))
