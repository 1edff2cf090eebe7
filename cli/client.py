"""Talk to a running server: found through `run.json` in its data directory."""

from __future__ import annotations

import json
import shlex
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
from cyclopts import Parameter

from cli.errors import Exit, HintedError
from shared.errors import NotFoundError, RefusedError, UnavailableError

RUN_FILE = "run.json"
DATA = Path(".signoff")
Data = Annotated[Path, Parameter(help="Where the server keeps its data; commands find it there.")]
"""The data directory, as every command takes it."""


@dataclass(frozen=True, slots=True)
class Running:
    """Where a server listens, as it wrote it down."""

    url: str
    webhook_url: str
    token: str
    pid: int
    world_url: str = ""
    world_token: str = ""
    base_url: str = ""
    """Where people reach the console; what links begin with."""


def find(data: Path) -> Running:
    """Return the running server of a data directory. Raises HintedError (exit 4) when there is none."""
    try:
        return Running(**json.loads((data / RUN_FILE).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise _not_running(data) from error


def _not_running(data: Path) -> HintedError:
    return HintedError(
        f"no Signoff is running with its data in {data}",
        Exit.UNREACHABLE,
        ("start one", command("up", data)),
        ("or name its data", "--data DIR"),
    )


class Client:
    """Requests to one listener, with its token; answers that are errors become errors of the house."""

    def __init__(self, url: str, token: str, data: Path) -> None:
        self._data = data
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30.0)
        weakref.finalize(self, self._client.close)

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the JSON of a GET."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: object = None) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the JSON of a POST."""
        return self._ask("POST", path, json=body if body is not None else {})

    def _ask(self, method: str, path: str, **given: Any) -> Any:  # noqa: ANN401 -- any JSON value
        try:
            answer = self._client.request(method, path, **given)
        except httpx.TransportError as error:
            raise _not_running(self._data) from error
        if answer.is_success:
            return answer.json() if answer.content else None
        raise _error(answer)


def _error(answer: httpx.Response) -> NotFoundError | RefusedError | UnavailableError:
    try:
        body = answer.json()
        said = str(body.get("error") or body.get("detail") or answer.text)
    except ValueError:
        said = answer.text[:300]
    said = said or f"the server answered {answer.status_code} to {answer.request.url.path}"
    if answer.status_code == httpx.codes.NOT_FOUND:
        return NotFoundError(said)
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        return UnavailableError(said)
    return RefusedError(said)


def incident_path(incident: str) -> str:
    """Return where an incident is, by its id or any unique beginning of it. Raises NotFoundError for no text at all."""
    if not incident:
        raise NotFoundError("no incident ''")
    return f"/api/incidents/{quote(incident, safe='')}"


def server(data: Path) -> Client:
    """Return a client of the console's listener, as who started the server."""
    running = find(data)
    return Client(running.url, running.token, data)


def world(data: Path) -> Client:
    """Return a client of the simulated world."""
    running = find(data)
    if not running.world_url:
        raise NotFoundError("this server has no simulated world")
    return Client(running.world_url, running.world_token, data)


def as_person(data: Path, person: str) -> Client:
    """Return a client that acts as a person, after signing in on this machine."""
    running = find(data)
    session = Client(running.url, running.token, data).post("/api/sessions", {"person": person})
    return Client(running.url, session["token"], data)


def webhook_url(data: Path) -> str:
    """Return where webhooks are taken, or would be by default when nothing runs."""
    try:
        return find(data).webhook_url
    except HintedError:
        return "http://127.0.0.1:8701"


def login_link(data: Path, person: str, path: str) -> str:
    """Return a page's address that signs a person in, once; nobody named: who started the server."""
    asked = server(data).post("/api/login-links", {"person": person})
    return f"{page(data, path)}?login={asked['token']}"


def page(data: Path, path: str) -> str:
    """Return a page's address; who opens it must have signed in."""
    running = find(data)
    return f"{running.base_url or running.url}{path}"


def command(text: str, data: Path) -> str:
    """Return a client command as a person types it for the server with this data directory."""
    return f"signoff {text}" + ("" if data == DATA else f" --data {shlex.quote(str(data))}")
