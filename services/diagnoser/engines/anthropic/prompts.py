"""The prompts: versioned files. A changed text is a new version, so that a stored reply says what it answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from services.diagnoser.engines.offline.catalogue import Cause

FOLDER = Path(__file__).parent / "prompts"
VERSION = "2"
PROBLEMS_MAX = 6


def system(causes: Mapping[str, Cause]) -> str:
    """Return the instructions for a diagnosis; the same for all cases, so that they can be cached."""
    listed = "\n".join(f"- {cause.id}: {cause.title}" for cause in causes.values())
    return _read("diagnose").replace("{catalogue}", listed)


def instructions(step: str) -> str:
    """Return the instructions of a step that needs no catalogue."""
    return _read(step)


def repair(problems: Iterable[str]) -> str:
    """Return what is said to an answer that did not pass."""
    return _read("repair").replace("{problems}", "\n".join(f"- {text}" for text in list(problems)[:PROBLEMS_MAX]))


def _read(name: str) -> str:
    return (FOLDER / f"{name}.v{VERSION}.md").read_text(encoding="utf-8")
