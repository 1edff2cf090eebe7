"""`signoff incidents ...`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cli.answers import answer
from cli.causes import check_cause
from cli.client import DATA, Data, command, incident_path, page, server
from cli.errors import Exit
from cli.explaining import advice, explanation, is_summed_up, line, made_by, since, stated, waiting
from cli.output import Entries, Format, say, write, write_one
from cli.output import show as show_rows
from shared.incident.enums import Stage
from shared.incident.model import is_simulated

Output = Annotated[Format, Parameter(name=["--output", "-o"])]
Flag = Annotated[bool, Parameter(negative=())]
WATCH_SECONDS = 0.5
SUMMARY_SECONDS = 5.0
"""How long a closed incident is watched for its summary, which is written after closing."""
INVESTIGATED_WITHIN = 240.0
"""Seconds for the investigation that runs, the pause after it, and the one that was asked for."""
CONCLUSIONS = ("diagnosis.concluded", "diagnosis.inconclusive", "diagnosis.no_active_fault")


def list_(*, data: Data = DATA, output: Output = "table") -> None:
    """List incidents, newest first."""
    found = server(data).get("/api/incidents")
    if not found:
        say(f"no incidents yet; try one: {command('replay high_cpu', data)}")
    show_rows(found, ("id", "stage", "severity", "title", "services", "environment", "opened_at"), output)


def show(incident: str, *, explain: Flag = False, data: Data = DATA, output: Output = "table") -> None:
    """Show one incident: what is known, what was proposed and done.

    Parameters
    ----------
    incident
        Its id, or any unique beginning of it.
    explain
        Why the diagnosis is what it is: what speaks for and against it, what it does not explain, what is missing and
        how the confidence came about; then what can be done.
    """
    detail = server(data).get(incident_path(incident))
    if output != "table":
        write_one(detail, output)
        return
    head = detail["incident"]
    mark = "  [SIMULATED]" if is_simulated(head["environment"]) else ""
    write(f"{head['id']}  {head['stage']}  {head['severity']}  {head['title']}{mark}")
    write(since(detail))
    if detail["halted"]:
        write(f"Needs you: {detail['halted']}")
    diagnosis = detail.get("diagnosis")
    if diagnosis:
        write(stated(diagnosis), *made_by(diagnosis))
    known = head["id"]
    by_command = f"{command(f'approve {known}', data)}, or reject {known} --reason TEXT"
    _tell(waiting(detail, lambda approval: (by_command, page(data, f"/a/{approval}"))))
    if explain:
        _tell(explanation(detail) or [("Nothing has been concluded yet", [])])
        return
    show_rows(detail["timeline"], ("at", "type", "text"), "table")
    for sentence in (detail.get("summary") or {}).get("sentences", ()):
        write(sentence["text"])
    _tell(advice(detail))


def _tell(parts: Iterable[tuple[str, list[str]]]) -> None:
    for heading, lines in parts:
        write(heading, *(f"  {text}" for text in lines))


def watch(incident: str, *, data: Data = DATA, output: Output = "table") -> int:
    """Print what happens to an incident, until it is closed and summed up."""
    client = server(data)
    seen: set[str] = set()
    left = SUMMARY_SECONDS
    entries = Entries(output, line)
    try:
        while True:
            detail = client.get(incident_path(incident))
            for entry in detail["timeline"]:
                if entry["id"] not in seen:
                    seen.add(entry["id"])
                    entries.tell(entry)
            is_closed = detail["incident"]["stage"] == Stage.CLOSED
            if is_closed and (left <= 0 or is_summed_up(detail["timeline"])):
                return Exit.DONE
            left = left - WATCH_SECONDS if is_closed else SUMMARY_SECONDS
            time.sleep(WATCH_SECONDS)
    finally:
        entries.end()


def ack(incident: str, *, data: Data = DATA, output: Output = "table") -> None:
    """Take responsibility for an incident; approves nothing."""
    _request(data, incident, "acknowledge", output)


def note(incident: str, text: str, *, data: Data = DATA, output: Output = "table") -> None:
    """Write something down in an incident."""
    _request(data, incident, "note", output, text=text)


def close(incident: str, *, data: Data = DATA, output: Output = "table") -> None:
    """Close an incident."""
    _request(data, incident, "close", output)


def reopen(incident: str, *, data: Data = DATA, output: Output = "table") -> None:
    """Open a closed incident again."""
    _request(data, incident, "reopen", output)


def investigate(incident: str, *, data: Data = DATA, output: Output = "table") -> None:
    """Have an incident investigated again and tell what that changed; at most one runs, at most once a minute."""
    client = server(data)
    asked = client.post(f"{incident_path(incident)}/requests", {"verb": "investigate", "arguments": {}})["request_id"]
    say("asked; it begins when the one under way has ended and the last began a minute ago")
    started = answer(client, incident, "request_id", asked, who="diagnoser", within=INVESTIGATED_WITHIN)
    concluded = answer(
        client,
        incident,
        "investigation_id",
        started["body"]["investigation_id"],
        who="diagnoser",
        types=CONCLUSIONS,
        within=INVESTIGATED_WITHIN,
    )
    body = concluded["body"]
    if output == "table":
        write(stated(body["result"]))
        write(*(f"changed: {change}" for change in body["changed"] or ("nothing",)))
    else:
        write_one({"incident": incident, "event": concluded["type"], **body}, output)


def verdict(
    incident: str, judged: Literal["right", "wrong"], *, cause: str = "", data: Data = DATA, output: Output = "table"
) -> None:
    """Say whether the diagnosis of an incident was right. What people say caps how sure later diagnoses may be.

    Parameters
    ----------
    judged
        Your newest word counts, one for each person and incident.
    cause
        Which cause it really was, as `signoff cause list` names it; `unknown` when nobody knows.
    """
    if cause:
        check_cause(cause)
    client = server(data)
    body = {"verdict": judged, "cause": cause}
    submitted = client.post(f"{incident_path(incident)}/verdicts", body)["request_id"]
    noted = answer(client, incident, "request_id", submitted, who="diagnoser")
    if output == "table":
        write(noted["body"]["text"])
    else:
        write_one({"incident": incident, "event": noted["type"], **noted["body"]}, output)


def _request(data: Path, incident: str, verb: str, output: Format, **arguments: str) -> None:
    """Ask, and wait for the diagnoser's answer: what was submitted is not yet done."""
    client = server(data)
    submitted = client.post(f"{incident_path(incident)}/requests", {"verb": verb, "arguments": arguments})
    event = answer(client, incident, "request_id", submitted["request_id"], who="diagnoser")["type"]
    if output == "table":
        write(event)
    else:
        write_one({"incident": incident, "event": event}, output)
