"""What a person decides: about a question (`signoff approve`...), an execution (`cancel`...), everything (`freeze`)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from cli.answers import answer
from cli.client import DATA, Client, Data, command, incident_path, server
from cli.errors import Exit, HintedError
from cli.explaining import undo
from cli.output import moment, say, write, write_json
from shared.errors import RefusedError

Flag = Annotated[bool, Parameter(negative=())]
Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative=())]


def approve(incident: str, *, reason: str = "", yes: Yes = False, data: Data = DATA) -> None:
    """Approve the pending plan of an incident, after showing it.

    Parameters
    ----------
    incident
        Its id, any unique beginning of it, or the id of the approval.
    yes
        Ask no question. Without a terminal nothing is approved unless this is given.
    """
    client = server(data)
    found, approval = _pending(client, incident)
    _show(approval)
    if not yes and not _confirmed():
        raise HintedError("not approved", Exit.REFUSED, ("approve without a question", "--yes"))
    if _decide(client, found, "approve", approval, reason) == "approval.granted":
        say(f"see what comes of it: {command(f'incidents watch {found}', data)}")
    else:
        say("another person must approve too")


def reject(incident: str, *, reason: str, data: Data = DATA) -> None:
    """Reject the pending plan of an incident."""
    client = server(data)
    _decide(client, *_of(client, incident, "reject"), reason)


def withdraw(incident: str, *, reason: str = "", data: Data = DATA) -> None:
    """Take the question back; nothing will run."""
    client = server(data)
    _decide(client, *_of(client, incident, "withdraw"), reason)


def cancel(incident: str, *, reason: str, data: Data = DATA) -> None:
    """Stop a running execution before its next step."""
    _direct(data, incident, "cancel", reason)


def pause(incident: str, *, reason: str = "", data: Data = DATA) -> None:
    """Begin no further step of a running execution until it is resumed."""
    _direct(data, incident, "pause", reason)


def resume(incident: str, *, reason: str = "", data: Data = DATA) -> None:
    """Let a paused execution go on."""
    _direct(data, incident, "resume", reason)


def confirm(incident: str, *, reason: str, data: Data = DATA) -> None:
    """Say that the step in doubt was done; the execution goes on."""
    _direct(data, incident, "confirm", reason)


def retry(incident: str, *, reason: str, data: Data = DATA) -> None:
    """Say that the step in doubt was not done; it is done again."""
    _direct(data, incident, "retry", reason)


def skip(incident: str, *, reason: str, data: Data = DATA) -> None:
    """Go on without the step that is in doubt, or that is next while paused."""
    _direct(data, incident, "skip", reason)


def freeze(*, off: Flag = False, allow_rollback: Flag = False, reason: str = "", data: Data = DATA) -> None:
    """Let nothing more change, everywhere, until `--off`. Works while Kafka is away.

    Parameters
    ----------
    allow_rollback
        Let what is running still undo itself.
    """
    body = {"on": not off, "allow_rollback": allow_rollback, "reason": reason}
    answers = server(data).post("/api/freeze", body)
    write_json(answers)
    refused = {place: answer["refused"] for place, answer in answers["environments"].items() if "refused" in answer}
    if refused:
        why = "; ".join(f"{place}: {reason}" for place, reason in refused.items())
        raise RefusedError(f"not {'un' if off else ''}frozen everywhere: {why}")


def _of(client: Client, incident: str, verb: str) -> tuple[str, str, dict[str, Any]]:
    found, approval = _pending(client, incident)
    return found, verb, approval


def _pending(client: Client, given: str) -> tuple[str, dict[str, Any]]:
    """Return the incident's id and the question that waits in it."""
    incident = client.get(f"/api/approvals/{given}")["incident_id"] if given.startswith("apr-") else given
    detail = client.get(incident_path(incident))
    found = [approval for approval in detail["approvals"] if approval["state"] == "pending"]
    if not found:
        raise RefusedError(f"incident {detail['incident']['id']} waits for no approval")
    return str(detail["incident"]["id"]), found[-1]


def _show(approval: dict[str, Any]) -> None:
    say(f"{approval['title']}   {undo(approval)}")
    for text in (approval["impact"], *approval["why"]):
        say(f"  {text}")
    say(f"  plan {approval['plan_sha256'][:12]}, expires {moment(approval['expires_at'])}")


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stderr.write("Approve? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _decide(client: Client, incident: str, verb: str, approval: dict[str, Any], reason: str) -> str:
    about = {"subject": approval["approval_id"], "plan_sha256": approval["plan_sha256"]}
    return _submit(client, incident, {"verb": verb, "reason": reason, **about})


def _direct(data: Path, incident: str, verb: str, reason: str) -> None:
    """Submit what is decided about the running execution."""
    _submit(server(data), incident, {"verb": verb, "reason": reason})


def _submit(client: Client, incident: str, body: dict[str, str]) -> str:
    """Submit a decision, wait for the executor's ruling and return it: what was submitted is not yet done."""
    submitted = client.post(f"/api/incidents/{incident}/decisions", body)["decision_id"]
    ruling = str(answer(client, incident, "decision_id", submitted, who="executor")["type"])
    write(ruling)
    return ruling
