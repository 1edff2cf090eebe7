"""How many tokens a text has at most, without asking anybody."""

from __future__ import annotations

from math import ceil

BYTES_PER_TOKEN = 2.5
"""Prose has about four bytes a token, identifiers and numbers about three; nothing we send has fewer than this."""


def tokens(text: str) -> int:
    """Return an estimate that errs towards too many."""
    return ceil(len(text.encode()) / BYTES_PER_TOKEN)


def fitting(lines: list[str], most: int) -> list[str]:
    """Return the first lines that together have at most `most` tokens, line ends included."""
    kept: list[str] = []
    used = 0
    for line in lines:
        used += tokens(line + "\n")
        if used > most:
            break
        kept.append(line)
    return kept
