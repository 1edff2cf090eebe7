"""Sentences with citations: what a model may say, and what code checks of each, whatever it was asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from pydantic import Field

from services.diagnoser.engines.offline.catalogue import Cause
from shared.incident.evidence import Evidence
from shared.runbooks.model import Strict

CITES_MAX = 12
SENTENCE_MAX = 300
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


class Claim(Strict):
    """A sentence and what it rests on."""

    statement: str = Field(max_length=SENTENCE_MAX)
    cites: tuple[str, ...] = Field(min_length=1, max_length=CITES_MAX)


class Source(Protocol):
    """What may be cited. `shown` is what the model has read under each id."""

    shown: dict[str, list[str]]

    @property
    def causes(self) -> Mapping[str, Cause]:
        """The causes of the catalogue, by id."""
        ...

    def entities(self) -> list[str]:
        """Return the names of the parts of the system."""
        ...

    def item(self, name: str) -> Evidence | None:
        """Return a piece of evidence that was shown."""
        ...

    def calm(self, name: str) -> str | None:
        """Return what is in order under an id, or a change that cannot be blamed; None for anything else."""
        ...

    def guarded(self) -> set[str]:
        """Return the words for what might be the matter: what can be measured, what changed, what is suspected."""
        ...

    def measured(self, name: str) -> str | None:
        """Return what systems say under an id; None for the words of others and for what was not shown."""
        ...

    def quoted(self, name: str) -> str | None:
        """Return what may stand in place of a sentence that cites this; None for nothing."""
        ...


def claim_schema() -> dict[str, Any]:
    """Return the JSON schema of a claim."""
    return strict({"statement": {"type": "string"}, "cites": {"type": "array", "items": {"type": "string"}}})


def strict(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object with these fields and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def problems_of(claim: Claim, source: Source) -> Iterator[str]:
    """Yield what is wrong with a sentence."""
    yield from unknown(claim.cites, source)
    yield from _numbers(claim, source)


def unknown(names: Iterable[str], source: Source) -> Iterator[str]:
    """Yield a problem for each id that was not shown."""
    yield from (f"no evidence {name[:40]!r} was shown" for name in names if name not in source.shown)


def _numbers(claim: Claim, source: Source) -> Iterator[str]:
    """Check that each number of a sentence stands in what the model has read under the ids that the sentence cites."""
    names = sorted({*source.entities(), *claim.cites}, key=len, reverse=True)
    told = _without(claim.statement, names)
    read = " ".join(text for name in claim.cites for text in source.shown.get(name, ()))
    known = set(_values(read))
    yield from (
        f"{text} does not stand in the evidence that is cited for it" for text in _values(told) if text not in known
    )


def _without(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = text.replace(name, " ")
    return text


def _values(text: str) -> list[str]:
    """Return numbers in one form: no thousands separators, no zeros at the end."""
    return [f"{float(found.replace(',', '')):g}" for found in _NUMBER.findall(text)]
