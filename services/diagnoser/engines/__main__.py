"""The child process: one question a line on standard input, one answer a line on standard output.

Reads `{"id", "case"}`, writes `{"id", "conclusion"}` or `{"id", "error": {"reason", "detail"}}`, in order. A question
with `terms` is one to the model: it is answered `{"id", "opinion"}`, or with a `step` `{"id", "advice"}`, from a thread
of its own, whenever that is. What was asked before in the same words is not asked again while it lives. The process
ends at the end of input, and with it whatever it was asking. It works at low priority, because people and
webhooks come first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import Lock, Semaphore, Thread
from typing import Any, BinaryIO

import orjson

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.catalogue import Catalogue, load_catalogue
from services.diagnoser.engines.offline.engine import diagnose

NICENESS = 10
DETAIL_MAX = 300
CONVERSATIONS = 4
"""How many may ask the model at once."""


Finish = Callable[[], dict[str, Any]]


def answer(line: bytes, prepare: Callable[[dict[str, Any]], Finish], turn: AbstractContextManager[Any]) -> bytes:
    """Return the reply to one line, without its line end. Reading and preparing is done in `turn`.

    Never raises: a broken case must not end the process.
    """
    name = ""
    try:
        with turn:
            request = orjson.loads(line)
            name = request["id"]
            finish = prepare(request)
            del request
        reply = {"id": name, **finish()}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        reply = {"id": name, "error": {"reason": "unreadable", "detail": _detail(error)}}
    except Exception as error:  # noqa: BLE001 -- a crash over one case becomes its answer, the next case gets its own
        reply = {"id": name, "error": {"reason": "engine_failed", "detail": _detail(error)}}
    return orjson.dumps(reply)


def _detail(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:DETAIL_MAX]


def serve(lines: BinaryIO, replies: BinaryIO) -> None:
    """Answer line by line until the input ends; what is being asked of the model by then is dropped."""
    catalogue = load_catalogue()
    writing, preparing, conversations = Lock(), Lock(), Semaphore(CONVERSATIONS)

    def say(reply: bytes) -> None:
        with writing:
            replies.write(reply + b"\n")
            replies.flush()

    def conclude(request: dict[str, Any]) -> Finish:
        case = read_case(request["case"])
        return lambda: {"conclusion": diagnose(case, catalogue).model_dump(mode="json")}

    def consult(line: bytes) -> None:
        with conversations:
            # One case after the other: four large ones at once would be too much memory.
            say(answer(line, lambda request: _opinion(request, catalogue), preparing))

    for line in lines:
        if _is_for_the_model(line):
            # A daemon: when the input ends, nobody waits for what it still asks, or pays for it.
            Thread(target=consult, args=(line,), daemon=True).start()
        elif line.strip():
            say(answer(line, conclude, nullcontext()))


def _is_for_the_model(line: bytes) -> bool:
    """Say whether a line carries terms; they come before the case, so that a large line is not read twice."""
    return line.startswith(b'{"terms":')


@cache
def _kept() -> Any:  # noqa: ANN401 -- a type that only a model needs
    from services.diagnoser.engines.anthropic.keeping import Kept  # noqa: PLC0415 -- offline needs none of it

    return Kept()


def _opinion(request: dict[str, Any], catalogue: Catalogue) -> Finish:
    from services.diagnoser.engines.anthropic.asking import Terms  # noqa: PLC0415 -- offline needs none of it
    from services.diagnoser.engines.anthropic.consulting import Consultation, advise  # noqa: PLC0415 -- as above

    asked, terms, step = request.pop("case"), Terms.model_validate(request["terms"]), request.get("step")
    if step is not None:
        return lambda: {"advice": advise(step, asked, catalogue, terms, kept=_kept()).model_dump(mode="json")}
    consultation = Consultation(asked, catalogue, terms, _kept())
    return lambda: {"opinion": consultation.opinion().model_dump(mode="json")}


if __name__ == "__main__":
    os.nice(NICENESS)
    serve(sys.stdin.buffer, sys.stdout.buffer)
