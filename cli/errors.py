"""Exit codes, and how errors look: `error: what is wrong`, then what to do."""

from __future__ import annotations

import sys
from enum import IntEnum

from shared.errors import AuthoredError, ConfigurationError, NotFoundError, RefusedError, SignoffError, UnavailableError
from shared.incident.visible import one_line


class Exit(IntEnum):
    """What a script may rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    REFUSED = 5
    WAITING = 6
    INTERRUPTED = 130


class HintedError(SignoffError):
    """An error that knows what a person may do next: (what, command) pairs."""

    def __init__(self, message: str, code: Exit, *hints: tuple[str, str]) -> None:
        super().__init__(message)
        self.code = code
        self.hints = hints


_CODES: tuple[tuple[type[SignoffError], Exit], ...] = (
    (AuthoredError, Exit.FAILED),
    (ConfigurationError, Exit.USAGE),
    (NotFoundError, Exit.NOT_FOUND),
    (RefusedError, Exit.REFUSED),
    (UnavailableError, Exit.UNREACHABLE),
)


def code_of(error: SignoffError) -> Exit:
    """Return the exit code of an error."""
    if isinstance(error, HintedError):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILED)


def tell(error: SignoffError) -> None:
    """Print an error to standard error."""
    text = f"error: {error}"
    # Of the errors in files that people wrote each stands on its line; all others may repeat what a sender wrote.
    lines = text.split("\n") if isinstance(error, AuthoredError) else [text]
    hints = error.hints if isinstance(error, HintedError) else ()
    width = max((len(what) for what, _ in hints), default=0) + 1
    lines += [f"  → {what + ':':<{width}} {command}" for what, command in hints]
    sys.stderr.write("".join(f"{one_line(line)}\n" for line in lines))
