"""`signoff approve`, `reject`, `withdraw`, `cancel`, `freeze`: what a person decides."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from cli.client import DATA, Client, server
from cli.errors import Exit, HintedError
from cli.output import say, write, write_json
from shared.errors import RefusedError, UnavailableError

RULING_SECONDS = 30.0
Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative=())]


def approve(incident: str, *, reason: str = "", yes: Yes = False, data: Path = DATA) -> int:
    """Approve the pending plan of an incident, after showing it."""
    client = server(data)
    approval = _pending(client, incident)
    _show(approval)
    if not yes and not _confirmed():
        raise HintedError("not approved", Exit.REFUSED, ("approve without a question", "--yes"))
    return _decide(client, incident, "approve", approval, reason)


def reject(incident: str, *, reason: str, data: Path = DATA) -> int:
    """Reject the pending plan of an incident."""
    client = server(data)
    return _decide(client, incident, "reject", _pending(client, incident), reason)


def withdraw(incident: str, *, reason: str = "", data: Path = DATA) -> int:
    """Take the question back; nothing will run."""
    client = server(data)
    return _decide(client, incident, "withdraw", _pending(client, incident), reason)


def cancel(incident: str, *, reason: str, data: Path = DATA) -> int:
    """Stop a running execution before its next step."""
    client = server(data)
    answer = client.post(f"/api/incidents/{incident}/decisions", {"verb": "cancel", "reason": reason})
    return _ruling(client, incident, answer["decision_id"])


def freeze(
    *,
    off: Annotated[bool, Parameter(negative=())] = False,
    allow_rollback: Annotated[bool, Parameter(negative=())] = False,
    reason: str = "",
    data: Path = DATA,
) -> None:
    """Let nothing more change, everywhere, until `--off`. Works while Kafka is away."""
    body = {"on": not off, "allow_rollback": allow_rollback, "reason": reason}
    write_json(server(data).post("/api/freeze", body))


def _pending(client: Client, incident: str) -> dict[str, Any]:
    approvals = client.get(f"/api/incidents/{incident}")["approvals"]
    found: list[dict[str, Any]] = [approval for approval in approvals if approval["state"] == "pending"]
    if not found:
        raise RefusedError(f"incident {incident} waits for no approval")
    return found[-1]


def _show(approval: dict[str, Any]) -> None:
    say(
        f"{approval['title']}   risk {approval['risk']}, {'reversible' if approval['reversible'] else 'not reversible'}"
    )
    for text in (approval["impact"], *approval["why"]):
        say(f"  {text}")
    say(f"  plan {approval['plan_sha256'][:12]}, expires {approval['expires_at']}")


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stderr.write("Approve? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _decide(client: Client, incident: str, verb: str, approval: dict[str, Any], reason: str) -> int:
    body = {
        "verb": verb,
        "subject": approval["approval_id"],
        "plan_sha256": approval["plan_sha256"],
        "reason": reason,
    }
    answer = client.post(f"/api/incidents/{incident}/decisions", body)
    return _ruling(client, incident, answer["decision_id"])


def _ruling(client: Client, incident: str, decision_id: str) -> int:
    """Wait until the executor has ruled; what was submitted is not yet done."""
    end = time.monotonic() + RULING_SECONDS
    while time.monotonic() < end:
        for event in client.get(f"/api/incidents/{incident}/events"):
            if event["body"].get("decision_id") == decision_id:
                if event["type"] == "approval.decision_refused":
                    raise RefusedError(f"refused: {event['body']['why']} {event['body'].get('detail', '')}".strip())
                write(f"{event['type']}")
                return Exit.DONE
        time.sleep(0.2)
    raise UnavailableError(f"submitted, but the executor has not ruled within {RULING_SECONDS:g} s")
