"""What people ask for. Nothing here decides: it signs what a person said and passes it on."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import ValidationError

from services.notifier.domain.approvals import pending
from services.notifier.domain.detail import Detail
from services.notifier.domain.executions import current_step, running
from services.notifier.handlers.answering import DECIDE, REQUEST
from services.notifier.handlers.incident_state import aggregate
from services.notifier.handlers.request import KIND as REQUEST_KIND
from services.notifier.handlers.signing import Said, Signer
from services.notifier.ports import Peer, ReadModel, Session
from shared.errors import RefusedError
from shared.events.people import (
    QUESTION_MAX,
    FeedbackGiven,
    IncidentRequested,
    QuestionAsked,
    Silence,
    SilenceRequested,
)
from shared.incident.actor import Actor
from shared.incident.enums import Role, Stage
from shared.incident.model import LIVE
from shared.runtime.clock import at
from shared.runtime.people import People
from shared.store.model import Incoming
from shared.store.port import Store
from shared.telemetry.redacting import Redactor

OF_APPROVAL = frozenset({"approve", "reject", "withdraw"})
OF_EXECUTION = frozenset({"cancel", "pause", "resume", "skip", "retry", "confirm"})
OF_STEP = frozenset({"skip", "retry", "confirm"})
REASON_MAX = 1000
CAUSE_MAX = 100
SILENCE_MINUTES_MAX = 30 * 24 * 60
_REDACTOR = Redactor()


class Desk:
    """Takes what people say, and hands it to the aggregate that sends it on."""

    def __init__(self, store: Store, read_model: ReadModel, signer: Signer, people: People, executor: Peer) -> None:
        self._store = store
        self._read_model = read_model
        self._signer = signer
        self._people = people
        self._executor = executor

    async def decide(
        self,
        session: Session,
        incident_id: str,
        verb: str,
        *,
        subject: str = "",
        plan_sha256: str = "",
        arguments: Mapping[str, str] | None = None,
    ) -> str:
        """Submit a decision about an incident and return its id; the executor rules on it.

        Subject and plan are those of the pending approval or the running execution unless they are given. Raises
        NotFoundError for no such incident, RefusedError when nothing waits for this verb.
        """
        detail = await self._read_model.detail(incident_id)
        if detail.overview is None:
            raise RefusedError(f"incident {incident_id} is not open yet")
        found, plan = _subject(detail, verb, subject)
        environment = detail.overview.incident.environment
        given = {name: _said(text) if name == "reason" else text for name, text in (arguments or {}).items()}
        execution = running(detail)
        if verb in OF_STEP and execution is not None and (step := current_step(execution)):
            # Unnamed it would be about whichever step it reaches: a double click would skip two.
            given.setdefault("step", step)
        said = Said(verb, environment, incident_id, found, plan_sha256 or plan, given)
        signed = self._signer.sign(session, said, await self._now())
        reply = await self._ask(aggregate(incident_id), f"decide/{signed.nonce}", DECIDE, asdict(signed))
        return str(reply["decision_id"])

    async def request(self, session: Session, incident_id: str, verb: str, arguments: Mapping[str, str]) -> str:
        """Ask the diagnoser for something about an incident and return the request's id."""
        return await self._pass_on(incident_id, self._request(session, incident_id, verb, arguments))

    async def question(self, session: Session, incident_id: str, text: str) -> str:
        """Ask something about an incident and return the question's id. It reads only, so everybody may ask."""
        actor = self._actor(session, Role.VIEWER, Role.RESPONDER, Role.APPROVER, Role.AUTHOR, Role.ADMIN)
        asked = _said(text.strip())
        if not 0 < len(asked) <= QUESTION_MAX:
            raise RefusedError(f"a question has 1 to {QUESTION_MAX} characters")
        payload = QuestionAsked(request_id=_request_id(), actor=actor, incident_id=incident_id, text=asked)
        return await self._pass_on(incident_id, payload)

    async def verdict(self, session: Session, incident_id: str, verdict: str, cause: str) -> str:
        """Say whether the diagnosis was right, and which cause it was if one is known; return the request's id."""
        given = {"incident_id": incident_id, "verdict": verdict, "cause": _said(cause.strip())[:CAUSE_MAX] or None}
        try:
            payload = FeedbackGiven.model_validate(
                {"request_id": _request_id(), "actor": self._actor(session, Role.RESPONDER, Role.APPROVER), **given}
            )
        except ValidationError as error:
            raise RefusedError(f"a verdict is right or wrong, not {verdict!r}") from error
        return await self._pass_on(incident_id, payload)

    async def open(self, session: Session, environment: str, arguments: Mapping[str, str]) -> str:
        """Ask for an incident to be opened by hand and return the request's id."""
        return await self._send(self._request(session, None, "open", arguments), environment)

    async def silence(
        self, session: Session, matchers: Mapping[str, str], minutes: int, reason: str, environment: str = LIVE
    ) -> Silence:
        """Ask for alerts to be suppressed for a while."""
        actor = self._actor(session)
        if not matchers or not reason.strip():
            raise RefusedError("a silence needs at least one matcher (such as service=web) and a reason")
        if not 0 < minutes <= SILENCE_MINUTES_MAX:
            raise RefusedError(f"a silence lasts 1 to {SILENCE_MINUTES_MAX} minutes, not {minutes}")
        now = await self._now()
        silence = Silence(
            id=f"sil-{secrets.token_hex(5)}",
            matchers=dict(matchers),
            starts_at=now,
            ends_at=now + timedelta(minutes=minutes),
            author=actor,
            reason=_said(reason.strip())[:REASON_MAX],
        )
        payload = SilenceRequested(
            request_id=_request_id(), actor=actor, verb="add", silence_id=silence.id, silence=silence
        )
        await self._send(payload, environment)
        return silence

    async def end_silence(self, session: Session, silence_id: str, environment: str = LIVE) -> str:
        """Ask for a silence to end now and return the request's id."""
        payload = SilenceRequested(
            request_id=_request_id(), actor=self._actor(session), verb="end", silence_id=silence_id
        )
        return await self._send(payload, environment)

    async def freeze(self, session: Session, *, on: bool, allow_rollback: bool, reason: str) -> dict[str, Any]:
        """Let nothing more change in any environment, or let changes go on. Goes past the bus, straight to executors.

        Raises RefusedError when the executor refuses it everywhere.
        """
        open_ones = [o.incident for o in await self._read_model.incidents() if o.incident.stage is not Stage.CLOSED]
        arguments = {"allow_rollback": "true" if allow_rollback else "false", "reason": _said(reason)[:REASON_MAX]}
        answers: dict[str, Any] = {}
        refused: RefusedError | None = None
        for environment in sorted({LIVE, *(incident.environment for incident in open_ones)}):
            said = Said("freeze" if on else "unfreeze", environment, "", environment, arguments=arguments)
            signed = self._signer.sign(session, said, await self._now())
            try:
                body = {"decision": signed.decision, "signature": signed.signature}
                answers[environment] = await self._executor.post("/control/freeze", body)
            except RefusedError as error:
                refused = error
                answers[environment] = {"refused": str(error)}
        if refused is not None and all("refused" in answer for answer in answers.values()):
            raise refused
        return {"environments": answers}

    async def _send(self, payload: IncidentRequested | SilenceRequested, environment: str) -> str:
        body = {"payload": payload.model_dump(mode="json"), "environment": environment}
        await self._ask(f"{REQUEST_KIND}/{payload.request_id}", payload.request_id, payload.type, body)
        return payload.request_id

    async def _pass_on(self, incident_id: str, payload: IncidentRequested | QuestionAsked | FeedbackGiven) -> str:
        body = {"type": payload.type, "payload": payload.model_dump(mode="json")}
        reply = await self._ask(aggregate(incident_id), f"ask/{payload.request_id}", REQUEST, body)
        return str(reply["request_id"])

    async def _ask(self, to: str, message_id: str, kind: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        reply: Mapping[str, Any] = await self._store.ask(Incoming(to, message_id, kind, orjson.dumps(body)))
        if "error" in reply:
            raise RefusedError(str(reply.get("detail") or reply["error"]))
        return reply

    async def _now(self) -> datetime:
        return at(await self._store.now())

    def _request(
        self, session: Session, incident_id: str | None, verb: str, arguments: Mapping[str, str]
    ) -> IncidentRequested:
        try:
            return IncidentRequested.model_validate(
                {
                    "request_id": _request_id(),
                    "actor": self._actor(session),
                    "incident_id": incident_id,
                    "verb": verb,
                    "arguments": {name: _said(text) for name, text in arguments.items()},
                }
            )
        except ValidationError as error:
            raise RefusedError(f"not a request: {error.errors()[0]['msg']}") from error

    def _actor(self, session: Session, *roles: Role) -> Actor:
        """Return a person who has one of the roles (none given: responder). Raises RefusedError for everybody else."""
        person = self._people.find(session.person)
        allowed = roles or (Role.RESPONDER,)
        if person is None or not any(person.has(role) for role in allowed):
            raise RefusedError(f"{session.person} is no {' or '.join(role.value for role in allowed)}")
        return person.actor


def _subject(detail: Detail, verb: str, given: str) -> tuple[str, str]:
    """Return what a verb is about, and its plan's digest, unless they were given."""
    if verb in OF_APPROVAL:
        asked = detail.approvals.get(given) if given else pending(detail)
        if asked is None and not given:
            raise RefusedError("no approval is pending")
        return (asked["approval_id"], asked["plan_sha256"]) if asked else (given, "")
    if verb in OF_EXECUTION:
        execution = running(detail)
        if execution is None and not given:
            raise RefusedError("nothing is being executed")
        return given or str(execution and execution["execution_id"]), str(execution["plan_sha256"]) if execution else ""
    raise RefusedError(f"{verb!r} is nothing to decide; use {', '.join(sorted(OF_APPROVAL | OF_EXECUTION))}")


def _said(text: str) -> str:
    """Return what a person wrote as it may be told to everybody: a password that was pasted with it goes no further."""
    return _REDACTOR.text(text)


def _request_id() -> str:
    return f"req-{secrets.token_hex(8)}"
