"""The API: for the command and for other programs. Bearer tokens; shapes are in `domain/views.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from services.notifier.domain.question import question
from services.notifier.domain.views import event, listed, shown
from services.notifier.entrypoints.strict import StrictRoute
from services.notifier.handlers.acting import Desk
from services.notifier.handlers.caring import Care
from services.notifier.handlers.signing_in import COMMAND, SigningIn
from services.notifier.ports import Changes, ReadModel, Session
from shared.errors import NotFoundError, RefusedError
from shared.incident.model import LIVE


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes use."""

    read_model: ReadModel
    changes: Changes
    desk: Desk
    care: Care
    signing_in: SigningIn


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonBody(_Body):
    """Who."""

    person: str


class RequestBody(_Body):
    """What a person asks of the diagnoser."""

    verb: str
    arguments: dict[str, str] = Field(default_factory=dict)


class QuestionBody(_Body):
    """What a person asks about an incident."""

    text: str


class KeyBody(_Body):
    """A key that is parked."""

    topic: str
    key: str


class VerdictBody(_Body):
    """Whether a diagnosis was right, and which cause it was if one is known."""

    verdict: str
    cause: str = ""


class DecisionBody(_Body):
    """What a person decides. Subject and plan default to what is pending or running."""

    verb: str
    subject: str = ""
    plan_sha256: str = ""
    reason: str = ""
    arguments: dict[str, str] = Field(default_factory=dict)


class OpenBody(_Body):
    """An incident to be opened by hand."""

    arguments: dict[str, str]
    environment: str = LIVE


class SilenceBody(_Body):
    """A silence to begin now."""

    matchers: dict[str, str]
    minutes: int = 60
    reason: str
    environment: str = LIVE


class EndBody(_Body):
    """Which environment a silence is of."""

    environment: str = LIVE


class FreezeBody(_Body):
    """Freeze, or let go on."""

    on: bool
    allow_rollback: bool = False
    reason: str = ""


def parts(request: Request) -> Parts:
    """Return the application's parts."""
    found: Parts = request.app.state.parts
    return found


def session(request: Request) -> Session:
    """Return who asks; the guard lets nobody else in."""
    found: Session = request.state.session
    return found


def operator(request: Request) -> Session:
    """Return who started the server. Raises RefusedError for everybody else."""
    found = session(request)
    if not found.is_operator:
        raise RefusedError("only who started the server may sign others in; use the token of run.json")
    return found


Use = Annotated[Parts, Depends(parts)]
Who = Annotated[Session, Depends(session)]

router = APIRouter(prefix="/api", route_class=StrictRoute)


@router.get("/incidents")
async def incidents(use: Use, environment: str = "") -> list[dict[str, Any]]:
    """List incidents, newest first."""
    return [listed(overview) for overview in await use.read_model.incidents(environment=environment)]


@router.get("/incidents/{prefix}")
async def incident(use: Use, prefix: str) -> dict[str, Any]:
    """Show one incident."""
    found = await use.read_model.find(prefix)
    return shown(await use.read_model.detail(found.incident.id))


@router.get("/incidents/{prefix}/events")
async def events(use: Use, prefix: str) -> list[dict[str, Any]]:
    """Show the journal of an incident, verbatim."""
    found = await use.read_model.find(prefix)
    return [event(told) for told in await use.read_model.journal(found.incident.id)]


@router.post("/incidents", status_code=202)
async def open_incident(use: Use, who: Who, body: OpenBody) -> dict[str, str]:
    """Ask for an incident to be opened by hand."""
    return {"request_id": await use.desk.open(who, body.environment, body.arguments)}


@router.post("/incidents/{prefix}/requests", status_code=202)
async def request(use: Use, who: Who, prefix: str, body: RequestBody) -> dict[str, str]:
    """Ask the diagnoser for something."""
    found = await use.read_model.find(prefix)
    return {"request_id": await use.desk.request(who, found.incident.id, body.verb, body.arguments)}


@router.post("/incidents/{prefix}/questions", status_code=202)
async def ask(use: Use, who: Who, prefix: str, body: QuestionBody) -> dict[str, str]:
    """Ask something about an incident; the answer is an event that names the question's id."""
    found = await use.read_model.find(prefix)
    return {"question_id": await use.desk.question(who, found.incident.id, body.text)}


@router.post("/incidents/{prefix}/verdicts", status_code=202)
async def judge(use: Use, who: Who, prefix: str, body: VerdictBody) -> dict[str, str]:
    """Say whether the diagnosis was right."""
    found = await use.read_model.find(prefix)
    return {"request_id": await use.desk.verdict(who, found.incident.id, body.verdict, body.cause)}


@router.post("/incidents/{prefix}/decisions", status_code=202)
async def decide(use: Use, who: Who, prefix: str, body: DecisionBody) -> dict[str, str]:
    """Submit a decision; the executor's ruling is an event that names its id."""
    found = await use.read_model.find(prefix)
    decision_id = await use.desk.decide(
        who,
        found.incident.id,
        body.verb,
        subject=body.subject,
        plan_sha256=body.plan_sha256,
        arguments={**body.arguments, "reason": body.reason},
    )
    return {"decision_id": decision_id}


@router.get("/approvals/{approval_id}")
async def approval(use: Use, approval_id: str) -> dict[str, Any]:
    """Show one question with its plan."""
    incident_id = await use.read_model.incident_of(approval_id)
    asked = question(await use.read_model.detail(incident_id), approval_id)
    if asked is None:
        raise NotFoundError(f"no approval {approval_id!r}")
    return {**asked.approval, "incident_id": incident_id, "problem": asked.problem}


@router.get("/incidents/{prefix}/investigations")
async def investigations(use: Use, prefix: str) -> Any:  # noqa: ANN401 -- ids, as the diagnoser tells them
    """List the investigations of an incident that are still kept."""
    return await use.care.investigations((await use.read_model.find(prefix)).incident.id)


@router.get("/evidence/{investigation}")
async def evidence(use: Use, investigation: str) -> Any:  # noqa: ANN401 -- as the diagnoser keeps it
    """Show everything an investigation saw and concluded."""
    return await use.care.evidence(investigation)


@router.get("/budget")
async def budget(use: Use) -> Any:  # noqa: ANN401 -- as the diagnoser tells it
    """Return what asking the model has used and what is left."""
    return await use.care.budget()


@router.get("/deliveries/account")
async def account(use: Use) -> dict[str, Any]:
    """Show the accounts of ingest and diagnoser."""
    return await use.care.account()


@router.get("/deliveries/{receipt:path}")
async def delivery(use: Use, receipt: str) -> Any:  # noqa: ANN401 -- one disposition, or a list where the body held several
    """Show what became of a delivery."""
    return await use.care.delivery(receipt)


@router.get("/causes/reliability")
async def reliability(use: Use, environment: str = LIVE) -> Any:  # noqa: ANN401 -- as the diagnoser tells them
    """Show how often each cause was right, by people's verdicts."""
    return await use.care.reliability(environment)


@router.get("/silences")
async def silences(use: Use) -> Any:  # noqa: ANN401 -- as the diagnoser tells them
    """List the silences in force."""
    return await use.care.silences()


@router.post("/silences", status_code=202)
async def silence(use: Use, who: Who, body: SilenceBody) -> dict[str, Any]:
    """Ask for a silence."""
    asked = await use.desk.silence(who, body.matchers, body.minutes, body.reason, body.environment)
    return asked.model_dump(mode="json")


@router.post("/silences/{silence_id}/end", status_code=202)
async def end_silence(use: Use, who: Who, silence_id: str, body: EndBody) -> dict[str, str]:
    """Ask for a silence to end."""
    return {"request_id": await use.desk.end_silence(who, silence_id, body.environment)}


@router.post("/freeze")
async def freeze(use: Use, who: Who, body: FreezeBody) -> dict[str, Any]:
    """Let nothing more change, or let it go on; works while the bus is away."""
    return await use.desk.freeze(who, on=body.on, allow_rollback=body.allow_rollback, reason=body.reason)


@router.get("/dead-letters")
async def dead_letters(use: Use) -> list[dict[str, Any]]:
    """List messages that no service could handle."""
    return await use.care.dead_letters()


@router.get("/dead-letters/{service}/{message_id:path}")
async def dead_letter(use: Use, service: str, message_id: str) -> Any:  # noqa: ANN401 -- as the service tells it
    """Show one of them."""
    return await use.care.dead_letter(service, message_id)


@router.post("/dead-letters/{service}/{message_id:path}/requeue")
async def requeue(use: Use, who: Who, service: str, message_id: str) -> Any:  # noqa: ANN401 -- as the service tells it
    """Handle it again."""
    return await use.care.requeue(who, service, message_id)


@router.get("/parked-keys")
async def parked_keys(use: Use) -> list[dict[str, Any]]:
    """List the keys of which a service sends nothing any more, because something under them cannot be sent."""
    return await use.care.parked_keys()


@router.post("/parked-keys/{service}/release")
async def release(use: Use, who: Who, service: str, body: KeyBody) -> Any:  # noqa: ANN401 -- as the service tells it
    """Send what waits under one of them again."""
    return await use.care.release(who, service, body.topic, body.key)


@router.get("/changes")
async def changes(use: Use, after: int | None = None) -> StreamingResponse:
    """Stream which incidents changed, from a change number on, or from this request on."""
    place = await use.changes.newest() if after is None else after  # not later: the answer's head says "from here on"

    async def frames() -> AsyncIterator[bytes]:
        async for found in use.changes.follow(place):
            if not found:
                yield b": still here\n\n"
            for number, feed in found:
                yield b"id: %d\ndata: %s\n\n" % (number, orjson.dumps({"incident": feed}))

    return StreamingResponse(frames(), media_type="text/event-stream")


@router.post("/sessions")
async def begin_session(use: Use, body: PersonBody, _: Annotated[Session, Depends(operator)]) -> dict[str, str]:
    """Sign a person in for the command, on this machine."""
    return {"token": await use.signing_in.begin(body.person, COMMAND), "person": body.person}


@router.post("/login-links")
async def login_link(use: Use, body: PersonBody, who: Annotated[Session, Depends(operator)]) -> dict[str, str]:
    """Return a one-time login for a page, of who started the server unless another person is named."""
    return {"token": await use.signing_in.invite(body.person or who.person)}


@router.get("/me")
async def me(use: Use, who: Who) -> dict[str, Any]:
    """Show who is signed in."""
    person = use.signing_in.person(who.person)
    return {"person": person.id, "name": person.name, "roles": [role.value for role in person.roles], "via": who.via}


@router.post("/sign-out")
async def sign_out(use: Use, who: Who, asked: Request) -> dict[str, bool]:
    """End the session of this token."""
    if who.is_operator:
        raise RefusedError("the run token ends with the server")
    await use.signing_in.end(asked.state.token, who)
    return {"signed_out": True}
