"""Where the project's own data lies: runbooks and scenarios beside the packages, wherever the command is run."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
RUNBOOKS = PROJECT / "runbooks"
FIXTURES = PROJECT / "fixtures"
