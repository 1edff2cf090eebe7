"""Whether a name that somebody typed is that of a cause."""

from __future__ import annotations

from cli.errors import Exit, HintedError


def check_cause(cause: str) -> None:
    """Raise HintedError, with the nearest names, for what is no cause of the catalogue."""
    from services.diagnoser.adapters.cause_files import cause_names
    from services.diagnoser.domain.cause_names import unnamed

    why = unnamed(cause, cause_names())
    if why:
        hints = (("all causes", "signoff cause list"), ("nobody knows", "--cause unknown"))
        raise HintedError(why, Exit.USAGE, *hints)
