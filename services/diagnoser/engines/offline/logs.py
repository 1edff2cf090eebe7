"""Log lines as counted shapes. Text is data: what varies is masked, and nobody reads it as an instruction."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import eq
from typing import Literal

import orjson

from services.diagnoser.domain.case import Case, CaseLog

TEMPLATE_CHARS = 300
TOKENS_MAX = 60
GROUP_MAX = 40
"""Shapes of one beginning and length; a flood of different words must not cost without end."""
SHAPES_MAX = 1000
"""Shapes of one case; what comes after is one shape an entity and level."""
ALIKE = 0.6
PRIOR = 10.0
"""Lines that an entity is believed to write anyway, so that a handful more or less says nothing of its traffic."""
BUSIER = 4.0
"""An entity is believed to be at most so many times busier than before."""
UNCOMPARED = 6.0
"""What errors count when no earlier span says how many are usual."""
SURGE = 3.0
"""Standard deviations above the earlier rate from which on a shape is said to surge."""

_VARIABLE = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|[\w.+-]+@[\w-]+\.[\w.]+"
    r"|\b0x[0-9a-fA-F]+\b|\b(?=[a-fA-F]*\d)[0-9a-fA-F]{8,}\b|\d+(?:[.,:]\d+)*"
)
_LEVELS = {
    "fatal": "error",
    "critical": "error",
    "panic": "error",
    "severe": "error",
    "err": "error",
    "error": "error",
    "exception": "error",
    "warning": "warn",
    "warn": "warn",
}
_LEVEL_WORD = re.compile(r"(?i)\b(fatal|critical|panic|severe|err|error|warning|warn)\b|(?:\b|[a-z])(Exception)\b")
_STAMP = re.compile(r"^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*\s*")
_MESSAGE_KEYS = ("message", "msg", "log", "event")
_DETAIL_KEYS = ("error", "err", "exception", "reason")


@dataclass(slots=True)
class Shape:
    """All lines of one shape from one entity. Times are epoch seconds."""

    number: int
    entity: str
    level: str
    tokens: list[str]
    count: int = 0
    earlier: int = 0
    first_at: float | None = None
    last_at: float | None = None
    mentions: set[str] = field(default_factory=set)
    surge: float = 0.0
    fall: float = 0.0
    """How far there are too few, in standard deviations, given how much its entity writes otherwise."""

    @property
    def template(self) -> str:
        """The text with `<*>` for what varies and `<entity>` for a name of the topology."""
        return " ".join(self.tokens)[:TEMPLATE_CHARS]

    @property
    def is_bad(self) -> bool:
        """Whether the writer itself calls it a warning or error."""
        return self.level in {"error", "warn"}


class _Masker(dict[str, str]):
    """Token -> token without what varies; each distinct token is looked at once."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        known = sorted((name for name in names if name), key=len, reverse=True)
        self._names = re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, known)) + r")(?![\w-])") if known else None
        self.mentions: dict[str, tuple[str, ...]] = {}

    def __missing__(self, token: str) -> str:
        text = token
        if self._names is not None:
            found = tuple(self._names.findall(token))
            if found:
                self.mentions[token] = found
                text = self._names.sub("<entity>", token)
        masked = text if text.isalpha() else _VARIABLE.sub("<*>", text)
        if len(self) < 200_000:  # noqa: PLR2004 -- bounds the memory a flood of distinct words may take
            self[token] = masked
        return masked


def shapes_of(case: Case, names: Sequence[str]) -> list[Shape]:
    """Return the shapes of a case's log lines, in order of first appearance, with how much each has surged."""
    masker = _Masker(names)
    groups: dict[tuple[str, str, int, str], list[Shape]] = {}
    exact: dict[tuple[str, str, str], Shape] = {}
    shapes: list[Shape] = []
    for is_now, lines in ((True, case.logs), (False, case.logs_baseline)):
        for line in lines:
            entity, level, text = _parts(line)
            words = _STAMP.sub("", text).split()[:TOKENS_MAX]
            tokens = [masker[word] for word in words]
            key = (entity, level, " ".join(tokens))
            shape = exact.get(key)
            if shape is None and len(shapes) >= SHAPES_MAX:
                key, tokens = (entity, level, "<*>"), ["<*>"]
                shape = exact.get(key)
            if shape is None:
                shape = exact[key] = _alike(groups, shapes, entity, level, tokens)
            _count(shape, line.at, is_now=is_now)
            if masker.mentions:
                shape.mentions.update(name for word in words for name in masker.mentions.get(word, ()))
    _compare(shapes, _ratio(case), is_compared=bool(case.logs_baseline))
    return shapes


def _compare(shapes: Sequence[Shape], ratio: float, *, is_compared: bool) -> None:
    """Say of each shape how far it is from what the earlier span and the other lines of its entity let expect."""
    if not is_compared:
        for shape in shapes:
            shape.surge = UNCOMPARED if shape.level == "error" else _surge(shape.count, 0.5) if shape.is_bad else 0.0
        return
    now, before = (_written(shapes, what) for what in ("count", "earlier"))
    for shape in shapes:
        usual = (before.get(shape.entity, 0) - (0 if shape.is_bad else shape.earlier) + PRIOR) * ratio
        actual = now.get(shape.entity, 0) - (0 if shape.is_bad else shape.count) + PRIOR * ratio
        busier = min(max(actual / usual, 1 / BUSIER), BUSIER)
        shape.surge = _surge(shape.count, (shape.earlier + 0.5) * ratio * max(busier, 1.0))
        if shape.earlier and not shape.is_bad:
            shape.fall = max(-_surge(shape.count, shape.earlier * ratio * min(busier, 1.0)), 0.0)


def _written(shapes: Sequence[Shape], what: Literal["count", "earlier"]) -> dict[str, int]:
    """Return how many lines that are no warnings each entity wrote."""
    found: dict[str, int] = {}
    for shape in shapes:
        if not shape.is_bad:
            found[shape.entity] = found.get(shape.entity, 0) + int(getattr(shape, what))
    return found


def _count(shape: Shape, at: float | None, *, is_now: bool) -> None:
    if not is_now:
        shape.earlier += 1
        return
    shape.count += 1
    if at is not None:
        shape.first_at = at if shape.first_at is None else min(shape.first_at, at)
        shape.last_at = at if shape.last_at is None else max(shape.last_at, at)


def _alike(
    groups: dict[tuple[str, str, int, str], list[Shape]],
    shapes: list[Shape],
    entity: str,
    level: str,
    tokens: list[str],
) -> Shape:
    """Return the known shape these tokens belong to, widened for them, or a new one."""
    group = groups.setdefault((entity, level, len(tokens), tokens[0] if tokens else ""), [])
    for shape in group:
        same = sum(map(eq, shape.tokens, tokens))
        if same >= ALIKE * len(tokens) or len(group) >= GROUP_MAX:
            if same < len(tokens):
                shape.tokens = [a if a == b else "<*>" for a, b in zip(shape.tokens, tokens, strict=True)]
            return shape
    shape = Shape(len(shapes), entity, level, tokens)
    group.append(shape)
    shapes.append(shape)
    return shape


def _parts(line: CaseLog) -> tuple[str, str, str]:
    """Return entity, level and text of a line; JSON lines are taken apart."""
    text, entity, level = line.msg or line.raw, line.entity, line.level
    if text.startswith("{"):
        try:
            body = orjson.loads(text)
        except orjson.JSONDecodeError:
            body = {}
        if isinstance(body, dict) and body:
            entity = entity or str(body.get("service") or body.get("logger") or "")
            level = level or str(body.get("level") or body.get("severity") or "")
            said = [str(body[key]) for key in (*_MESSAGE_KEYS, *_DETAIL_KEYS) if body.get(key)]
            text = " ".join(said) or text
    if not level:
        found = _LEVEL_WORD.search(text[:200])
        level = (found[1] or found[2]) if found else ""
    return entity, _LEVELS.get(level.lower(), "info"), text


def _ratio(case: Case) -> float:
    """Return how much longer the window is than the earlier span, as far as the lines tell."""
    now, before = _span(case.logs), _span(case.logs_baseline)
    return min(max(now / before, 0.02), 50.0) if now and before else 1.0


def _span(lines: Sequence[CaseLog]) -> float:
    times = [line.at for line in lines if line.at is not None]
    return max(times) - min(times) if times else 0.0


def _surge(count: int, expected: float) -> float:
    """Return how surprising a count is, in standard deviations; negative for fewer than expected."""
    deviance = 2 * ((count * math.log(count / expected) if count else 0.0) - (count - expected))
    return math.copysign(math.sqrt(max(deviance, 0.0)), count - expected)
