"""What a question is about, in the words of its plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import RefusedError
from shared.runbooks.plan import read_plan


def headline(approval: Mapping[str, Any]) -> str:
    """Return what would be done: a plan's only step names its target, which a runbook's title cannot."""
    try:
        plan = read_plan(approval["plan"], approval["plan_sha256"])
    except RefusedError:
        return str(approval["title"])
    return plan.steps[0].name if len(plan.steps) == 1 else plan.title
