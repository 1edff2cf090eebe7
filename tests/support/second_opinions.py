"""A case with a leak, a decoy and words of others, and models that say what a test wants them to say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from services.diagnoser.domain.advice import Advice, Facts, StepName
from services.diagnoser.domain.case import Case, read_case
from services.diagnoser.domain.model_use import Reach, Use
from services.diagnoser.domain.opinion import Opinion
from services.diagnoser.engines.anthropic.asking import Terms
from services.diagnoser.engines.anthropic.client import Client, Reply, Request
from services.diagnoser.engines.anthropic.consulting import advice, opinion
from services.diagnoser.engines.anthropic.ground import Ground, ground_of
from services.diagnoser.engines.anthropic.keeping import Kept
from services.diagnoser.engines.anthropic.pack import pack
from services.diagnoser.engines.anthropic.page import Page
from services.diagnoser.engines.anthropic.veil import Veil
from shared.telemetry.redacting import Redactor
from tests.support.cases import case, deploy, lines, ramp
from tests.support.catalogue import load_catalogue

CATALOGUE = load_catalogue()
ALLOWANCE = Use(turns=6, tool_calls=12, input_tokens=40_000, output_tokens=6_000, cost_usd=0.5, seconds=10.0)
TERMS = Terms(reach=Reach(kind="anthropic", model="claude-sonnet-5-5"), allowance=ALLOWANCE)
LEAK, PLACE = "resource_leak.memory", "web-a"


def leaking(**more: Any) -> dict[str, Any]:  # noqa: ANN401 -- parts of a case
    """Return a case in which the memory of `web-a` leaks, after a deploy that reached only `web-b`."""
    found = case({"web-a/mem.used_pct": ramp(40.0, -60), "web-a/cpu_pct": ramp(50.0, -40)})
    found["logs"] = lines("web-a", "gc hiccup of {n} ms, nearly full", 60, level="warn", minutes=20.0)
    found["logs_baseline"] = lines("web-a", "request took {n} ms", 60, minutes=300.0)
    found["changes"] = [deploy(-90.0, hosts=["web-b"]), deploy(-5.0, hosts=["web-a"])]
    return {**found, **more}


def ground(value: dict[str, Any] | None = None) -> Ground:
    """Return the ground of a case of which the pack has been shown."""
    found = ground_of(read(value), CATALOGUE)
    pack(found, Veil(Redactor()))
    return found


def read(value: dict[str, Any] | None = None) -> Case:
    """Return a case, read."""
    return read_case(leaking() if value is None else value)


def answer(**more: Any) -> dict[str, Any]:  # noqa: ANN401 -- fields of an answer
    """Return an answer that agrees with the offline engine."""
    cause = {"cause": LEAK, "entity": PLACE, "change": "", "cites": ["M02"]}
    return {"status": "diagnosed", "causes": [cause], "findings": [], "ruled_out": [], **more}


def said(value: object) -> Reply:
    """Return a final reply."""
    text = value if isinstance(value, str) else json.dumps(value)
    return Reply(({"type": "text", "text": text},), "end_turn", 1000, 100)


def called(name: str, **given: str) -> Reply:
    """Return a reply that calls a tool."""
    return Reply(({"type": "tool_use", "id": "t", "name": name, "input": given},), "tool_use", 1000, 100)


class Scripted:
    """Says what a function makes of each request, and keeps the requests."""

    def __init__(self, say: Callable[[Request], Reply] | Sequence[Reply]) -> None:
        self._say = say
        self.asked: list[Request] = []

    async def ask(self, request: Request) -> Reply:
        """Return the next reply; the last one again and again."""
        self.asked.append(request)
        if callable(self._say):
            return self._say(request)
        return self._say[min(len(self.asked), len(self._say)) - 1]


def consulted(client: Client, value: dict[str, Any] | None = None, terms: Terms = TERMS) -> Opinion:
    """Return the opinion a client gives on a case."""
    return asyncio.run(opinion(redacted_ground(value), client, terms))


def redacted_ground(value: dict[str, Any] | None = None) -> Ground:
    """Return the ground of a case without secrets, of which nothing has been shown."""
    return ground_of(read(Redactor().value(leaking() if value is None else value)), CATALOGUE)


def advised(
    client: Client | None, step: StepName, facts: Facts, terms: Terms = TERMS, kept: Kept | None = None
) -> Advice:
    """Return what a client, or the one of the terms, adds in a small step."""
    return asyncio.run(advice(step, Page(facts, CATALOGUE), client, terms, kept))
