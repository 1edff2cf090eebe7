"""Runs what an investigation saw through today's engine, and tells what is concluded differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from cli.diagnosis import AdviseAgain, AskAgain, Offline
from services.diagnoser.domain.advice import Advice, KeptStep, StepName
from services.diagnoser.domain.gaps import OK, blind, gaps_of, with_gaps
from services.diagnoser.domain.opinion import marked
from services.diagnoser.domain.transcript import Transcript
from shared.errors import RefusedError
from shared.events.investigations import CollectorOutcome

Kept = Mapping[str, Any]
"""What the diagnoser's archive keeps of an investigation: `id`, `case`, `conclusion`, `collectors`, `replies`, `steps`.

Of an answer or a summary in which a model took part it keeps the step alone; then there is no `conclusion`.
"""

STAMPS = ("engine_version", "catalogue_sha256", "calibrator_sha256", "prompt_sha256", "pack_sha256")
SHOWN_MAX = 160


def rerun(kept: Kept, conclude: Offline, ask_again: AskAgain, advise_again: AdviseAgain) -> dict[str, Any]:
    """Return what today's engine concludes from the same evidence and, when a model was asked, from the same replies.

    `asked` in it tells what the model would be asked today, `steps` what comes of the small steps. Raises RefusedError
    when what a model said is not kept: nobody can say what it would say again.
    """
    again = {step.step: advise_again(step) for step in _steps(kept)}
    steps = {name: _came_of(advice, advice.replies) for name, advice in again.items()}
    return _concluded(kept, conclude, ask_again) | _told(steps)


def _concluded(kept: Kept, conclude: Offline, ask_again: AskAgain) -> dict[str, Any]:
    if kept["conclusion"] is None:
        return {}
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
    concluded = {} if kept["conclusion"] is None else {**kept["conclusion"], **_asked(_said(kept))}
    return concluded | _told({step.step: _came_of(step.advice, step.replies) for step in _steps(kept)})


def _steps(kept: Kept) -> list[KeptStep]:
    """Return the small steps. Raises RefusedError for one of which a reply is not kept whole."""
    found = [KeptStep.model_validate(step) for step in kept.get("steps") or ()]
    for step in found:
        _check_whole(f"{kept['id']}, step {step.step}", step.replies)
    return found


def _came_of(advice: Advice, said: Transcript | None) -> dict[str, Any]:
    return advice.model_dump(mode="json", exclude={"used", "saved", "replies"}) | _asked(said)


def _told(steps: dict[StepName, dict[str, Any]]) -> dict[str, Any]:
    return {"steps": steps} if steps else {}


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
    _check_whole(kept["id"], said)
    return said


def _check_whole(name: str, said: Transcript) -> None:
    for number, turn in enumerate(said.turns, start=1):
        if not turn.is_whole:
            raise RefusedError(
                f"{name}: reply {number} of the model is not kept whole: it held a secret or was too large"
            )


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
