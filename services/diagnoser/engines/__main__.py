"""The child process: one case a line on standard input, one conclusion a line on standard output, in order.

Reads `{"id", "case"}`, writes `{"id", "conclusion"}` or `{"id", "error": {"reason", "detail"}}`, ends at the end of
input. It works at low priority, because people and webhooks come first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import orjson

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.catalogue import load_catalogue
from services.diagnoser.engines.offline.engine import diagnose

NICENESS = 10
DETAIL_MAX = 300


def answer(line: bytes, conclude: Callable[[Any], dict[str, Any]]) -> bytes:
    """Return the reply to one line, without its line end. Never raises: a broken case must not end the process."""
    name = ""
    try:
        request = orjson.loads(line)
        name = request["id"]
        reply = {"id": name, "conclusion": conclude(request["case"])}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        reply = {"id": name, "error": {"reason": "unreadable", "detail": _detail(error)}}
    except Exception as error:  # noqa: BLE001 -- a crash over one case becomes its answer, the next case gets its own
        reply = {"id": name, "error": {"reason": "engine_failed", "detail": _detail(error)}}
    return orjson.dumps(reply)


def _detail(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:DETAIL_MAX]


def serve(lines: BinaryIO, replies: BinaryIO) -> None:
    """Answer line by line until the input ends."""
    catalogue = load_catalogue()

    def conclude(case: object) -> dict[str, Any]:
        return diagnose(read_case(case), catalogue).model_dump(mode="json")

    for line in lines:
        if line.strip():
            replies.write(answer(line, conclude) + b"\n")
            replies.flush()


if __name__ == "__main__":
    os.nice(NICENESS)
    serve(sys.stdin.buffer, sys.stdout.buffer)
