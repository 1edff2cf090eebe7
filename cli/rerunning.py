"""Runs what an investigation saw through today's engine, and tells what is concluded differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gaps import OK, blind, gaps_of, with_gaps
from services.diagnoser.domain.opinion import Opinion, marked
from services.diagnoser.domain.transcript import Transcript
from shared.errors import RefusedError
from shared.events.investigations import CollectorOutcome

Kept = Mapping[str, Any]
"""What the diagnoser's archive keeps of an investigation: `id`, `case`, `conclusion`, `collectors`, `replies`."""
Conclude = Callable[[Mapping[str, Any]], Conclusion]
AskAgain = Callable[[Mapping[str, Any], Transcript], Opinion]

STAMPS = ("engine_version", "catalogue_sha256", "calibrator_sha256", "prompt_sha256", "pack_sha256")
SHOWN_MAX = 160


def rerun(kept: Kept, conclude: Conclude, ask_again: AskAgain) -> dict[str, Any]:
    """Return what today's engine concludes from the same evidence and, when a model was asked, from the same replies.

    `asked` in it tells what the model would be asked today. Raises RefusedError when what a model said is not kept:
    nobody can say what it would say again.
    """
    said = _said(kept)
    outcomes = [CollectorOutcome.model_validate(one) for one in kept["collectors"]]
    asked = None
    if not any(outcome.outcome == OK for outcome in outcomes):
        found = blind(gaps_of(outcomes))
    elif said is None:
        found = conclude(kept["case"])
    elif said.unasked:
        found = marked(conclude(kept["case"]), said.kind, said.unasked)
    else:
        opinion = ask_again(kept["case"], said)
        found, asked = opinion.conclusion, opinion.replies
    return with_gaps(found, gaps_of(outcomes)).model_dump(mode="json") | _asked(asked)


def as_it_was(kept: Kept) -> dict[str, Any]:
    """Return what was concluded, in the form of `rerun`."""
    return {**kept["conclusion"], **_asked(_said(kept))}


def _said(kept: Kept) -> Transcript | None:
    """Return what a model said; None when none took part."""
    made_by = kept["conclusion"]["result"]["engine"]
    if kept.get("replies") is None:
        if made_by == "offline":
            return None
        raise RefusedError(
            f"{kept['id']}: the engine {made_by!r} took part, and the replies of its model were not kept"
        )
    said = Transcript.model_validate(kept["replies"])
    for number, turn in enumerate(said.turns, start=1):
        if not turn.is_whole:
            raise RefusedError(
                f"{kept['id']}: reply {number} of the model is not kept whole: it held a secret or was too large"
            )
    return said


def _asked(said: Transcript | None) -> dict[str, Any]:
    if said is None or not said.turns:
        return {}
    marks = {"prompt_sha256", "pack_sha256"}
    return {"asked": {str(number): turn.model_dump(include=marks) for number, turn in enumerate(said.turns, start=1)}}


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
