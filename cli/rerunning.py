"""Runs what an investigation saw through today's engine, and tells what is concluded differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gaps import OK, blind, gaps_of, with_gaps
from shared.errors import RefusedError
from shared.events.investigations import CollectorOutcome

Kept = Mapping[str, Any]
"""What the diagnoser's archive keeps of an investigation: `id`, `case`, `conclusion`, `collectors`."""

STAMPS = ("engine_version", "catalogue_sha256", "calibrator_sha256")
SHOWN_MAX = 160


def rerun(kept: Kept, conclude: Callable[[Mapping[str, Any]], Conclusion]) -> dict[str, Any]:
    """Return what today's engine concludes from the same evidence.

    Raises RefusedError when a model took part: its replies are not kept, so nobody can say what it would say again.
    """
    made_by = kept["conclusion"]["result"]["engine"]
    if made_by != "offline" and "replies" not in kept:
        raise RefusedError(f"{kept['id']}: the engine {made_by!r} took part, and the replies of a model are not kept")
    outcomes = [CollectorOutcome.model_validate(one) for one in kept["collectors"]]
    looked = any(outcome.outcome == OK for outcome in outcomes)
    found = conclude(kept["case"]) if looked else blind(gaps_of(outcomes))
    return with_gaps(found, gaps_of(outcomes)).model_dump(mode="json")


def is_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two conclusions are the same, byte for byte."""
    return orjson.dumps(before, option=orjson.OPT_SORT_KEYS) == orjson.dumps(now, option=orjson.OPT_SORT_KEYS)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return where two conclusions differ: what it rests on first, then the answer, then the rest."""
    found = [*_differing("", before, now)]
    stamps = [line for line in found if any(name in line for name in STAMPS)]
    return [*stamps, *(line for line in found if line not in stamps)]


def _differing(place: str, before: Any, now: Any) -> Iterator[str]:  # noqa: ANN401 -- any JSON
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _differing(f"{place}.{key}" if place else key, before.get(key), now.get(key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, (one, two) in enumerate(zip(before, now, strict=True)):
            yield from _differing(f"{place}[{number}]", one, two)
    elif before != now:
        yield f"{place}: {_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:  # noqa: ANN401 -- any JSON
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
