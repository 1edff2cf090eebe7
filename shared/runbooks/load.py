"""Read all runbooks of a folder; one wrong file names itself and stops the start."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from shared.errors import AuthoredError
from shared.runbooks.authored import check
from shared.runbooks.model import Runbook


def load_runbooks(folder: Path) -> dict[str, Runbook]:
    """Return runbooks by id, each with the digest of its file. Raises AuthoredError with file, line and column."""
    found: dict[str, Runbook] = {}
    for path in sorted(folder.glob("*/runbook.yaml")):
        runbook = load_runbook(path)
        if runbook.id in found:
            raise AuthoredError(f"{path}: the id {runbook.id!r} is taken by another runbook")
        found[runbook.id] = runbook
    return found


def load_runbook(path: Path) -> Runbook:
    """Return one runbook. Raises AuthoredError."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuthoredError(f"{path}: cannot be read: {error}") from error
    runbook = check(text, Runbook, str(path))
    if runbook.id != path.parent.name:
        raise AuthoredError(f"{path}: id {runbook.id!r} must be the folder's name {path.parent.name!r}")
    return runbook.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})


def answering(runbooks: Mapping[str, Runbook], cause: str, confidence: float) -> list[Runbook]:
    """Return the runbooks that answer a cause at this confidence, the least risky first."""
    fitting = [r for r in runbooks.values() if r.match.fits(cause, confidence)]
    return sorted(fitting, key=lambda runbook: (runbook.risk.rank, runbook.id))
