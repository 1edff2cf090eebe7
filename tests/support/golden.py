"""Texts that are generated from code and committed: event schemas, the schema of runbooks, the lifecycle diagram.

`python -m tests.support.golden` writes them anew; a test compares, so that every change to the wire contract is seen.
"""

from __future__ import annotations

import json
from pathlib import Path

from shared.events.registry import EVENTS
from shared.lifecycle.stage import diagram
from shared.runbooks.model import Runbook

PROJECT = Path(__file__).parents[2]
SCHEMAS = PROJECT / "tests/unit/events/schemas"
LIFECYCLE = PROJECT / "docs/lifecycle.md"
RUNBOOK = PROJECT / "runbooks/runbook.schema.json"


def schema(event_type: str) -> str:
    """Return the JSON Schema of an event's body as it is committed."""
    payload = EVENTS[event_type]
    head = {"x-type": f"{payload.type}.v1", "x-owner": payload.owner, "x-topic": payload.topic}
    return json.dumps(head | payload.model_json_schema(), indent=1, sort_keys=True) + "\n"


def runbook() -> str:
    """Return the JSON Schema that editors check runbooks by; the digest is the loader's, so no author writes it."""
    found = Runbook.model_json_schema()
    del found["properties"]["sha256"]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | found, indent=2, sort_keys=True) + "\n"


def lifecycle() -> str:
    """Return the page with the generated diagram."""
    return (
        "# Stages of an incident\n\nGenerated from `shared/lifecycle/stage.py` by `python -m tests.support.golden`.\n\n"
        f"```mermaid\n{diagram()}```\n"
    )


def main() -> None:
    """Write all golden texts."""
    SCHEMAS.mkdir(parents=True, exist_ok=True)
    for old in SCHEMAS.glob("*.json"):
        old.unlink()
    for event_type in EVENTS:
        (SCHEMAS / f"{event_type}.json").write_text(schema(event_type))
    LIFECYCLE.write_text(lifecycle())
    RUNBOOK.write_text(runbook())


if __name__ == "__main__":
    main()
