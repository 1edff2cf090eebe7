"""`signoff ask "..."`: a question about an incident, answered with citations."""

from __future__ import annotations

import shlex
import sys
import time
from typing import Annotated, Any

from cyclopts import Parameter

from cli.answers import POLL, SECONDS, answer
from cli.client import DATA, Client, Data, incident_path, server
from cli.commands.incidents import CONCLUSIONS, INVESTIGATED_WITHIN, Output
from cli.errors import Exit, HintedError
from cli.explaining import made_by
from cli.output import say, write, write_one
from shared.errors import UnavailableError
from shared.incident.enums import Stage

OFFERED_MAX = 3


def ask(
    question: str,
    *,
    incident: str = "",
    open_one: Annotated[bool, Parameter(name="--open", negative=())] = False,
    service: Annotated[list[str] | None, Parameter(negative=())] = None,
    data: Data = DATA,
    output: Output = "table",
) -> None:
    """Ask about an incident; every sentence of the answer cites what it rests on.

    Parameters
    ----------
    question
        Such as "why is checkout slow?" or "what changed?".
    incident
        Its id, or any unique beginning of it. Without one, none is picked.
    open_one
        Open an incident with the question as its title, have it investigated, and ask.
    service
        What the opened incident is about.
    """
    client = server(data)
    if not incident:
        if not open_one and not _wanted(question):
            raise _unnamed(client, question)
        incident = _opened(client, question, service or [])
    asked = client.post(f"{incident_path(incident)}/questions", {"text": question})["question_id"]
    body = answer(client, incident, "question_id", asked, who="diagnoser", types=["question.answered"])["body"]
    if output != "table":
        write_one({"incident": incident, "question": question, **body}, output)
        return
    for sentence in body["sentences"]:
        write(f"{sentence['text']}  [{', '.join(sentence['cites'])}]")
    write(*made_by(body))
    write(*(f"Not checked: {text}" for text in body["not_checked"]))
    write(*(f"You can ask: {text}" for text in body["can_ask"]))


def _wanted(question: str) -> bool:
    """Ask who sits at a terminal whether an incident shall be opened."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"No incident was named. Open one titled {question!r}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _unnamed(client: Client, question: str) -> HintedError:
    """Return the error that offers what can be done; which incident is meant only a person knows."""
    found = [one for one in client.get("/api/incidents") if one["stage"] != Stage.CLOSED]
    command = f"signoff ask {shlex.quote(question)}"
    about = [(f"about {one['title'][:60]}", f"{command} --incident {one['id']}") for one in found[:OFFERED_MAX]]
    return HintedError(
        "no incident was named, and none is picked for you",
        Exit.USAGE,
        *about,
        ("open one and ask", f"{command} --open --service NAME"),
    )


def _opened(client: Client, title: str, services: list[str]) -> str:
    """Open an incident and return its id once its first investigation has ended."""
    request_id = client.post("/api/incidents", {"arguments": {"title": title, "services": ",".join(services)}})[
        "request_id"
    ]
    incident = _find(client, request_id)
    say(f"opened {incident}; investigating")
    _concluded(client, incident)
    return incident


def _find(client: Client, request_id: str) -> str:
    end = time.monotonic() + SECONDS
    seen: set[str] = set()
    while time.monotonic() < end:
        for one in client.get("/api/incidents"):
            if one["id"] not in seen:
                seen.add(one["id"])
                if request_id in {alert["message_id"] for alert in _detail(client, one["id"])["alerts"]}:
                    return str(one["id"])
        time.sleep(POLL)
    raise UnavailableError(f"submitted, but the diagnoser has not opened an incident within {SECONDS:g} s")


def _concluded(client: Client, incident: str) -> None:
    end = time.monotonic() + INVESTIGATED_WITHIN
    while time.monotonic() < end:
        if any(event["type"] in CONCLUSIONS for event in client.get(f"{incident_path(incident)}/events")):
            return
        time.sleep(POLL)
    raise UnavailableError(
        f"{incident} was opened, but its investigation has not ended within {INVESTIGATED_WITHIN:g} s"
    )


def _detail(client: Client, incident: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(incident_path(incident))
    return found
